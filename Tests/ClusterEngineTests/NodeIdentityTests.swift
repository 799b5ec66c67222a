import Testing

@testable import ClusterEngine

@Suite struct NodeIdentityTests {
    @Test func namesOfANodeInADomain() {
        let node = NodeIdentity(fqdn: "Node1.cluster.example.test.")
        #expect(node.fqdn == "Node1.cluster.example.test")
        #expect(node.hostLabel == "Node1" && node.domain == "cluster.example.test")
        #expect(node.netbiosName == "NODE1" && node.netbiosDomainName == "CLUSTER")
        #expect(node.ntlmEnvironment.dnsDomainName == "cluster.example.test")
    }

    @Test func namesOfANodeAlone() {
        let node = NodeIdentity(fqdn: "a-name-longer-than-netbios")
        #expect(node.hostLabel == "a-name-longer-than-netbios" && node.domain.isEmpty)
        #expect(node.netbiosName == "A-NAME-LONGER-T" && node.netbiosDomainName == node.netbiosName)
        #expect(node.ntlmEnvironment.dnsDomainName == "a-name-longer-than-netbios")
    }

    @Test(
        arguments: [
            ("6.1.0-18-amd64", 6, 1), ("5.10", 5, 10), ("10.0.20348", 10, 0), ("6.12rc1-x", 6, 12),
        ] as [(String, UInt32, UInt32)])
    func versions(release: String, major: UInt32, minor: UInt32) {
        #expect(NodeIdentity.SystemVersion(release: release) == .init(major: major, minor: minor))
    }

    @Test(arguments: ["", "6", "x.y", "6.x", "-1.2"]) func noVersions(release: String) {
        #expect(NodeIdentity.SystemVersion(release: release) == nil)
    }

    @Test func thisHost() {
        let host = NodeIdentity.host(domain: "cluster.test", systemVersion: .init(major: 10, minor: 0))
        #expect(!host.hostLabel.isEmpty && !host.domain.isEmpty)
        #expect(host.systemVersion == .init(major: 10, minor: 0))
        #expect(NodeIdentity.host().systemVersion == .running)
        #expect(NodeIdentity.SystemVersion.running.major > 0)
    }
}
