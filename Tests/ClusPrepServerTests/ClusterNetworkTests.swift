import ClusterProtocols
import ErrorCodes
import HostInventory
import Logging
import NDR
import RouteProbes
import Synchronization
import Testing

@testable import ClusPrepServer

/// IClusterNetwork2 over a network that the test makes up: the state rules, the errors and the replies of [MS-CSVP] 3.6.4.
struct ClusterNetworkTests {
    private static let invalidState = Win32Error.invalidState.hresult

    private static func client(
        _ probes: FakeProbes = FakeProbes(), adapters: [HostAdapter] = [.ethernet, .loopback],
        firewall: @escaping @Sendable ([HostAdapter]) throws -> ClusterNetwork.FirewallSummary = { _ in
            .init(serverRules: true, managementRules: false)
        },
        change: (inout ClusterNetwork.Environment) -> Void = { _ in }
    ) -> (IClusterNetwork2Client, ClusterNetwork) {
        var environment = ClusterNetwork.Environment(
            serverName: "alpha.example.org", majorVersion: 6, minorVersion: 1, adapters: { adapters },
            firewall: { try firewall($0) }, probes: probes,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        change(&environment)
        let object = ClusterNetwork(environment: environment)
        let caller = LocalCaller(object.handlers(for: IClusterNetwork2.interface.syntax.uuid))
        return (IClusterNetwork2Client(caller), object)
    }

    private static func request(_ routes: [(String, String, UInt32)]) throws
        -> IClusterNetwork2.ProcessAddRoutes.Request
    {
        let address = { (text: String) in NodeAddress(text) ?? NodeAddress(octets: [0, 0, 0, 0])! }
        return try .init(
            request: RouteRequest(
                localVirtual: address("fe80::1"),
                routes: routes.map {
                    .init(remoteVirtual: address("fe80::2"), local: address($0), remote: address($1), index: $2)
                }
            ).wire())
    }

    // MARK: InitializeNode and CleanupNode

    @Test func versionsAndPort() async throws {
        let (client, _) = Self.client()
        let answer = try await client.initializeNode(.init(RequestUDPPort: 0))
        #expect(answer == .init(BoundUDPPort: 3343, NodeMajorVersion: 6, NodeMinorVersion: 1, ClusprepVersion: 5))
        #expect(try await client.initializeNode(.init(RequestUDPPort: 1)).BoundUDPPort == 1)
        #expect(try await client.initializeNode(.init(RequestUDPPort: 65535)).BoundUDPPort == 65535)
    }

    /// Product-behaviour notes 20 to 22.
    @Test func olderReleases() async throws {
        for (version, major, minor, clusprep) in [
            ((6, 0), 100, 200, 2), ((6, 1), 6, 1, 3), ((6, 2), 6, 1, 3), ((6, 3), 6, 1, 4), ((10, 0), 6, 1, 5),
        ]
            as [((UInt32, UInt32), UInt32, UInt32, UInt32)]
        {
            let release = NetworkRelease(configured: (version.0, version.1))
            let (client, _) = Self.client(change: { $0.release = release })
            let answer = try await client.initializeNode(.init())
            #expect(
                answer
                    == .init(
                        BoundUDPPort: 3343, NodeMajorVersion: major, NodeMinorVersion: minor, ClusprepVersion: clusprep)
            )
        }
        #expect(NetworkRelease(configured: nil) == .current)
    }

    @Test func portsAreAnsweredWhileInitialized() async throws {
        let probes = FakeProbes()
        let (client, object) = Self.client(probes)
        _ = try await client.initializeNode(.init())
        _ = try await client.initializeNode(.init())
        #expect(probes.log == ["bind 3343"])
        _ = try await client.initializeNode(.init(RequestUDPPort: 4000))
        #expect(probes.log == ["bind 3343", "bind 4000", "close 3343"])
        #expect(try await client.cleanupNode(.init()).returnValue == .ok)
        #expect(probes.log.last == "close 4000")
        #expect(try await client.cleanupNode(.init()).returnValue == Self.invalidState)
        _ = try await client.initializeNode(.init())
        await object.released()
        #expect(probes.log.suffix(2) == ["bind 3343", "close 3343"])
        #expect(try await client.initializeNode(.init()).returnValue == Self.invalidState)
    }

