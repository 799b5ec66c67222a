import Foundation

/// The addresses of this host by which others reach it.
enum HostAddresses {
    /// What a list of addresses stands for: a wildcard for every address of an interface that is up, except loopback and
    /// link-local ones; any other address for itself.
    static func resolve(_ listed: [IPAddress]) -> [IPAddress] {
        var resolved: [IPAddress] = []
        for address in listed {
            let found = address.isWildcard ? own().filter { address.isIPv6 || !$0.isIPv6 } : [address]
            for address in found where !resolved.contains(address) { resolved.append(address) }
        }
        return resolved
    }

    /// The addresses of the interfaces that are up, in the system's order.
    private static func own() -> [IPAddress] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        return sequence(state: first) { next -> ifaddrs? in
            defer { next = next?.pointee.ifa_next }
            return next?.pointee
        }
        .filter { $0.ifa_flags & UInt32(IFF_UP) != 0 }
        .compactMap { $0.ifa_addr.flatMap(address) }
        .filter { !$0.isLoopback && !$0.isLinkLocal && $0.isUnicast }
    }

    private static func address(_ name: UnsafeMutablePointer<sockaddr>) -> IPAddress? {
        switch Int32(name.pointee.sa_family) {
        case AF_INET:
            name.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                IPAddress(octets: withUnsafeBytes(of: $0.pointee.sin_addr, Array.init))
            }
        case AF_INET6:
            name.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                IPAddress(octets: withUnsafeBytes(of: $0.pointee.sin6_addr, Array.init))
            }
        default: nil
        }
    }
}
