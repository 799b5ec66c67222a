import Testing

@testable import clusprep

/// `clusprep replay`: which servers are named.
struct ReplayCommandTests {
    @Test func servers() throws {
        #expect(try ReplayCommand.parse(["x.pcap", "--to", "node1"]).to == ["node1"])
        #expect(
            try ReplayCommand.parse(["x.pcap", "--to", "192.0.2.1=node1", "--to", "2001:db8::1=node2", "--to", "node3"])
                .to
                == ["192.0.2.1=node1", "2001:db8::1=node2", "node3"])
        for wrong in ["192.0.2.1=", "=node1", "="] {
            #expect(refusal(of: ReplayCommand.self, ["x.pcap", "--to", wrong])?.contains("OLD=NEW") == true)
        }
        #expect(
            refusal(of: ReplayCommand.self, ["x.pcap", "--to", "node1", "--to", "node2"])?.contains("OLD=NEW") == true)
        #expect(refusal(of: ReplayCommand.self, ["x.pcap"])?.contains("--to HOST") == true)
        #expect(refusal(of: ReplayCommand.self, ["x.pcap", "--record", "--to", "node1"]) != nil)
    }
}
