import HostInventory
import Testing

@testable import RouteProbes

@Suite struct ProbePathTests {
    @Test(arguments: ["192.0.2.1", "255.0.0.1", "2001:db8::1:2", "::1"])
    func addressesStayWhatTheyAre(_ text: String) throws {
        let original = try address(text)
        #expect(ProbeAddress(original).hostAddress == original)
        #expect(ProbeAddress(ProbeAddress(original).kernel)?.hostAddress == original)
    }

    @Test func theKernelsNothingIsNoAddress() {
        #expect(ProbeAddress(.init()) == nil)
    }

    @Test func theScopeIsKept() throws {
        let original = try address("fe80::1", scope: 7)
        #expect(ProbeAddress(ProbeAddress(original).kernel)?.hostAddress == original)
    }

    /// A scope that one side leaves out is the other's: both ends of a link-local route are on one link.
    @Test func oneScopeForBothEnds() throws {
        let (with, without) = (try address("fe80::1", scope: 7), try address("fe80::2"))
        for (local, remote) in [(with, without), (without, with)] {
            let path = try ProbePath(ProbedRoute(local: local, remote: remote))
            #expect(path.local.scope == 7)
            #expect(path.remote.scope == 7)
        }
        let mixed = try ProbePath(ProbedRoute(local: with, remote: try address("2001:db8::1")))
        #expect(mixed.remote.scope == 0)
    }

    @Test(arguments: [
        ("192.0.2.1", "2001:db8::1"), ("2001:db8::1", "192.0.2.1"), ("192.0.2.1", "224.0.0.1"),
        ("192.0.2.1", "255.255.255.255"), ("0.0.0.0", "192.0.2.1"), ("192.0.2.1", "0.0.0.0"),
        ("2001:db8::1", "ff02::1"),
        ("2001:db8::1", "::"), ("ff02::1", "2001:db8::1"),
    ])
    func unsuitable(local: String, remote: String) throws {
        let (from, to) = (try address(local), try address(remote))
        #expect(throws: RouteProbeError.unsuitableAddresses(from: from, to: to)) {
            try ProbePath(ProbedRoute(local: from, remote: to))
        }
    }
}
