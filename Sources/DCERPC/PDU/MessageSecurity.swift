import NDR
import Security

/// A finished security context in its place on a connection: what requests and responses are protected with.
struct MessageSecurity: Sendable {
    /// The identifier that the client chose for the context.
    let contextID: UInt32
    let type: AuthenticationType
    /// The level's octet as the client asked for it; every trailer repeats it.
    let levelOctet: UInt8
    /// The level that is applied: [MS-RPCE] 2.2.1.1.8 raises `call` to `packet`.
    let level: AuthenticationLevel
    /// Whether header signing was negotiated, which is the connection's doing and may come late.
    var signsHeader: Bool
    let context: any SecurityContext

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
    func seal(_ writer: consuming PDUWriter, stubOffset: Int) throws(SecurityError) -> [UInt8] {
        let padding = (Self.alignment - (writer.count - stubOffset) % Self.alignment) % Self.alignment
        writer.write(octets: repeatElement(0, count: padding))
        let end = writer.count
        writer.write(
            SecurityTrailer(type: type, level: levelOctet, paddingLength: padding, contextID: contextID))
        let length = context.signatureLength(for: level)
        var pdu = writer.finish(authLength: length)
        pdu.append(contentsOf: repeatElement(0, count: length))
        let parts = MessageParts(
            body: stubOffset..<end, authValue: (pdu.count - length)..<pdu.count, signsHeader: signsHeader)
        try pdu.withMutableOctets { pdu throws(SecurityError) in try context.protect(pdu, parts, level: level) }
        return pdu
    }

    /// Stub and padding together are a multiple of this ([MS-RPCE] 2.2.2.11).
    static let alignment = 16

    /// What a fragment of `size` octets has room for, besides its header, trailer and signature.
    func room(in size: Int) -> Int {
        let room = size - PDUHeader.trailerSize - context.signatureLength(for: level)
        return room - room % Self.alignment
    }
}

/// Cuts a stub into the fragments that carry it.
enum Fragmenter {
    /// The fragments of a request.
    static func request(
        callID: UInt32, contextID: UInt16, opnum: UInt16, object: GUID?, stub: [UInt8], maximumFragment: Int,
        security: MessageSecurity?
    ) throws(SecurityError) -> [[UInt8]] {
        var flags: PDUFlags = []
        if object != nil { flags.insert(.objectUUID) }
        return try fragments(
            .request, flags: flags, callID: callID, stub: stub, maximumFragment: maximumFragment, security: security,
            fixedSize: RequestFields.size + (object == nil ? 0 : RequestFields.objectSize)
        ) { writer, remaining in
            writer.write(UInt32(truncatingIfNeeded: remaining))
            writer.write(contextID)
            writer.write(opnum)
            if let object { writer.write(object) }
        }
    }

    /// The fragments of a response.
    static func response(
        callID: UInt32, contextID: UInt16, stub: [UInt8], maximumFragment: Int, security: MessageSecurity?
    ) throws(SecurityError) -> [[UInt8]] {
        try fragments(
            .response, flags: [], callID: callID, stub: stub, maximumFragment: maximumFragment, security: security,
            fixedSize: ResponseFields.size
        ) { writer, remaining in
            writer.write(UInt32(truncatingIfNeeded: remaining))
            writer.write(contextID)
            writer.write(UInt16(0))
        }
    }

    private static func fragments(
        _ type: PDUType, flags: PDUFlags, callID: UInt32, stub: [UInt8], maximumFragment: Int,
        security: MessageSecurity?, fixedSize: Int, writeFields: (inout PDUWriter, _ remaining: Int) -> Void
    ) throws(SecurityError) -> [[UInt8]] {
        let security = security.flatMap { $0.protects ? $0 : nil }
        let room = security?.room(in: maximumFragment - fixedSize) ?? maximumFragment - fixedSize
        var fragments: [[UInt8]] = []
        fragments.reserveCapacity(stub.count / room + 1)
        var offset = 0
        repeat {
            let end = min(offset + room, stub.count)
            var fragmentFlags = flags
            if offset == 0 { fragmentFlags.insert(.firstFragment) }
            if end == stub.count { fragmentFlags.insert(.lastFragment) }
            var writer = PDUWriter(
                type, flags: fragmentFlags, callID: callID, capacity: fixedSize + end - offset + 64)
            // The hint counts what is still to come, this fragment included ([MS-RPCE] 2.2.2.6).
            writeFields(&writer, stub.count - offset)
            writer.write(octets: stub[offset..<end])
            fragments.append(try security?.seal(writer, stubOffset: fixedSize) ?? writer.finish())
            offset = end
        } while offset < stub.count
        return fragments
    }
}
