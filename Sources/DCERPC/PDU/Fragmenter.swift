import NDR
import Security

/// Cuts a stub into the fragments that carry it, one after the other, so that the first can be on its way before the last
/// is sealed. Each is laid out in one piece of memory of its final size, and sealed there.
struct Fragmenter: Sendable {
    private let type: PDUType
    private let flags: PDUFlags
    private let callID: UInt32
    private let contextID: UInt16
    /// Nil in a response.
    private let opnum: UInt16?
    private let object: GUID?
    private let stub: [UInt8]
    /// What protects the fragments; nil if nothing does.
    private let security: MessageSecurity?
    private let fixedSize: Int
    private let authLength: Int
    /// The octets of the stub that a fragment has room for.
    private let room: Int
    private var offset = 0

    /// Whether all fragments have been made.
    private(set) var isFinished = false

    /// The fragments of a request.
    static func request(
        callID: UInt32, contextID: UInt16, opnum: UInt16, object: GUID?, stub: [UInt8], maximumFragment: Int,
        security: MessageSecurity?
    ) -> Fragmenter {
        Fragmenter(
            .request, callID: callID, contextID: contextID, opnum: opnum, object: object, stub: stub,
            maximumFragment: maximumFragment, security: security)
    }

    /// The fragments of a response.
    static func response(
        callID: UInt32, contextID: UInt16, stub: [UInt8], maximumFragment: Int, security: MessageSecurity?
    ) -> Fragmenter {
        Fragmenter(
            .response, callID: callID, contextID: contextID, opnum: nil, object: nil, stub: stub,
            maximumFragment: maximumFragment, security: security)
    }

    private init(
        _ type: PDUType, callID: UInt32, contextID: UInt16, opnum: UInt16?, object: GUID?, stub: [UInt8],
        maximumFragment: Int, security: MessageSecurity?
    ) {
        self.type = type
        flags = object == nil ? [] : .objectUUID
        self.callID = callID
        self.contextID = contextID
        self.opnum = opnum
        self.object = object
        self.stub = stub
        fixedSize =
            opnum == nil
            ? ResponseFields.size : RequestFields.size + (object == nil ? 0 : RequestFields.objectSize)
        if let security, security.protects {
            self.security = security
            authLength = security.context.signatureLength(for: security.level)
            room = security.room(in: maximumFragment - fixedSize, authLength: authLength)
        } else {
            self.security = nil
            authLength = 0
            room = maximumFragment - fixedSize
        }
    }

    /// Makes the next fragment; nil if there is none. They have to be sent in this order.
    mutating func next() throws(SecurityError) -> [UInt8]? {
        guard !isFinished else { return nil }
        let end = min(offset + room, stub.count)
        var flags = flags
        if offset == 0 { flags.insert(.firstFragment) }
        if end == stub.count { flags.insert(.lastFragment) }
        var writer = PDUWriter(type, flags: flags, callID: callID, capacity: size(of: end - offset))
        // The hint counts what is still to come, this fragment included ([MS-RPCE] 2.2.2.6).
        writer.write(UInt32(truncatingIfNeeded: stub.count - offset))
        writer.write(contextID)
        // In a response, the cancel count and an octet without meaning.
        writer.write(opnum ?? 0)
        if let object { writer.write(object) }
        writer.write(octets: stub[offset..<end])
        offset = end
        isFinished = end == stub.count
        guard let security else { return writer.finish() }
        return try security.seal(writer, stubOffset: fixedSize, authLength: authLength)
    }

    /// The length of a fragment with so many octets of the stub.
    private func size(of count: Int) -> Int {
        guard security != nil else { return fixedSize + count }
        return fixedSize + count + MessageSecurity.padding(behind: count) + PDUHeader.trailerSize + authLength
    }
}
