import Testing

@testable import Replay

@Suite struct CapturedTypesTests {
    @Test func endpointsReadAsPeopleWriteThem() {
        #expect(CapturedEndpoint(address: "192.0.2.1", port: 135).description == "192.0.2.1:135")
        #expect(CapturedEndpoint(address: "2001:db8::1", port: 49152).description == "[2001:db8::1]:49152")
    }

    @Test func timesMayLieFarApart() {
        let early = CaptureTime(nanoseconds: 1_000)
        #expect(CaptureTime(nanoseconds: 2_500).since(early) == .nanoseconds(1_500))
        #expect(early < CaptureTime(nanoseconds: 1_001))
        // A clock that lies may not end the program.
        _ = CaptureTime(nanoseconds: .max).since(CaptureTime(nanoseconds: .min))
    }
}
