import NDR

/// The kind of a connection-oriented PDU ([C706] 12.6.4, and [MS-RPCE] 2.2.2.10 for ``auth3``).
public enum PDUType: UInt8, Sendable, Hashable, CaseIterable {
    /// A call, from the client.
    case request = 0
    /// A call's result.
    case response = 2
    /// A call's refusal or failure.
    case fault = 3
    /// Begins an association.
    case bind = 11
    /// Accepts a bind.
    case bindAck = 12
    /// Refuses a bind.
    case bindNak = 13
    /// Adds presentation and security contexts to an association.
    case alterContext = 14
    /// Answers ``alterContext``.
    case alterContextResponse = 15
    /// The last leg of an authentication whose number of legs is odd; it has no answer.
    case auth3 = 16
    /// Asks the client to close the connection.
    case shutdown = 17
    /// Asks the server to cancel a call.
    case cancel = 18
    /// Tells the server that nobody waits for a call's result any more.
    case orphaned = 19
}

/// The flags of a PDU's header ([C706] 12.6.3.1).
public struct PDUFlags: OptionSet, Sendable, Hashable {
    /// The octet on the wire.
    public let rawValue: UInt8

    /// Wraps an octet.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The first fragment.
    public static let firstFragment = PDUFlags(rawValue: 0x01)
    /// The last fragment.
    public static let lastFragment = PDUFlags(rawValue: 0x02)
    /// In a request: a cancel was pending at the sender.
    public static let pendingCancel = PDUFlags(rawValue: 0x04)
    /// In bind, alter_context, their answers and auth3: the sender can sign headers ([MS-RPCE] 2.2.2.3).
    public static let supportHeaderSigning = PDUFlags(rawValue: 0x04)
    /// The sender can have several calls in flight on one connection.
    public static let concurrentMultiplexing = PDUFlags(rawValue: 0x10)
    /// In a fault: the operation did not begin.
    public static let didNotExecute = PDUFlags(rawValue: 0x20)
    /// In a request: the client wants no answer.
    public static let maybe = PDUFlags(rawValue: 0x40)
    /// In a request: an object UUID precedes the stub.
    public static let objectUUID = PDUFlags(rawValue: 0x80)

    /// First and last: the whole of it.
    public static let whole: PDUFlags = [.firstFragment, .lastFragment]
}

/// The sixteen octets that every connection-oriented PDU begins with ([C706] 12.6.3.1).
public struct PDUHeader: Sendable, Hashable {
    /// The header's length in octets.
    public static let size = 16
    /// The only major version of the protocol.
    public static let majorVersion: UInt8 = 5
    /// The highest minor version that is accepted: [MS-RPCE] 3.3.1.5.1 knows none but 0, whatever [C706] clients may say.
    public static let maximumMinorVersion: UInt8 = 0
    /// The least a security trailer can add to a PDU: its own eight octets.
    static let trailerSize = 8

    /// The kind of PDU.
    public let type: PDUType
    /// The flags.
    public let flags: PDUFlags
    /// How the sender lays out its numbers.
    public let representation: DataRepresentation
    /// The PDU's whole length in octets.
    public let fragmentLength: Int
    /// The length of the authentication value at its end; zero if there is no security trailer either.
    public let authLength: Int
    /// The call's identifier.
    public let callID: UInt32

    /// Reads a header.
    ///
    /// - Parameter octets: at least ``size`` octets, which begin with the header.
    /// - Throws: ``PDUError`` if it is not a header of this protocol, or if its lengths contradict each other.
    public init(_ octets: some Collection<UInt8>) throws(PDUError) {
        let first = Array(octets.prefix(Self.size))
        try self.init(first, at: 0)
    }

    /// Reads the header that begins at this offset.
    init(_ octets: [UInt8], at offset: Int) throws(PDUError) {
        guard octets.count - offset >= Self.size else { throw .truncated }
        func octet(_ index: Int) -> UInt8 { octets[offset + index] }
        // What nearly all clients say, and then what the rest may say.
        let representation: DataRepresentation
        if octet(4) == 0x10, octet(5) == 0 {
            representation = .littleEndianASCIIIEEE
        } else {
            guard let other = DataRepresentation(octets[offset + 4..<offset + 8]) else { throw .representation }
            representation = other
        }
        let isBigEndian = representation.byteOrder == .bigEndian
        func number<Value: FixedWidthInteger>(_ index: Int, _ type: Value.Type) -> Value {
            let value = octets.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset + index, as: type) }
            return isBigEndian ? Value(bigEndian: value) : Value(littleEndian: value)
        }
        callID = number(12, UInt32.self)
        guard let type = PDUType(rawValue: octet(2)) else { throw .type(octet(2)) }
        guard octet(0) == Self.majorVersion, octet(1) <= Self.maximumMinorVersion else {
            throw .version(major: octet(0), minor: octet(1), callID: callID, type: type)
        }
        self.type = type
        flags = PDUFlags(rawValue: octet(3))
        self.representation = representation
        fragmentLength = Int(number(8, UInt16.self))
        authLength = Int(number(10, UInt16.self))
        guard fragmentLength >= Self.size else { throw .fragmentLength(fragmentLength, callID: callID, type: type) }
        guard authLength == 0 || Self.size + Self.trailerSize + authLength <= fragmentLength else {
            throw .authLength(authLength, callID: callID, type: type)
        }
    }

    /// Where the security trailer begins, or the PDU's end if there is none ([MS-RPCE] 2.2.2.11).
    package var trailerOffset: Int {
        authLength == 0 ? fragmentLength : fragmentLength - authLength - Self.trailerSize
    }
}
