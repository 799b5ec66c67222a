import Testing

/// The protocol suite against the state machine alone. `Tests/Interop/test_protocol.py` plays the same cases over sockets.
@Suite struct ProtocolSuiteTests {
    private static let cases: [ProtocolCase] = {
        do {
            return try ProtocolCaseReader.load()
        } catch {
            Issue.record(error)
            return []
        }
    }()

    @Test(arguments: cases.filter { $0.only != "wire" })
    func plays(_ protocolCase: ProtocolCase) async throws {
        #expect(!protocolCase.clause.isEmpty)
        var player = ProtocolPlayer()
        try await player.play(protocolCase)
    }

    @Test func thereAreEnough() {
        #expect(Self.cases.count >= 300)
        #expect(Set(Self.cases.map(\.name)).count == Self.cases.count)
    }
}