    @Test func portThatCannotBeHad() async throws {
        let probes = FakeProbes()
        let (client, _) = Self.client(probes)
        probes.fail(with: .socket(purpose: "for answers", errno: 98))
        #expect(try await client.initializeNode(.init(RequestUDPPort: 9)).returnValue.rawValue == 0x8007_2740)
        #expect(try await client.cleanupNode(.init()).returnValue == Self.invalidState)
        probes.fail(with: nil)
        _ = try await client.initializeNode(.init(RequestUDPPort: 10))
        probes.fail(with: .tooManyPorts(most: 1))
        // The port that was answered before still is.
        #expect(try await client.initializeNode(.init(RequestUDPPort: 11)).returnValue.rawValue == 0x8007_0718)
        probes.fail(with: nil)
        #expect(probes.log == ["bind 10"])
        #expect(try await client.cleanupNode(.init()).returnValue == .ok)
    }

    // MARK: SendRTMessage

    private static func message(
        _ source: String, _ destination: String, family: UInt16 = 2, timeout: UInt32 = 500
    ) -> IClusterNetwork2.SendRTMessage.Request {
        .init(
            SourceIPAddress: BSTRValue(source).blob, DestIPAddress: BSTRValue(destination).blob, DestPort: 1,
            AddressFamily: family, MessageSize: .max, Timeout: timeout)
    }

    @Test func roundTrips() async throws {
        let probes = FakeProbes()
        let (client, _) = Self.client(probes)
        #expect(try await client.sendRTMessage(Self.message("192.0.2.1", "192.0.2.2")).returnValue == Self.invalidState)
        _ = try await client.initializeNode(.init(RequestUDPPort: 4000))
        let answer = try await client.sendRTMessage(Self.message("192.0.2.1", "192.0.2.2"))
        #expect(answer == .init(RTElapsedTime: 12))
        #expect(probes.log.last == "192.0.2.1 to 192.0.2.2 at 4000 within 0.5 seconds")
        // The timer is 1,000 ms, whatever the client would like.
        for (timeout, told) in [(0, "1.0"), (1000, "1.0"), (1001, "1.0"), (UInt32.max, "1.0"), (1, "0.001")] {
            _ = try await client.sendRTMessage(
                Self.message("2001:db8::1", "2001:db8::2", family: 0x17, timeout: timeout))
            #expect(probes.log.last == "2001:db8::1 to 2001:db8::2 at 4000 within \(told) seconds")
        }
        // The link of an address is the one that has it.
        _ = try await client.sendRTMessage(Self.message("fe80::a", "fe80::b", family: 0x17))
        #expect(probes.log.last == "fe80::a%2 to fe80::b at 4000 within 0.5 seconds")
    }

    @Test func messagesThatGoNowhere() async throws {
        let (client, _) = Self.client()
        _ = try await client.initializeNode(.init())
        for (source, destination, family, code) in [
            ("192.0.2.1", "192.0.2.2", 0x17, 0x8007_0057), ("2001:db8::1", "2001:db8::2", 2, 0x8007_0057),
            ("192.0.2.1", "2001:db8::2", 2, 0x8007_0057), ("192.0.2.1", "192.0.2.2", 10, 0x8007_273F),
            ("192.0.2.1", "192.0.2.2", 0, 0x8007_273F), ("", "192.0.2.2", 2, 0x8007_0057),
            ("192.0.2.1", "host", 2, 0x8007_0057), ("192.0.2.1", "239.0.0.1", 2, 0x8007_0057),
        ] as [(String, String, UInt16, UInt32)] {
            let answer = try await client.sendRTMessage(Self.message(source, destination, family: family))
            #expect(answer.returnValue.rawValue == code, "\(source) to \(destination)")
        }
        var request = Self.message("192.0.2.1", "192.0.2.2")
        request.SourceIPAddress = nil
        #expect(try await client.sendRTMessage(request).returnValue == .invalidArgument)
        request.SourceIPAddress = FLAGGED_WORD_BLOB(cBytes: 7, clSize: 1, asData: [1])
        #expect(try await client.sendRTMessage(request).returnValue == .invalidArgument)
    }

