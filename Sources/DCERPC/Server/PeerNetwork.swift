import NIOCore

/// Whom a connection counts for where connections are counted by address: an IPv4 address, or the network of an IPv6 address.
///
/// The lower 64 bits of an IPv6 address are the host's own choice (RFC 4291, 2.5.4), so who has one of them has 2⁶⁴. An IPv4
/// address counts as itself, however the listening socket writes it (::ffff:0:0/96).
struct PeerNetwork: Hashable, Sendable {
    private let isIPv4: Bool
    private let bits: UInt64

    /// The network of a socket's peer. Those that have no address all share one.
    init(_ address: SocketAddress?) {
        switch address {
        case .v4(let address):
            isIPv4 = true
            bits = withUnsafeBytes(of: address.address.sin_addr) { Self.number($0) }
        case .v6(let address):
            let (network, isMapped, host) = withUnsafeBytes(of: address.address.sin6_addr) { octets in
                (
                    Self.number(octets.prefix(8)),
                    octets.prefix(10).allSatisfy { $0 == 0 } && octets[10...11].allSatisfy { $0 == 0xFF },
                    Self.number(octets.suffix(4))
                )
            }
            isIPv4 = isMapped
            bits = isMapped ? host : network
        case .unixDomainSocket, nil:
            isIPv4 = false
            bits = 0
        }
    }

    private static func number(_ octets: some Sequence<UInt8>) -> UInt64 {
        octets.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
