/// An address as [MS-CSVP] 2.2.13 and 2.2.14 carry it: a sockaddr_in or sockaddr_in6 (RFC 2553) as Windows lays it out, in 128
/// octets.
public enum SocketAddress: Sendable, Hashable {
    /// sockaddr_in: four octets in network order, and a port.
    case v4(address: [UInt8], port: UInt16 = 0)
    /// sockaddr_in6: sixteen octets in network order, the interface of a link-local address, flow information, and a port.
    case v6(address: [UInt8], scope: UInt32 = 0, flow: UInt32 = 0, port: UInt16 = 0)

    /// The octets of one.
    public static let size = 128
    /// Windows' AF_INET and AF_INET6, which is not Linux's.
    private static let (familyV4, familyV6): (UInt16, UInt16) = (2, 23)

    /// The address in network order.
    public var octets: [UInt8] {
        switch self {
        case .v4(let address, _): address
        case .v6(let address, _, _, _): address
        }
    }

    /// The bits of an address.
    var bits: Int { octets.count * 8 }

    /// Appends the 128 octets.
    ///
    /// - Throws: ``LayoutError/contradiction(structure:reason:)`` for an address of another length than its family's.
    func write(to octets: inout [UInt8]) throws(LayoutError) {
        let start = octets.count
        let expected: Int
        switch self {
        case .v4(let address, let port):
            expected = 4
            octets.append(littleEndian: Self.familyV4)
            octets += [UInt8(port >> 8), UInt8(port & 0xFF)]
            octets += address
        case .v6(let address, let scope, let flow, let port):
            expected = 16
            octets.append(littleEndian: Self.familyV6)
            octets += [UInt8(port >> 8), UInt8(port & 0xFF)]
            octets.append(littleEndian: flow)
            octets += address
            octets.append(littleEndian: scope)
        }
        guard self.octets.count == expected else {
            throw .contradiction(
                structure: "sockaddr", reason: "an address of \(self.octets.count) octets, not \(expected)")
        }
        octets += repeatElement(0, count: Self.size - (octets.count - start))
    }

    /// Reads 128 octets; those behind the structure "SHOULD be set to 0x00" and are not looked at.
    init(_ cursor: inout LayoutCursor) throws(LayoutError) {
        let octets = Array(try cursor.octets(Self.size))
        let port = UInt16(octets[2]) << 8 | UInt16(octets[3])
        switch octets.littleEndian(UInt16.self, at: 0) {
        case Self.familyV4: self = .v4(address: Array(octets[4..<8]), port: port)
        case Self.familyV6:
            self = .v6(
                address: Array(octets[8..<24]), scope: octets.littleEndian(at: 24), flow: octets.littleEndian(at: 4),
                port: port)
        case let family:
            throw .contradiction(structure: cursor.structure, reason: "an address of the family \(family)")
        }
    }
}

/// IPPREFIX ([MS-CSVP] 2.2.14): an address with the length of the prefix of its network.
public struct IPPREFIX: Sendable, Hashable {
    /// Endpoint.
    public var endpoint: SocketAddress
    /// PrefixLength: at most 32 or 128.
    public var prefixLength: UInt32

    /// The octets of one.
    static let size = SocketAddress.size + 4

    /// An address with its prefix.
    public init(endpoint: SocketAddress, prefixLength: UInt32) {
        self.endpoint = endpoint
        self.prefixLength = prefixLength
    }

    init(_ cursor: inout LayoutCursor) throws(LayoutError) {
        endpoint = try SocketAddress(&cursor)
        prefixLength = try cursor.number()
        guard prefixLength <= UInt32(endpoint.bits) else {
            throw .contradiction(
                structure: cursor.structure, reason: "a prefix of \(prefixLength) bits of \(endpoint.bits)")
        }
    }

    func write(to octets: inout [UInt8]) throws(LayoutError) {
        try endpoint.write(to: &octets)
        octets.append(littleEndian: prefixLength)
    }
}
