import CLinuxNetwork
import HostInventory

/// An address without storage of its own, which a long list of routes needs two of for each route.
struct ProbeAddress: Hashable, Sendable {
    /// The sixteen octets in network order, an IPv4 address's being the first four.
    private let high: UInt64
    private let low: UInt64
    /// The interface of a link-local IPv6 address, or 0.
    var scope: UInt32
    /// Whether it is an IPv6 address.
    let isVersion6: Bool

    init(_ address: HostAddress) {
        func number(_ octets: some Sequence<UInt8>) -> UInt64 { octets.reduce(0) { $0 << 8 | UInt64($1) } }
        isVersion6 = address.family == .v6
        high = isVersion6 ? number(address.octets[..<8]) : number(address.octets) << 32
        low = isVersion6 ? number(address.octets[8...]) : 0
        scope = address.scope
    }

    /// What the kernel said; nil where it said nothing.
    init?(_ address: clusprep_address) {
        guard address.version == 4 || address.version == 6 else { return nil }
        isVersion6 = address.version == 6
        (high, low) = withUnsafeBytes(of: address.octets) {
            (
                UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        scope = address.scope
    }

    /// As the kernel wants it.
    var kernel: clusprep_address {
        var address = clusprep_address()
        withUnsafeMutableBytes(of: &address.octets) {
            $0.storeBytes(of: high.bigEndian, as: UInt64.self)
            $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        address.scope = scope
        address.version = isVersion6 ? 6 : 4
        return address
    }

    /// The octets in network order, four or sixteen.
    var octets: [UInt8] {
        let all = withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
        return isVersion6 ? all : Array(all.prefix(4))
    }

    /// The address as other rooms have it.
    var hostAddress: HostAddress {
        guard let address = HostAddress(octets: octets, scope: scope) else {
            preconditionFailure("four or sixteen octets are an address")
        }
        return address
    }

    /// Whether it can be one host's: not unspecified, a group's or IPv4's limited broadcast, nor IPv4's class E.
    var isSingleHost: Bool {
        if !isVersion6 { return high >> 56 != 0 && high >> 56 < 224 }
        return (high, low) != (0, 0) && high >> 56 != 0xFF
    }

    /// Whether it means something on one link only (fe80::/10).
    var isLinkLocal: Bool { isVersion6 && high >> 54 == 0xFE80 >> 6 }

    /// Whether it is the same address, where the kernel leaves out a scope that is known otherwise.
    func matches(_ other: ProbeAddress) -> Bool {
        high == other.high && low == other.low && isVersion6 == other.isVersion6
            && (scope == other.scope || scope == 0 || other.scope == 0)
    }
}

/// A local and a remote address between which a message can go.
struct ProbePath: Hashable, Sendable {
    let local: ProbeAddress
    let remote: ProbeAddress

    /// - Throws: ``RouteProbeError/unsuitableAddresses(from:to:)``.
    init(_ route: ProbedRoute) throws(RouteProbeError) {
        var (local, remote) = (ProbeAddress(route.local), ProbeAddress(route.remote))
        guard local.isVersion6 == remote.isVersion6, local.isSingleHost, remote.isSingleHost else {
            throw .unsuitableAddresses(from: route.local, to: route.remote)
        }
        // Whatever has to cross a link leaves by the link of the address it comes from.
        if remote.isLinkLocal, remote.scope == 0 { remote.scope = local.scope }
        if local.isLinkLocal, local.scope == 0 { local.scope = remote.scope }
        (self.local, self.remote) = (local, remote)
    }
}

/// The different paths of a list of routes, and which of them each route takes.
struct RoutePaths: Sendable {
    private(set) var paths: [ProbePath] = []
    private(set) var pathOfRoute: [Int32] = []

    /// - Throws: ``RouteProbeError/unsuitableAddresses(from:to:)``.
    init(_ routes: [ProbedRoute]) throws(RouteProbeError) {
        var known: [ProbePath: Int32] = [:]
        pathOfRoute.reserveCapacity(routes.count)
        for route in routes {
            let path = try ProbePath(route)
            if let index = known[path] {
                pathOfRoute.append(index)
            } else {
                let index = Int32(paths.count)
                known[path] = index
                paths.append(path)
                pathOfRoute.append(index)
            }
        }
    }
}
