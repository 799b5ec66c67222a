import RouteProbes
import Testing

@Suite struct RouteStateTests {
    @Test func states() {
        #expect(Set([RouteState.up, .down, .upAndDown]).count == 3)
    }
}