    @Test func failuresOfProbes() async throws {
        let probes = FakeProbes()
        let (client, _) = Self.client(probes)
        _ = try await client.initializeNode(.init())
        let (from, to) = (HostAddress("192.0.2.1")!, HostAddress("192.0.2.2")!)
        for (error, code) in [
            (.timedOut(from: from, to: to, timeout: .seconds(1)), 0x8007_05B4),
            (.noResponder(from: from, to: to), 0x8007_04D2),
            (.unreachable(from: from, to: to, errno: 99), 0x8007_2741),
            (.unreachable(from: from, to: to, errno: 101), 0x8007_04CF),
            (.unreachable(from: from, to: to, errno: 113), 0x8007_04D0),
            (.unreachable(from: from, to: to, errno: 1), 0x8007_0005),
            (.unreachable(from: from, to: to, errno: 1000), 0x8007_001F), (.tooManyRoundTrips(most: 1), 0x8007_00AA),
            (.closed, 0x8007_04C7), (.socket(purpose: "", errno: 24), 0x8007_0004),
        ] as [(RouteProbeError, UInt32)] {
            probes.fail(with: error)
            let answer = try await client.sendRTMessage(Self.message("192.0.2.1", "192.0.2.2"))
            #expect(answer.returnValue.rawValue == code, "\(error)")
        }
    }

    // MARK: GetIpConfigSerialized

    @Test func adapterLists() async throws {
        let adapters: [HostAdapter] = [.ethernet, .loopback, .tunnel]
        let (client, _) = Self.client(adapters: adapters)
        for (filter, count) in [(0, 3), (1, 1), (0x80, 1), (0xFF, 1)] as [(UInt8, Int)] {
            let answer = try await client.getIpConfigSerialized(.init(ApplyClusterFilter: filter))
            let octets = try SafeArray(try #require(answer.Data)).octets()
            #expect(answer.returnValue == .ok && answer.pcbOut == octets.count)
            let list = try ADAPTERLIST2(octets)
            #expect(list.serverName == "alpha.example.org" && list.adapters.count == count)
            #expect(list.guids.count == 2 * count && Set(list.guids).count == 2 * count)
        }
        let (older, _) = Self.client(adapters: adapters, change: { $0.release = .server2008R2 })
        let answer = try await older.getIpConfigSerialized(.init())
        #expect(try ADAPTERLIST(SafeArray(try #require(answer.Data)).octets()).adapters.count == 3)
    }

    @Test func whatAnAdapterTells() async throws {
        let (client, _) = Self.client(adapters: [.ethernet, .twin])
        let answer = try await client.getIpConfigSerialized(.init())
        let list = try ADAPTERLIST2(SafeArray(try #require(answer.Data)).octets())
        let adapter = list.adapters[0].adapter
        #expect(adapter.friendlyName == "eth0" && adapter.name == "{00010203-0405-0607-0809-0A0B0C0D0E0F}")
        #expect(list.guids[0] == "00010203-0405-0607-0809-0a0b0c0d0e0f")
        #expect(adapter.physicalAddress == "02-00-00-00-00-AB")
        #expect(
            adapter.addresses == [
                .v4(address: [192, 0, 2, 1]), .v6(address: HostAddress("fe80::a")!.octets, scope: 2),
            ])
        #expect(
            adapter.prefixes.map(\.prefixLength) == [24, 64] && adapter.prefixes.map(\.endpoint) == adapter.addresses)
        #expect(adapter.gateways == [.v4(address: [192, 0, 2, 254])])
        #expect(
            adapter.adapterType == 6 && adapter.operStatus == 1 && adapter.isDHCPEnabled && !adapter.isClusterAdapter)
        #expect(list.adapters[0].linkSpeed == 125_000_000 && list.adapters[0].interfaceIndex == 2)
        #expect(list.adapters.map(\.adapter.description) == ["virtio", "virtio #2"])
    }

    @Test func adaptersThatCannotBeListed() async throws {
        let (client, _) = Self.client(change: {
            $0.adapters = { throw HostNetworkError.system(operation: "list links", code: 12) }
        })
        let answer = try await client.getIpConfigSerialized(.init())
        #expect(answer.returnValue == Win32Error.generalFailure.hresult && answer.Data == nil && answer.pcbOut == 0)
        #expect(try await client.queryFirewallConfiguration(.init()).returnValue == Win32Error.generalFailure.hresult)
    }

    // MARK: QueryFirewallConfiguration

