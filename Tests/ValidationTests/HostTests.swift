import ClusterProtocols
import NDR
import Testing

@testable import ClusPrepClient
@testable import Validation

/// The tests of what nodes tell of themselves, and of the networks between them, on nodes of the tests' own.
@Suite struct HostTests {
    private func result(of test: any NodeTest, _ hosts: [FakeHost]) async throws -> TestResult {
        let plan = NodePlan(
            nodes: hosts.map { .init($0.name) }, disks: [], tests: [test.description], unknownDisks: [])
        let run = NodeRun(nodes: hosts, disks: [], plan: plan, callLimit: .seconds(60))
        let recorder = TestRecorder(test.description)
        let context = NodeTestContext(run: run, recorder: recorder)
        try await test.run(context)
        return recorder.result(began: 0, unfinished: context.missed, success: test.success)
    }

    private func words(_ result: TestResult, _ severity: Finding.Severity) -> [String] {
        result.findings.filter { $0.severity == severity }.map { "\($0.subject): \($0.text)" }
    }

    /// Two nodes with two networks in common.
    private func pair() -> [FakeHost] {
        [
            FakeHost(
                "one",
                [
                    ethernet("eth0", "192.0.2.1/24", "2001:db8::1/64", "fe80::1/64", mac: "02-00-00-00-01-00"),
                    ethernet("eth1", "198.51.100.1/24", mac: "02-00-00-00-01-01"),
                ]),
            FakeHost(
                "two",
                [
                    ethernet("eth0", "192.0.2.2/24", "2001:db8::2/64", "fe80::2/64", mac: "02-00-00-00-02-00"),
                    ethernet("eth1", "198.51.100.2/24", mac: "02-00-00-00-02-01"),
                ]),
        ]
    }

    // MARK: Addresses

    @Test func addressesThatAgree() async throws {
        let result = try await result(of: IPConfiguration(), pair())
        #expect(result.verdict == .passed, "\(result.summary)")
        #expect(result.tables.map(\.title) == ["Adapters of one", "Adapters of two"])
        #expect(result.tables[0].rows[0][3] == "192.0.2.1/24, 2001:db8::1/64, fe80::1/64")
    }

