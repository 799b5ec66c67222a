import CLinuxNetwork

/// One message of a netlink socket (netlink(7)): a function of octets alone, so what the kernel could send is tested without it.
///
/// Numbers are in the machine's own byte order; only addresses are in the network's.
struct NetlinkMessage: Sendable, Hashable {
    /// nlmsg_type.
    let type: UInt16
    /// nlmsg_flags.
    let flags: UInt16
    /// nlmsg_seq: the number of the request that this answers.
    let sequence: UInt32
    /// What follows the header.
    let payload: ArraySlice<UInt8>

    /// The octets of struct nlmsghdr.
    static let headerSize = 16

    /// The messages of one datagram.
    ///
    /// - Parameter operation: what the messages are read for, which errors tell.
    /// - Throws: ``HostNetworkError/malformed(operation:reason:)`` where a length leads out of the datagram.
    static func list(_ datagram: [UInt8], operation: String) throws(HostNetworkError) -> [NetlinkMessage] {
        var rest = datagram[...]
        var messages: [NetlinkMessage] = []
        while !rest.isEmpty {
            guard rest.count >= headerSize else {
                throw .malformed(operation: operation, reason: "\(rest.count) octets are no message's header")
            }
            let length = Int(rest.native(UInt32.self, at: 0))
            guard length >= headerSize, length <= rest.count else {
                throw .malformed(
                    operation: operation,
                    reason: "a message of \(length) octets in the last \(rest.count) of a datagram")
            }
            messages.append(
                NetlinkMessage(
                    type: rest.native(at: 4), flags: rest.native(at: 6), sequence: rest.native(at: 8),
                    payload: rest.dropFirst(headerSize).prefix(length - headerSize)))
            // NLMSG_ALIGN; behind the last message the padding may be missing.
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return messages
    }

    /// The octets of a request: a header and this payload.
    static func request(type: UInt16, flags: UInt16, sequence: UInt32, payload: [UInt8]) -> [UInt8] {
        var octets: [UInt8] = []
        octets.append(native: UInt32(headerSize + payload.count))
        octets.append(native: type)
        octets.append(native: flags)
        octets.append(native: sequence)
        // nlmsg_pid: zero is the kernel's to fill in.
        octets.append(native: UInt32(0))
        return octets + payload
    }
}

/// The attributes behind a message's fixed part (rtnetlink(7), struct rtattr), by type; the last of one type counts.
struct NetlinkAttributes: Sendable, Hashable {
    private let values: [UInt16: ArraySlice<UInt8>]

    /// The octets of struct rtattr.
    static let headerSize = 4

    /// Reads attributes to the end of the octets.
    ///
    /// - Throws: ``HostNetworkError/malformed(operation:reason:)`` where a length leads out of the octets.
    init(_ octets: ArraySlice<UInt8>, operation: String) throws(HostNetworkError) {
        var rest = octets
        var values: [UInt16: ArraySlice<UInt8>] = [:]
        while !rest.isEmpty {
            guard rest.count >= Self.headerSize else {
                throw .malformed(operation: operation, reason: "\(rest.count) octets are no attribute's header")
            }
            let length = Int(rest.native(UInt16.self, at: 0))
            guard length >= Self.headerSize, length <= rest.count else {
                throw .malformed(
                    operation: operation, reason: "an attribute of \(length) octets in the last \(rest.count)")
            }
            // The two upper bits tell of nesting and of byte order.
            let type = rest.native(UInt16.self, at: 2) & ~0xC000
            values[type] = rest.dropFirst(Self.headerSize).prefix(length - Self.headerSize)
            rest = rest.dropFirst((length + 3) & ~3)
        }
        self.values = values
    }

    /// The value; nil where there is none.
    subscript(_ type: some BinaryInteger) -> ArraySlice<UInt8>? {
        values[UInt16(type)]
    }

    /// A number of the machine's byte order; nil where there is none or it is of another size.
    func number<Value: FixedWidthInteger & UnsignedInteger>(_ type: some BinaryInteger) -> Value? {
        guard let octets = self[type], octets.count == Value.bitWidth / 8 else { return nil }
        return octets.native(at: 0)
    }

    /// Text up to its null; nil where there is none.
    func text(_ type: some BinaryInteger) -> String? {
        self[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The attributes within one; nil where there is none.
    func nested(_ type: some BinaryInteger, operation: String) throws(HostNetworkError) -> NetlinkAttributes? {
        guard let octets = self[type] else { return nil }
        return try NetlinkAttributes(octets, operation: operation)
    }
}

/// Fields in the machine's own byte order; readers have checked the length.
extension ArraySlice<UInt8> {
    /// The field so many octets behind the beginning.
    func native<Value: FixedWidthInteger>(_: Value.Type = Value.self, at offset: Int) -> Value {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
    }
}

extension [UInt8] {
    /// Appends a field in the machine's own byte order.
    mutating func append(native value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) }
    }
}
