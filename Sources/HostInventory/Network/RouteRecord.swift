import CLinuxNetwork
import Glibc

/// A way off a link: a next hop of a default route (RTM_NEWROUTE, rtnetlink(7)).
struct RouteRecord: Sendable, Hashable {
    /// The link's index.
    var index: UInt32
    /// Whom packets are sent to.
    var gateway: HostAddress
    /// The route's metric: the lower one is preferred.
    var priority: UInt32

    private static let operation = "read a route"
    /// The octets of struct rtmsg.
    private static let fixedSize = 12
    /// The octets of struct rtnexthop.
    private static let hopSize = 8

    /// The request for all routes of a family.
    static func request(family: Int32) -> [UInt8] {
        [UInt8(family)] + [UInt8](repeating: 0, count: fixedSize - 1)
    }

    /// The request for the way to an address.
    static func request(to address: HostAddress) -> [UInt8] {
        let family = address.family == .v4 ? AF_INET : AF_INET6
        var octets = request(family: family)
        octets[1] = UInt8(address.octets.count * 8)
        octets.append(native: UInt16(NetlinkAttributes.headerSize + address.octets.count))
        octets.append(native: UInt16(RTA_DST.rawValue))
        octets += address.octets
        if address.scope != 0 {
            octets.append(native: UInt16(NetlinkAttributes.headerSize + 4))
            octets.append(native: UInt16(RTA_OIF.rawValue))
            octets.append(native: address.scope)
        }
        return octets
    }

    /// The link through which the kernel would send, of the answer to ``request(to:)``; nil where it names none.
    static func link(_ payload: ArraySlice<UInt8>) throws(HostNetworkError) -> UInt32? {
        try attributes(of: payload).number(RTA_OIF.rawValue)
    }

    /// The gateways that the route names, where it is a default route that sends packets somewhere; else none.
    static func gateways(_ payload: ArraySlice<UInt8>) throws(HostNetworkError) -> [RouteRecord] {
        let attributes = try attributes(of: payload)
        let (destinationLength, sourceLength, kind) = (
            payload.native(UInt8.self, at: 1), payload.native(UInt8.self, at: 2), payload.native(UInt8.self, at: 7)
        )
        guard destinationLength == 0, sourceLength == 0, Int(kind) == Int(RTN_UNICAST) else { return [] }
        let priority: UInt32 = attributes.number(RTA_PRIORITY.rawValue) ?? 0
        if let hops = attributes[RTA_MULTIPATH.rawValue] {
            return try Self.hops(hops, priority: priority)
        }
        guard let index: UInt32 = attributes.number(RTA_OIF.rawValue),
            let gateway = try gateway(of: attributes, index: index)
        else { return [] }
        return [RouteRecord(index: index, gateway: gateway, priority: priority)]
    }

    private static func attributes(of payload: ArraySlice<UInt8>) throws(HostNetworkError) -> NetlinkAttributes {
        guard payload.count >= fixedSize else {
            throw .malformed(operation: operation, reason: "\(payload.count) octets of a route")
        }
        return try NetlinkAttributes(payload.dropFirst(fixedSize), operation: operation)
    }

    /// The next hops of a route with several.
    private static func hops(
        _ octets: ArraySlice<UInt8>, priority: UInt32
    ) throws(HostNetworkError) -> [RouteRecord] {
        var rest = octets
        var found: [RouteRecord] = []
        while !rest.isEmpty {
            guard rest.count >= hopSize else {
                throw .malformed(operation: operation, reason: "\(rest.count) octets are no next hop's header")
            }
            let length = Int(rest.native(UInt16.self, at: 0))
            guard length >= hopSize, length <= rest.count else {
                throw .malformed(
                    operation: operation, reason: "a next hop of \(length) octets in the last \(rest.count)")
            }
            let index = rest.native(UInt32.self, at: 4)
            let attributes = try NetlinkAttributes(
                rest.dropFirst(hopSize).prefix(length - hopSize), operation: operation)
            if let gateway = try gateway(of: attributes, index: index) {
                found.append(RouteRecord(index: index, gateway: gateway, priority: priority))
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return found
    }

    /// The next hop's address: RTA_GATEWAY, or RTA_VIA where it is of another family than the route.
    private static func gateway(
        of attributes: NetlinkAttributes, index: UInt32
    ) throws(HostNetworkError) -> HostAddress? {
        // struct rtvia: the family in two octets, then the address.
        let octets = attributes[RTA_GATEWAY.rawValue] ?? attributes[RTA_VIA.rawValue]?.dropFirst(2)
        guard let octets else { return nil }
        guard let address = HostAddress(octets: octets, scope: index) else {
            throw .malformed(operation: operation, reason: "a gateway of \(octets.count) octets")
        }
        return address.octets.allSatisfy { $0 == 0 } ? nil : address
    }
}
