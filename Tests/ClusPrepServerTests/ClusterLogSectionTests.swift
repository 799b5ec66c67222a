import ClusterEngine
import EventLog
import Foundation
import HostInventory
import Reservations
import Testing

@testable import ClusPrepServer

@Suite struct ClusterLogSectionTests {
    @Test("What the node is, from the host itself")
    func node() async throws {
        let lines = try await ClusterLogSection.node(fqdn: "alpha.example.org", version: "1.2").lines()
        #expect(lines[0] == "Name: alpha.example.org")
        #expect(lines.contains { $0.hasPrefix("Kernel: Linux ") })
        #expect(lines.contains { $0.hasPrefix("Daemon: clusprepd 1.2, process ") })
    }

    @Test("The cluster that the node is a member of, or that it is a member of none")
    func cluster() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("state-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let engine = ClusterEngine(
            state: try NodeState.open(folder: folder.path, as: .daemon),
            node: NodeIdentity(fqdn: "alpha.example.org", systemVersion: .init(major: 10, minor: 0)))
        let section = ClusterLogSection.cluster(engine)
        #expect(section.isClusterState)
        #expect(try await section.lines() == ["Member of no cluster"])
        let id = UUID()
        try await engine.join(ClusterMembership(clusterName: "west", clusterID: id, since: 1_700_000_000))
        #expect(
            try await section.lines()
                == ["Member of: west", "Identifier: \(id)", "Since: 2023/11/14-22:13:20.000 GMT"])
    }

    @Test("Adapters with what they have, or what kept them from being listed")
    func adapters() async throws {
        struct Source: AdapterSource {
            func list() throws(HostNetworkError) -> [HostAdapter] { try HostAdapters().list() }
        }
        let section = ClusterLogSection.adapters(Source(), executor: BlockingExecutor(threads: 1))
        let lines = try await section.lines()
        #expect(lines.contains { $0.contains(" lo {") })
    }

    @Test func datagrams() async throws {
        let lines = try await ClusterLogSection.datagrams().lines()
        #expect(lines.contains { $0.hasPrefix("IPv4 Udp: InDatagrams") })
        #expect(lines.last?.hasPrefix("Sockets bound to UDP port 3343: ") == true)
    }

    @Test func measurements() async throws {
        let section = ClusterLogSection.measurements([
            .rpc { (callsIn: 1, callsOut: 2, packetsIn: 3, packetsOut: 4) }
        ])
        #expect(
            try await section.lines() == [
                "rpc calls-in: 1", "rpc calls-out: 2", "rpc packets-in: 3", "rpc packets-out: 4",
            ])
    }

    @Test("Disks: what each is and who holds it, also of one that is not there")
    func disks() async throws {
        #expect(try await ClusterLogSection.disks([]).lines() == ["none"])
        let disk = TestNode(name: "alpha").disk("/nonexistent/disk", number: 3)
        let lines = try await ClusterLogSection.disks([disk]).lines()
        #expect(lines[0].hasPrefix("3 /nonexistent/disk: "))
        #expect(lines.contains { $0.hasPrefix("    problem: ") })
    }
}
