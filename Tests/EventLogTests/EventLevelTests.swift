import EventLog
import Testing

@Suite struct EventLevelTests {
    @Test func words() {
        #expect(EventLevel.allCases.map(\.rawValue) == ["DBG", "INFO", "WARN", "ERR"])
    }
}
