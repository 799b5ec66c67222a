import NDR

/// The fixed fields of a request, before its stub ([C706] 12.6.4.9).
public struct RequestFields: Sendable, Hashable {
    /// The octets before the stub without an object UUID.
    static let size = 24
    /// What an object UUID adds.
    static let objectSize = 16

    /// The stub's length in this and the following fragments, or zero if the sender does not say.
    public let allocationHint: UInt32
    /// The presentation context.
    public let contextID: UInt16
    /// The operation.
    public let opnum: UInt16
    /// The object UUID, if there is one.
    public let object: GUID?

    /// Where the stub begins.
    package var stubOffset: Int { Self.size + (object == nil ? 0 : Self.objectSize) }

    /// Makes them.
    public init(allocationHint: UInt32, contextID: UInt16, opnum: UInt16, object: GUID? = nil) {
        self.allocationHint = allocationHint
        self.contextID = contextID
        self.opnum = opnum
        self.object = object
    }

    /// Reads them.
    public init(_ header: PDUHeader, of pdu: [UInt8]) throws(PDUError) {
        var reader = PDUReader(
            pdu, from: PDUHeader.size, to: header.trailerOffset, representation: header.representation)
        allocationHint = try reader.read()
        contextID = try reader.read()
        opnum = try reader.read()
        object = header.flags.contains(.objectUUID) ? try reader.readGUID() : nil
    }
}

/// The fixed fields of a response ([C706] 12.6.4.10).
public struct ResponseFields: Sendable, Hashable {
    /// The octets before the stub.
    package static let size = 24

    /// The stub's length in this and the following fragments, or zero.
    public let allocationHint: UInt32
    /// The presentation context of the request.
    public let contextID: UInt16
    /// The cancels that the server has received.
    public let cancelCount: UInt8

    /// Makes them.
    public init(allocationHint: UInt32, contextID: UInt16, cancelCount: UInt8 = 0) {
        self.allocationHint = allocationHint
        self.contextID = contextID
        self.cancelCount = cancelCount
    }

    /// Reads them.
    public init(_ header: PDUHeader, of pdu: [UInt8]) throws(PDUError) {
        var reader = PDUReader(
            pdu, from: PDUHeader.size, to: header.trailerOffset, representation: header.representation)
        allocationHint = try reader.read()
        contextID = try reader.read()
        cancelCount = try reader.read()
        _ = try reader.read(UInt8.self)
    }
}

/// A fault ([C706] 12.6.4.7, [MS-RPCE] 2.2.2.8). It is never signed: no Windows server signs one, and a fault says nothing
/// that a peer may rely on but that its call failed.
public struct FaultPDU: Sendable, Hashable {
    /// The presentation context of the request, or zero if the fault concerns the connection.
    public let contextID: UInt16
    /// What went wrong.
    public let fault: RPCFault
    /// Whether the operation certainly did not begin.
    public let didNotExecute: Bool

    /// The PDU's length; it is also what `alloc_hint` says when there is no extended error information behind it.
    static let size = 32

    /// Makes one.
    public init(contextID: UInt16, fault: RPCFault, didNotExecute: Bool) {
        self.contextID = contextID
        self.fault = fault
        self.didNotExecute = didNotExecute
    }

    /// Reads one; what follows the status is ignored ([MS-RPCE] 2.2.2.8).
    public init(_ header: PDUHeader, of pdu: [UInt8]) throws(PDUError) {
        var reader = PDUReader(
            pdu, from: PDUHeader.size, to: header.fragmentLength, representation: header.representation)
        _ = try reader.read(UInt32.self)
        contextID = try reader.read()
        _ = try reader.read(UInt16.self)
        fault = RPCFault(status: try reader.read())
        didNotExecute = header.flags.contains(.didNotExecute)
    }

    /// Writes one.
    public func encoded(callID: UInt32) -> [UInt8] {
        var flags = PDUFlags.whole
        if didNotExecute { flags.insert(.didNotExecute) }
        var writer = PDUWriter(.fault, flags: flags, callID: callID, capacity: Self.size)
        writer.write(UInt32(Self.size))
        writer.write(contextID)
        writer.write(UInt16(0))
        writer.write(fault.status)
        writer.write(UInt32(0))
        return writer.finish()
    }
}

/// A PDU that is nothing but its header: shutdown, co_cancel, orphaned ([C706] 12.6.4.11, 12.6.4.6, 12.6.4.8).
enum BarePDU {
    static func encoded(_ type: PDUType, callID: UInt32) -> [UInt8] {
        PDUWriter(type, flags: .whole, callID: callID, capacity: PDUHeader.size).finish()
    }
}