    @Test func firewall() async throws {
        let (client, _) = Self.client(firewall: { adapters in
            #expect(adapters.map(\.name) == ["eth0"])
            return .init(serverRules: true, managementRules: false)
        })
        #expect(
            try await client.queryFirewallConfiguration(.init()) == .init(serverRulesEnabled: 1, mgmtRulesEnabled: 0))
        // A host that has nothing but itself is asked about that.
        let (lonely, _) = Self.client(
            adapters: [.loopback],
            firewall: { adapters in
                #expect(adapters.map(\.name) == ["lo"])
                return .init(serverRules: false, managementRules: true)
            })
        #expect(
            try await lonely.queryFirewallConfiguration(.init()) == .init(serverRulesEnabled: 0, mgmtRulesEnabled: 1))
        struct Broken: Error {}
        let (broken, _) = Self.client(firewall: { _ in throw Broken() })
        #expect(try await broken.queryFirewallConfiguration(.init()).returnValue == Win32Error.internalError.hresult)
    }

    @Test func firewallOfSeveralAdapters() throws {
        func verdict(_ server: Bool, _ management: Bool) -> AdapterFirewall {
            .init(
                adapter: HostAdapter.ethernet.id, profile: .public, serverRules: server, managementRules: management,
                commonRules: true)
        }
        #expect(
            ClusterNetwork.FirewallSummary([verdict(true, true), verdict(true, false)])
                == .init(serverRules: true, managementRules: false))
        #expect(ClusterNetwork.FirewallSummary([]) == .init(serverRules: false, managementRules: false))
    }

    // MARK: Routes

    @Test func routesFromStartToEnd() async throws {
        let probes = FakeProbes()
        let (client, _) = Self.client(probes)
        let request = try Self.request([("192.0.2.1", "192.0.2.2", 9), ("fe80::a", "fe80::b", 3)])
        #expect(try await client.getAddRoutesStatus(.init()) == .init(reply: .init(routeUnavailable: 1)))
        #expect(try await client.cancelAddRoutesRequest(.init()).returnValue == .unspecifiedFailure)
        #expect(try await client.processAddRoutes(request).returnValue == .ok)
        #expect(probes.log == ["watch at 3343 192.0.2.1-192.0.2.2 fe80::a%2-fe80::b"])
        // Before anything about the request: also a bad one answers E_FAIL.
        #expect(try await client.processAddRoutes(.init()).returnValue == .unspecifiedFailure)
        probes.observe([
            .init(loss: 30, state: .upAndDown, probes: 10), .init(loss: 100, state: .down, probes: 10),
        ])
        let answer = try await client.getAddRoutesStatus(.init())
        #expect(
            try RouteReply(answer.reply)
                == .routes([
                    .init(index: 9, packetLoss: 30, status: .UP_DOWN), .init(index: 3, packetLoss: 100, status: .DOWN),
                ]))
        #expect(probes.log.last == "cancel")
        #expect(try await client.getAddRoutesStatus(.init()).reply.routeUnavailable == 1)
        #expect(try await client.processAddRoutes(request).returnValue == .ok)
        #expect(try await client.cancelAddRoutesRequest(.init()).returnValue == .ok)
        #expect(try await client.cancelAddRoutesRequest(.init()).returnValue == .unspecifiedFailure)
        #expect(probes.log.filter { $0 == "cancel" }.count == 2)
    }

    @Test func routesEndWithCleanupAndTheObject() async throws {
        let probes = FakeProbes()
        let (client, object) = Self.client(probes)
        let request = try Self.request([("192.0.2.1", "192.0.2.2", 9)])
        _ = try await client.initializeNode(.init())
        _ = try await client.processAddRoutes(request)
        _ = try await client.cleanupNode(.init())
        #expect(probes.log.contains("cancel"))
        #expect(try await client.getAddRoutesStatus(.init()).reply.routeUnavailable == 1)
        _ = try await client.processAddRoutes(request)
        await object.released()
        #expect(probes.log.filter { $0 == "cancel" }.count == 2)
        #expect(try await client.processAddRoutes(request).returnValue == Self.invalidState)
    }

    @Test func requestsThatAreRefusedChangeNothing() async throws {
        let probes = FakeProbes()
        let (client, _) = Self.client(probes)
        #expect(try await client.processAddRoutes(.init()).returnValue == .invalidArgument)
        let repeated = try Self.request([("192.0.2.1", "192.0.2.2", 9), ("192.0.2.1", "192.0.2.3", 9)])
        #expect(try await client.processAddRoutes(repeated).returnValue == .invalidArgument)
        probes.fail(with: .tooManyRoutes(asked: 1, most: 0))
        let request = try Self.request([("192.0.2.1", "192.0.2.2", 9)])
        #expect(try await client.processAddRoutes(request).returnValue.rawValue == 0x8007_0718)
        #expect(try await client.cancelAddRoutesRequest(.init()).returnValue == .unspecifiedFailure)
        probes.fail(with: nil)
        #expect(try await client.processAddRoutes(request).returnValue == .ok)
    }

    /// Of calls that come together only one can begin to watch.
    @Test func requestsAtOnce() async throws {
        let (client, _) = Self.client()
        let request = try Self.request([("192.0.2.1", "192.0.2.2", 9)])
        let codes = try await withThrowingTaskGroup(of: HRESULT.self) { group in
            for _ in 0..<8 { group.addTask { try await client.processAddRoutes(request).returnValue } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.filter { $0 == .ok }.count == 1 && codes.filter { $0 == .unspecifiedFailure }.count == 7)
    }

    @Test func reservedMethod() async throws {
        let (client, _) = Self.client()
        #expect(try await client.opnum10Reserved(.init()).returnValue == .notImplemented)
    }
}

