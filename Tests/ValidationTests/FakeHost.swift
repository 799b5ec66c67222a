import ClusterProtocols
import ErrorCodes
import Foundation
import NDR
import Synchronization

@testable import ClusPrepClient
@testable import Validation

/// A node of a test's own: what it says of its adapters, routes, firewall, updates and levels is what the test says.
struct FakeHost: ValidatedNode {
    var name: String
    var server: String
    var adapters: [ADAPTER2]
    var version: (major: UInt32, minor: UInt32) = (10, 0)
    var functionalLevel: UInt16? = 12
    var installed: [NodeUpdate] = []
    var firewalls: [FirewallClient.Adapter] = []
    var letsServersIn = true
    var letsManagersIn = true
    /// What becomes of messages, by the address they go to: loss, state, and the time of a round trip (nil: none comes back).
    var routes: [String: (loss: UInt32, status: ROUTE_STATUS, time: UInt32?)] = [:]
    /// Whether its release has neither ClusterFirewall nor ClusterUpdate.
    var isOld = false
    /// The method from which on it is not there any more.
    var dies: NodeMethod?
    let log = Log()

    init(_ name: String, _ adapters: [ADAPTER2]) {
        self.name = name
        server = name + ".example"
        self.adapters = adapters
    }

    func network() async throws -> any NetworkCalls { FakeNetwork(host: self) }
    func setup() async throws -> any SetupCalls { FakeSetup(host: self) }
    func firewall() async throws -> any FirewallCalls {
        if isOld { throw HRESULT(rawValue: 0x8004_0154) }
        return FakeFirewall(host: self)
    }

    func updates() async throws -> any UpdateCalls {
        if isOld { throw HRESULT(rawValue: 0x8004_0154) }
        return FakeUpdates(host: self)
    }

    func storage() async throws -> any StorageCalls { throw HRESULT(rawValue: 0x8000_4001) }
    func cleanup() async throws -> any CleanupCalls { throw HRESULT(rawValue: 0x8000_4001) }

    func alive(_ method: NodeMethod) throws {
        log.add(method.name)
        if method == dies { throw SilentNode(limit: .seconds(1)) }
    }

    /// What was called.
    final class Log: Sendable {
        private let names = Mutex<[String]>([])
        func add(_ name: String) { names.withLock { $0.append(name) } }
        var all: [String] { names.withLock(\.self) }
    }
}

/// An Ethernet adapter, up, with these addresses ("192.0.2.1/24").
func ethernet(
    _ name: String, _ addresses: String..., id: GUID? = nil, mac: String = "02-00-00-00-00-01", up: Bool = true,
    dhcp: Bool = false, type: UInt32 = ADAPTER.ethernetType
) -> ADAPTER2 {
    let parsed = addresses.compactMap { text -> (SocketAddress, UInt32)? in
        let parts = text.split(separator: "/")
        guard let address = NodeAddress(String(parts[0])), let length = UInt32(parts[1]) else { return nil }
        return (address.family == .v4 ? .v4(address: address.octets) : .v6(address: address.octets), length)
    }
    return ADAPTER2(
        adapter: ADAPTER(
            description: "Adapter \(name)", friendlyName: name, name: id.map { "\($0)" } ?? UUID().uuidString,
            prefixes: parsed.map { IPPREFIX(endpoint: $0, prefixLength: $1) }, physicalAddress: mac,
            addresses: parsed.map(\.0), adapterType: type, operStatus: up ? 1 : 2, isDHCPEnabled: dhcp),
        interfaceIndex: 2, linkSpeed: 125_000_000)
}

private struct FakeNetwork: NetworkCalls {
    let host: FakeHost
    private let watched = Mutexed()

    init(host: FakeHost) { self.host = host }

    private final class Mutexed: Sendable {
        let routes = Mutex<[RouteRequest.Route]>([])
    }

    func release() async throws { host.log.add("release") }
    func keepingAlive<Result: Sendable>(_ body: @Sendable @escaping () async throws -> Result) async throws -> Result {
        try await body()
    }

    func initialize(port: UInt16?) async throws -> NetworkClient.NodeDescription {
        try host.alive(.initializeNode)
        return .init(
            port: 3343, majorVersion: host.version.major, minorVersion: host.version.minor, clusprepVersion: 5)
    }

    func cleanUp() async throws { try host.alive(.cleanupNode) }

    func roundTrip(from source: NodeAddress, to destination: NodeAddress, timeout: UInt32) async throws -> UInt32 {
        try host.alive(.sendRTMessage)
        guard let time = (host.routes[destination.description] ?? (0, .UP, 0)).time else {
            throw HRESULT(rawValue: 0x8007_05B4)
        }
        return time
    }

    func adapterList(filtered: Bool) async throws -> [UInt8] {
        try host.alive(.getIpConfigSerialized)
        return try ADAPTERLIST2(
            serverName: host.server, adapters: host.adapters, guids: host.adapters.flatMap { _ in [GUID(), GUID()] }
        ).encoded()
    }

    func firewall() async throws -> (serverRules: Bool, managementRules: Bool) {
        try host.alive(.queryFirewallConfiguration)
        return (host.letsServersIn, host.letsManagersIn)
    }

    func watch(_ request: RouteRequest) async throws {
        try host.alive(.processAddRoutes)
        watched.routes.withLock { $0 = request.routes }
    }

    func takeRoutes() async throws -> RouteReply {
        try host.alive(.getAddRoutesStatus)
        return .routes(
            watched.routes.withLock(\.self).map { route in
                let fate = host.routes[route.remote.description] ?? (0, .UP, 0)
                return .init(index: route.index, packetLoss: fate.loss, status: fate.status)
            })
    }

    func cancelRoutes() async throws { try host.alive(.cancelAddRoutesRequest) }
}

private struct FakeSetup: SetupCalls {
    let host: FakeHost

    func release() async throws {}

    func hostLabel() async throws -> String {
        try host.alive(.retrieveHostLabel)
        return host.name
    }

    func functionalLevel() async throws -> UInt16 {
        guard let level = host.functionalLevel else { throw HRESULT(rawValue: 0x8000_4001) }
        return level
    }

    func upgradeVersion() async throws -> UInt16 { 1 }
}

private struct FakeFirewall: FirewallCalls {
    let host: FakeHost

    func release() async throws {}
    func adapters() async throws -> [FirewallClient.Adapter] { host.firewalls }
}

private struct FakeUpdates: UpdateCalls {
    let host: FakeHost

    func release() async throws {}
    func updates() async throws -> [NodeUpdate] { host.installed }
}