    @Test func whatTwoNodesMustNotHaveInCommon() async throws {
        var hosts = pair()
        hosts[1].adapters[0] = ethernet("eth0", "192.0.2.1/24", mac: "02-00-00-00-01-01")
        hosts[1].server = "ONE.example"
        let result = try await result(of: IPConfiguration(), hosts)
        #expect(
            words(result, .error) == [
                "one, two: They call themselves the same: one.example.",
                "one, two: They have the same address, 192.0.2.1.",
                "one, two: They have the same hardware address, 02-00-00-00-01-01.",
            ])
    }

    @Test func whatANodeShouldNotHave() async throws {
        var hosts = pair()
        hosts[0].adapters[1] = ethernet("eth1", "192.0.2.9/24", mac: "02-00-00-00-01-01")
        hosts[1].adapters[0] = ethernet("eth0", "192.0.2.2/24", mac: "02-00-00-00-02-00", dhcp: true)
        hosts[1].adapters[1] = ethernet("eth1", "169.254.7.7/16", mac: "02-00-00-00-02-01")
        let result = try await result(of: IPConfiguration(), hosts)
        #expect(words(result, .error) == [])
        #expect(
            words(result, .warning) == [
                "one: eth0 and eth1 are in one network, 192.0.2.0/24.",
                "two, eth1: The adapter has addresses of its own link only: nothing gave it another.",
                "192.0.2.0/24: two: address by DHCP; one: address set by hand.",
            ])
    }

    @Test func nodesOnOneHostAreTold() async throws {
        let adapters = pair()[0].adapters
        let hosts = [FakeHost("one", adapters), FakeHost("two", adapters)]
        let result = try await result(of: IPConfiguration(), hosts)
        #expect(words(result, .error) == [])
        #expect(
            words(result, .warning) == [
                "one, two: These nodes tell of the very same adapters: they run on one host, as in a lab."
            ])
        #expect(try await self.result(of: ClusterNetworks(), hosts).verdict == .passed)
    }

    // MARK: Networks

    @Test func severalNetworks() async throws {
        let result = try await result(of: ClusterNetworks(), pair())
        #expect(result.verdict == .passed)
        #expect(
            result.tables[0].rows == [
                ["192.0.2.0/24", "eth0 192.0.2.1", "eth0 192.0.2.2", "all nodes"],
                ["198.51.100.0/24", "eth1 198.51.100.1", "eth1 198.51.100.2", "all nodes"],
                ["2001:db8::/64", "eth0 2001:db8::1", "eth0 2001:db8::2", "all nodes"],
            ])
    }

    @Test func oneNetworkIsASinglePointOfFailure() async throws {
        var hosts = pair()
        // Both families, but over the same adapters.
        hosts[0].adapters.removeLast()
        let result = try await result(of: ClusterNetworks(), hosts)
        #expect(
            words(result, .warning) == [
                "192.0.2.0/24: It is the only network that all nodes are in: a single point of failure."
            ])
    }

    @Test func noNetworkInCommon() async throws {
        var hosts = pair()
        hosts[1].adapters = [ethernet("eth0", "203.0.113.1/24")]
        let result = try await result(of: ClusterNetworks(), hosts)
        #expect(words(result, .warning) == ["network: There is no network that all nodes are in."])
        // Routers may be between them: every pair of a family is tried.
        let legs = try RoutePlan(
            hosts.map { host in
                let list = ADAPTERLIST2(
                    serverName: host.server, adapters: host.adapters,
                    guids: host.adapters.flatMap { _ in [GUID(), GUID()] })
                return (host.name, try NodeAdapters(octets: list.encoded()))
            }
        ).legs
        #expect(
            legs["one"]?.map(\.name) == ["one 192.0.2.1 to two 203.0.113.1", "one 198.51.100.1 to two 203.0.113.1"])
    }

    // MARK: Messages

    private let communication = NetworkCommunication(watch: .zero)

    @Test func messagesThatArrive() async throws {
        let hosts = pair()
        let result = try await result(of: communication, hosts)
        #expect(result.verdict == .passed, "\(result.summary)")
        let loss = try #require(result.charts.first { $0.unit == "%" })
        // Three networks, both ways.
        #expect(loss.bars.count == 6 && loss.bars.allSatisfy { $0.value == 0 })
        #expect(loss.bars[0].label == "one 192.0.2.1 to two 192.0.2.2")
        #expect(result.charts.last?.bars.count == 6)
        for host in hosts { #expect(host.log.all.count { $0 == "SendRTMessage" } == 3 * NetworkCommunication.timed) }
    }

    @Test func aRouteThatIsDown() async throws {
        var hosts = pair()
        hosts[0].routes["198.51.100.2"] = (100, .DOWN, nil)
        let result = try await result(of: communication, hosts)
        #expect(words(result, .error) == [])
        #expect(
            words(result, .warning) == [
                "one 198.51.100.1 to two 198.51.100.2: No message got through by this route; others between the two nodes work."
            ])
    }

    @Test func aNodeThatIsNotReached() async throws {
        var hosts = pair()
        for address in ["192.0.2.2", "2001:db8::2", "198.51.100.2"] { hosts[0].routes[address] = (100, .DOWN, nil) }
        let result = try await result(of: communication, hosts)
        #expect(result.verdict == .failed)
        #expect(words(result, .error).count == 1)
        #expect(words(result, .error)[0].hasPrefix("one to two: No message got through: 192.0.2.1 to 192.0.2.2"))
    }

    @Test func lossAndDelay() async throws {
        var hosts = pair()
        hosts[0].routes["192.0.2.2"] = (3, .UP, 1)
        hosts[0].routes["198.51.100.2"] = (40, .UP_DOWN, 700)
        let result = try await result(of: communication, hosts)
        #expect(words(result, .warning) == ["one 192.0.2.1 to two 192.0.2.2: 3 % of the messages were lost."])
        #expect(
            words(result, .error) == [
                "one 198.51.100.1 to two 198.51.100.2: 40 % of the messages were lost; the route was down at times.",
                "one 198.51.100.1 to two 198.51.100.2: A message and its answer take 700 ms.",
            ])
    }

    @Test(arguments: [NodeMethod.initializeNode, .processAddRoutes, .getAddRoutesStatus, .sendRTMessage])
    func aNodeThatDiesInBetween(_ method: NodeMethod) async throws {
        var hosts = pair()
        hosts[1].dies = method
        let result = try await result(of: communication, hosts)
        #expect(result.verdict == .unfinished)
        #expect(result.summary.contains("two was lost"), "\(result.summary)")
        // What the other one saw is there, and its object was given back.
        #expect(result.charts.first?.bars.count == 3)
        #expect(hosts[0].log.all.last == "release")
    }

    @Test func theWayToANodeThatDiedIsNotBlamed() async throws {
        var hosts = pair()
        hosts[1].dies = .processAddRoutes
        for address in ["192.0.2.2", "2001:db8::2", "198.51.100.2"] { hosts[0].routes[address] = (100, .DOWN, nil) }
        let result = try await result(of: communication, hosts)
        #expect(result.verdict == .unfinished)
        #expect(words(result, .error) == [])
    }

    // MARK: Firewalls

    @Test func firewalls() async throws {
        var hosts = pair()
        let ids = hosts[0].adapters.compactMap { GUID($0.adapter.name) }
        hosts[0].firewalls = ids.map {
            .init(
                id: $0, profile: .ClusterNetworkProfilePrivate, serverRules: true, managementRules: true,
                commonRules: true)
        }
        #expect(try await result(of: FirewallConfiguration(), [hosts[0]]).verdict == .passed)
        hosts[0].firewalls[1].commonRules = false
        #expect(
            words(try await result(of: FirewallConfiguration(), [hosts[0]]), .warning)
                == ["one: The firewall keeps cluster traffic out at eth1."])
        hosts[0].firewalls[0].serverRules = false
        hosts[0].letsManagersIn = false
        let closed = try await result(of: FirewallConfiguration(), [hosts[0]])
        #expect(words(closed, .error) == ["one: The firewall keeps cluster traffic out at every adapter (eth0, eth1)."])
        #expect(words(closed, .warning) == ["one: The firewall keeps managers of the cluster out."])
    }

    // MARK: Software

    @Test func updatesThatAreMissing() async throws {
        var hosts = pair()
        hosts[0].installed = [.init(id: "a", title: "A"), .init(id: "b", title: "B"), .init(id: "old", title: "Old")]
        hosts[1].installed = [.init(id: "a", title: "A"), .init(id: "new", title: "New", supersededIDs: ["old"])]
        let result = try await result(of: SoftwareUpdateLevels(), hosts)
        #expect(result.tables.first?.rows == [["B", "b", "two"], ["New", "new", "one"]])
        #expect(
            words(result, .warning) == [
                "one: 1 update that another node has is missing.", "two: 1 update that another node has is missing.",
            ])
        hosts[1].installed = hosts[0].installed
        #expect(try await self.result(of: SoftwareUpdateLevels(), hosts).verdict == .passed)
    }

    @Test func aReleaseThatDoesNotTell() async throws {
        var hosts = pair()
        hosts[1].isOld = true
        let updates = try await result(of: SoftwareUpdateLevels(), hosts)
        #expect(words(updates, .warning) == ["two: The node's release does not tell which updates it has."])
        let firewall = try await result(of: FirewallConfiguration(), hosts)
        #expect(words(firewall, .error) == [])
        #expect(
            words(firewall, .warning) == [
                "two: The node's release does not tell what its firewall lets reach each adapter."
            ])
    }

    @Test func aNodeThatTellsOfTooMuch() async throws {
        var hosts = pair()
        hosts[1].adapters = (0..<1010).map { ethernet("eth\($0)", "10.\($0 / 250).\($0 % 250).1/8") }
        hosts[0].adapters = [ethernet("eth0", "10.200.0.1/8")]
        let adapters = try await result(of: ListNetworkAdapters(), hosts)
        #expect(adapters.tables.last?.rows.count == TestRecorder.mostRows + 1)
        #expect(adapters.tables.last?.rows.last?.prefix(3) == ["…", "and 10 more", ""])
        let messages = try await result(of: communication, hosts)
        #expect(messages.charts.first?.title == "Lost messages: the worst 64 of 256 routes")
        #expect(messages.charts.first?.bars.count == 64)
    }

    @Test func versions() async throws {
        var hosts = pair()
        #expect(try await result(of: OperatingSystemVersions(), hosts).verdict == .passed)
        hosts[1].version = (6, 3)
        #expect(
            words(try await result(of: OperatingSystemVersions(), hosts), .error)
                == ["one, two: The nodes run different versions: one: 10.0; two: 6.3."])
    }

    @Test func levels() async throws {
        var hosts = pair()
        #expect(try await result(of: ClusterLevels(), hosts).verdict == .passed)
        hosts[1].functionalLevel = nil
        let result = try await result(of: ClusterLevels(), hosts)
        #expect(result.tables.first?.rows == [["one", "12", "1"], ["two", "not told", "not told"]])
        #expect(words(result, .warning) == ["one, two: The nodes support different levels: one: 12.1; two: none.none."])
    }

    @Test func inventory() async throws {
        let hosts = pair()
        let system = try await result(of: ListOperatingSystem(), hosts)
        #expect(system.tables.first?.rows.first == ["one", "one", "one.example", "10.0", "5", "12", "1"])
        let adapters = try await result(of: ListNetworkAdapters(), hosts)
        #expect(adapters.tables.map { $0.rows.count } == [2, 2])
        #expect(adapters.tables.first?.rows.first?[5] == "1 Gb/s")
        #expect(
            try await result(of: ListSoftwareUpdates(), hosts).tables.map(\.title) == [
                "0 updates of one", "0 updates of two",
            ])
    }
}