/// Probes that go nowhere and are written down.
private final class FakeProbes: NetworkProbes {
    private struct State {
        var log: [String] = []
        var failure: RouteProbeError?
        var observations: [RouteObservation]?
    }

    private let state = Mutex(State())

    var log: [String] { state.withLock(\.log) }

    func fail(with error: RouteProbeError?) { state.withLock { $0.failure = error } }

    func observe(_ observations: [RouteObservation]) { state.withLock { $0.observations = observations } }

    private func note(_ line: String) throws(ProbeFailure) {
        let failure = state.withLock { state in
            if state.failure == nil { state.log.append(line) }
            return state.failure
        }
        if let failure { throw ProbeFailure(cause: failure) }
    }

    func respond(at port: UInt16) async throws -> any NetworkResponder {
        try note("bind \(port)")
        return Responder(probes: self, port: port)
    }

    func measure(
        from source: HostAddress, to destination: HostAddress, port: UInt16, timeout: Duration
    ) async throws -> Duration {
        try note("\(source.scoped) to \(destination.scoped) at \(port) within \(timeout)")
        return .microseconds(12_900)
    }

    func watch(_ routes: [ProbedRoute], port: UInt16) async throws -> any NetworkMonitor {
        try note("watch at \(port) " + routes.map { "\($0.local.scoped)-\($0.remote.scoped)" }.joined(separator: " "))
        return Monitor(probes: self, count: routes.count)
    }

    private struct Responder: NetworkResponder {
        let probes: FakeProbes
        let port: UInt16

        func close() async { try? probes.note("close \(port)") }
    }

    private struct Monitor: NetworkMonitor {
        let probes: FakeProbes
        let count: Int

        func status() async throws -> [RouteObservation] {
            probes.state.withLock(\.observations)
                ?? .init(repeating: .init(loss: 0, state: .down, probes: 0), count: count)
        }

        func cancel() async { try? probes.note("cancel") }
    }
}

extension HostAddress {
    fileprivate var scoped: String { scope == 0 ? description : "\(description)%\(scope)" }
}

extension HostAdapter {
    fileprivate static let ethernet = HostAdapter(
        id: ID(octets: Array(0..<16))!, index: 2, name: "eth0", summary: "virtio",
        hardwareAddress: [2, 0, 0, 0, 0, 0xAB],
        addresses: [
            Address(address: HostAddress("192.0.2.1")!, prefixLength: 24),
            Address(address: HostAddress("fe80::a", scope: 2)!, prefixLength: 64),
        ], gateways: [HostAddress("192.0.2.254")!], usesDHCP: true, speed: 125_000_000)
    fileprivate static let twin = HostAdapter(
        id: ID(octets: Array(16..<32))!, index: 3, name: "eth1", summary: "virtio", hardwareAddress: [2, 0, 0, 0, 0, 1])
    fileprivate static let loopback = HostAdapter(
        id: ID(octets: Array(32..<48))!, index: 1, name: "lo", summary: "loopback", type: .loopback)
    fileprivate static let tunnel = HostAdapter(
        id: ID(octets: Array(48..<64))!, index: 4, name: "gre1", summary: "gre", type: .tunnel, tunnelType: .gre)
}
