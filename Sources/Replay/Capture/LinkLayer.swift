import CPCAP

/// How the packets of a capture begin, before IP.
enum LinkLayer: Sendable {
    /// Ethernet, with or without VLAN tags.
    case ethernet
    /// Linux cooked, as of the pseudo-device "any", version 1, with or without VLAN tags.
    case cooked
    /// The same, version 2.
    case cooked2
    /// BSD loopback: an address family in the capturing host's byte order.
    case null
    /// OpenBSD loopback: the same in network byte order.
    case loop
    /// IP, of the version that its first octet says.
    case raw

    /// The link layer of libpcap's number; nil if it is not known here.
    init?(dataLink: Int32) {
        switch dataLink {
        case DLT_EN10MB: self = .ethernet
        case DLT_LINUX_SLL: self = .cooked
        case DLT_LINUX_SLL2: self = .cooked2
        case DLT_NULL: self = .null
        case DLT_LOOP: self = .loop
        case DLT_RAW, DLT_IPV4, DLT_IPV6: self = .raw
        default: return nil
        }
    }

    /// Where IP begins in a packet; nil if it carries something else, or ends before.
    func offsetOfIP(in octets: [UInt8]) -> Int? {
        switch self {
        case .ethernet: return afterEtherType(in: octets, at: 12)
        case .cooked: return afterEtherType(in: octets, at: 14)
        case .cooked2: return octets.count > 20 && Self.isIP(octets, at: 0) ? 20 : nil
        case .null, .loop:
            // AF_INET is 2 everywhere, AF_INET6 is 10, 24, 28 or 30; and the version is in the next octet as well.
            return octets.count > 4 && [4, 6].contains(octets[4] >> 4) ? 4 : nil
        case .raw: return octets.isEmpty ? nil : 0
        }
    }

    private func afterEtherType(in octets: [UInt8], at offset: Int) -> Int? {
        var offset = offset
        // IEEE 802.1Q and 802.1ad; nobody stacks more than two.
        for _ in 0..<4 {
            guard octets.count > offset + 2 else { return nil }
            if Self.isIP(octets, at: offset) { return offset + 2 }
            guard [0x8100, 0x88A8, 0x9100].contains(Int(octets[offset]) << 8 | Int(octets[offset + 1])) else {
                return nil
            }
            offset += 4
        }
        return nil
    }

    private static func isIP(_ octets: [UInt8], at offset: Int) -> Bool {
        [0x0800, 0x86DD].contains(Int(octets[offset]) << 8 | Int(octets[offset + 1]))
    }
}
