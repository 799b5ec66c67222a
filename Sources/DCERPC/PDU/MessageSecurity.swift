import NDR
import Security

/// A finished security context in its place on a connection: what requests and responses are protected with.
///
/// Every request and every call has one. What does not change is kept behind one reference, so that a copy is cheap.
struct MessageSecurity: Sendable {
    private final class Agreement: Sendable {
        let contextID: UInt32
        let type: AuthenticationType
        let levelOctet: UInt8
        let level: AuthenticationLevel
        let context: any SecurityContext

        init(
            contextID: UInt32, type: AuthenticationType, levelOctet: UInt8, level: AuthenticationLevel,
            context: any SecurityContext
        ) {
            self.contextID = contextID
            self.type = type
            self.levelOctet = levelOctet
            self.level = level
            self.context = context
        }
    }

    private let agreement: Agreement
    /// Whether header signing was negotiated, which is the connection's doing and may come late.
    var signsHeader: Bool

    /// The identifier that the client chose for the context.
    var contextID: UInt32 { agreement.contextID }
    var type: AuthenticationType { agreement.type }
    /// The level's octet as the client asked for it; every trailer repeats it.
    var levelOctet: UInt8 { agreement.levelOctet }
    /// The level that is applied: [MS-RPCE] 2.2.1.1.8 raises `call` to `packet`.
    var level: AuthenticationLevel { agreement.level }
    var context: any SecurityContext { agreement.context }

    init(
        contextID: UInt32, type: AuthenticationType, levelOctet: UInt8, level: AuthenticationLevel, signsHeader: Bool,
        context: any SecurityContext
    ) {
        agreement = Agreement(contextID: contextID, type: type, levelOctet: levelOctet, level: level, context: context)
        self.signsHeader = signsHeader
    }

    /// The level that an octet asks for, or nil if none that can be asked for.
    static func level(of octet: UInt8) -> AuthenticationLevel? {
        switch AuthenticationLevel(rawValue: octet) {
        case .call: .packet
        case .connect: .connect
        case .packet: .packet
        case .packetIntegrity: .packetIntegrity
        case .packetPrivacy: .packetPrivacy
        case .some(.none), nil: nil
        }
    }

    /// Whether messages carry a signature: at `connect` they may, but nobody reads it ([MS-RPCE] 3.3.1.5.2.2).
    var protects: Bool { level > .connect }

    /// Verifies a received PDU, unseals it in place, and gives the range of its stub.
    func open(
        _ pdu: inout [UInt8], header: PDUHeader, stubOffset: Int, paddingLength: Int
    ) throws(SecurityError) -> Range<Int> {
        let end = header.trailerOffset
        let parts = MessageParts(
            body: stubOffset..<end, authValue: (header.fragmentLength - header.authLength)..<header.fragmentLength,
            signsHeader: signsHeader)
        try pdu.withMutableOctets { pdu throws(SecurityError) in
            try context.unprotect(pdu, parts, level: level)
        }
        return stubOffset..<(end - paddingLength)
    }

    /// Adds trailer and signature to a PDU whose stub is its last part, seals it, and fills the lengths in.
    ///
    /// - Parameter authLength: what ``SecurityContext/signatureLength(for:)`` said, if it was asked already.
    func seal(
        _ writer: consuming PDUWriter, stubOffset: Int, authLength: Int? = nil
    ) throws(SecurityError) -> [UInt8] {
        let authLength = authLength ?? context.signatureLength(for: level)
        let padding = Self.padding(behind: writer.count - stubOffset)
        writer.write(zeroes: padding)
        let end = writer.count
        writer.write(
            SecurityTrailer(type: type, level: levelOctet, paddingLength: padding, contextID: contextID))
        let authOffset = writer.count
        writer.write(zeroes: authLength)
        var pdu = writer.finish(countedAuthLength: authLength)
        let parts = MessageParts(
            body: stubOffset..<end, authValue: authOffset..<authOffset + authLength, signsHeader: signsHeader)
        try pdu.withMutableOctets { pdu throws(SecurityError) in try context.protect(pdu, parts, level: level) }
        return pdu
    }

    /// What aligns a trailer behind so many octets of a stub.
    static func padding(behind count: Int) -> Int {
        (alignment - count % alignment) % alignment
    }

    /// Stub and padding together are a multiple of this ([MS-RPCE] 2.2.2.11).
    static let alignment = 16

    /// What a fragment of `size` octets has room for, besides its header, trailer and signature.
    func room(in size: Int, authLength: Int) -> Int {
        let room = size - PDUHeader.trailerSize - authLength
        return room - room % Self.alignment
    }
}
