import NDR
import Security

/// The security trailer, which stands before the authentication value at a PDU's end ([MS-RPCE] 2.2.2.11).
public struct SecurityTrailer: Sendable, Hashable {
    /// Which provider the value belongs to.
    public let type: AuthenticationType
    /// The level's octet, as it stands on the wire; not every octet is a level.
    public let level: UInt8
    /// The octets of padding between the body and the trailer.
    public let paddingLength: Int
    /// Which of the connection's security contexts it belongs to.
    public let contextID: UInt32

    /// Makes a trailer.
    public init(type: AuthenticationType, level: UInt8, paddingLength: Int = 0, contextID: UInt32) {
        self.type = type
        self.level = level
        self.paddingLength = paddingLength
        self.contextID = contextID
    }

    /// Reads the trailer of a PDU, or nil if it has none.
    ///
    /// - Parameter bodyOffset: where the part of the PDU begins that padding may be cut from: behind the fixed fields.
    package init?(_ header: PDUHeader, of pdu: [UInt8], bodyOffset: Int) throws(PDUError) {
        guard header.authLength > 0 else { return nil }
        let offset = header.trailerOffset
        guard offset >= bodyOffset else {
            throw .authLength(header.authLength, callID: header.callID, type: header.type)
        }
        var reader = PDUReader(
            pdu, from: offset, to: header.fragmentLength, representation: header.representation)
        type = AuthenticationType(rawValue: try reader.read())
        level = try reader.read()
        paddingLength = Int(try reader.read(UInt8.self))
        _ = try reader.read(UInt8.self)
        contextID = try reader.read()
        guard paddingLength <= offset - bodyOffset else { throw .authPadding(paddingLength) }
    }
}

extension PDUWriter {
    mutating func write(_ trailer: SecurityTrailer) {
        write(trailer.type.rawValue)
        write(trailer.level)
        write(UInt8(truncatingIfNeeded: trailer.paddingLength))
        write(UInt8(0))
        write(trailer.contextID)
    }
}

/// A security trailer with its authentication value: what a bind, an alter_context, their answers and an auth3 carry.
public struct AuthenticationToken: Sendable, Hashable {
    /// The trailer.
    public let trailer: SecurityTrailer
    /// The provider's token.
    public let value: [UInt8]

    /// Makes one.
    public init(trailer: SecurityTrailer, value: [UInt8]) {
        self.trailer = trailer
        self.value = value
    }

    init?(_ header: PDUHeader, of pdu: [UInt8], bodyOffset: Int) throws(PDUError) {
        guard let trailer = try SecurityTrailer(header, of: pdu, bodyOffset: bodyOffset) else { return nil }
        self.trailer = trailer
        value = Array(pdu[(header.fragmentLength - header.authLength)..<header.fragmentLength])
    }
}

extension PDUWriter {
    /// Ends a PDU that is not signed: aligns, writes the trailer and the token, and fills the lengths in.
    ///
    /// An empty token is the server's answer to the last leg ([MS-RPCE] 3.3.1.5.2.1). It has a trailer, as Windows sends it,
    /// though its `auth_length` of zero says that there is none: who goes by that does not see the trailer.
    consuming func finish(_ token: AuthenticationToken?) -> [UInt8] {
        guard let token else { return finish() }
        // Four are what every implementation uses here; sixteen concern requests and responses alone.
        let padding = (4 - count % 4) % 4
        align(4)
        write(
            SecurityTrailer(
                type: token.trailer.type, level: token.trailer.level, paddingLength: padding,
                contextID: token.trailer.contextID))
        var pdu = finish(authLength: token.value.count)
        pdu.append(contentsOf: token.value)
        return pdu
    }
}
