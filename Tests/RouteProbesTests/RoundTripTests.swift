import Testing

@testable import RouteProbes

@Suite struct RoundTripTests {
    private func start(_ wire: inout Wire, timeout: Duration = .seconds(1)) throws {
        let request = RoundTripRequest(
            path: try path("198.51.100.1", "198.51.100.2"), port: 3343, timeout: timeout)
        try wire.engine.addRoundTrip(1, request, now: wire.now).get()
    }

    @Test func theResponderAnswers() throws {
        var wire = Wire()
        try start(&wire)
        wire.poll { _ in .loss }
        let probe = try #require(wire.sent.first)
        #expect(probe.port == 3343)
        #expect(probe.path == (try path("198.51.100.1", "198.51.100.2")))
        wire.clock.advance(by: .milliseconds(7))
        wire.answer(probe)
        wire.poll { _ in .loss }
        #expect(try wire.finished[1]?.get() == RoundTrip(elapsed: .milliseconds(7), answer: .responder))
        #expect(wire.engine.isIdle)
        #expect(wire.engine.nextDeadline == nil)
    }

    /// 1,000 ms is in time, whatever comes after is not.
    @Test(arguments: [(1_000, true), (1_001, false)])
    func theLimit(milliseconds: Int, isInTime: Bool) throws {
        var wire = Wire(echo: false)
        try start(&wire)
        wire.poll { _ in .loss }
        wire.clock.advance(by: .milliseconds(milliseconds))
        wire.answer(try #require(wire.sent.first))
        wire.poll { _ in .loss }
        let (from, to) = (try address("198.51.100.1"), try address("198.51.100.2"))
        if isInTime {
            #expect(try wire.finished[1]?.get().elapsed == .milliseconds(1_000))
        } else {
            #expect(wire.finished[1] == .failure(.timedOut(from: from, to: to, timeout: .seconds(1))))
        }
    }

    @Test func nobodyAnswers() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(1_000)) { _ in .loss }
        #expect(wire.finished.isEmpty)
        wire.run(.milliseconds(10)) { _ in .loss }
        #expect(throws: RouteProbeError.self) { try wire.finished[1]?.get() }
        #expect(wire.sent.map(\.carrier) == [.datagram, .echo])
    }

    @Test func anEchoWhereThereIsNoResponder() throws {
        var wire = Wire()
        try start(&wire)
        wire.poll { $0.carrier == .datagram ? .refusal : .loss }
        #expect(wire.sent.map(\.carrier) == [.datagram, .echo])
        wire.clock.advance(by: .milliseconds(3))
        wire.answer(wire.sent[1])
        wire.poll { _ in .loss }
        #expect(try wire.finished[1]?.get() == RoundTrip(elapsed: .milliseconds(3), answer: .echo))
    }

    /// The elapsed time is the echo's, not that of waiting for the responder first.
    @Test func anEchoAfterHalfTheTimeOfSilence() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(500)) { _ in .loss }
        #expect(wire.sent.count == 1)
        wire.poll { $0.carrier == .echo ? .answer : .loss }
        #expect(try wire.finished[1]?.get() == RoundTrip(elapsed: .zero, answer: .echo))
    }

    @Test func aLateAnswerOfTheResponderStillCounts() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(600)) { _ in .loss }
        wire.answer(wire.sent[0])
        wire.poll { _ in .loss }
        #expect(try wire.finished[1]?.get() == RoundTrip(elapsed: .milliseconds(600), answer: .responder))
    }

    @Test func withoutEchoARefusalIsTheEnd() throws {
        var wire = Wire(echo: false)
        try start(&wire)
        wire.poll { _ in .refusal }
        let (from, to) = (try address("198.51.100.1"), try address("198.51.100.2"))
        #expect(wire.finished[1] == .failure(.noResponder(from: from, to: to)))
    }

    @Test func whatCannotBeSent() throws {
        var wire = Wire()
        try start(&wire)
        wire.poll { _ in .failure(101) }
        let (from, to) = (try address("198.51.100.1"), try address("198.51.100.2"))
        #expect(wire.finished[1] == .failure(.unreachable(from: from, to: to, errno: 101)))
    }

    /// Whoever has not seen the request, or answers for another, is not heard.
    @Test func otherAnswersAreNone() throws {
        var wire = Wire()
        try start(&wire)
        wire.poll { _ in .loss }
        let probe = try #require(wire.sent.first)
        let (local, remote, other) = (
            probe.path.local, probe.path.remote, try path("198.51.100.1", "198.51.100.3").remote
        )
        var wrongSession = probe.message.answer
        wrongSession.session += 1
        var wrongPath = probe.message.answer
        wrongPath.path = 1
        var wrongSequence = probe.message.answer
        wrongSequence.sequence = 1
        for message in [wrongSession, wrongPath, wrongSequence] {
            wire.engine.answer(message, from: remote, to: local, by: .datagram, now: wire.now)
        }
        wire.engine.answer(probe.message.answer, from: other, to: local, by: .datagram, now: wire.now)
        wire.engine.answer(probe.message.answer, from: remote, to: other, by: .datagram, now: wire.now)
        wire.engine.answer(probe.message.answer, from: remote, to: local, by: .echo, now: wire.now)
        wire.poll { _ in .loss }
        #expect(wire.finished.isEmpty)
    }

    @Test func soManyAtOnce() throws {
        var wire = Wire { $0.roundTrips = 2 }
        let request = RoundTripRequest(path: try path("::1", "::1"), port: 1, timeout: .seconds(1))
        for number in 1...2 as ClosedRange<UInt64> { try wire.engine.addRoundTrip(number, request, now: .zero).get() }
        #expect(throws: RouteProbeError.tooManyRoundTrips(most: 2)) {
            try wire.engine.addRoundTrip(3, request, now: .zero).get()
        }
        let removed = [wire.engine.removeRoundTrip(1), wire.engine.removeRoundTrip(1)]
        #expect(removed == [true, false])
        try wire.engine.addRoundTrip(3, request, now: .zero).get()
    }
}
