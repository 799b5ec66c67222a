import InterfaceValues
import NDR
import Testing

@testable import Replay

/// What foreign clients and our own have marshalled, in the captures of the fixtures.
@Suite("Values of captured calls")
struct FixtureValuesTests {
    /// Activations are opened down to the interface pointers in them.
    @Test func activationsAreOpened() throws {
        let capture = try Capture.named("impacket-disk")
        let call = try #require(
            try capture.traffic().calls.first {
                $0.interface?.uuid == "000001a0-0000-0000-c000-000000000046" && $0.opnum == 4
            })
        let operation = try #require(
            InterfaceCatalogue.standard.interface(named: "IRemoteSCMActivator")?.operation(4))
        let request = try operation.decodeRequest(try #require(call.request?.stub.octets))
        #expect(
            request.lines().contains {
                $0.hasSuffix("classId: c72b09db-4d53-4f41-8dcc-2d752ab56f7c CLSID_ClusterStorage2")
            })
        let response = try operation.decodeResponse(try #require(call.response?.stub.octets))
        #expect(response.lines().contains { $0.contains("oxid: 0x") })
        #expect(response.lines().contains { $0.hasSuffix("phresults: HRESULT") })
    }
}
