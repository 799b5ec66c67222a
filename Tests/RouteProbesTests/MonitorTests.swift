import HostInventory
import Testing

@testable import RouteProbes

@Suite struct MonitorTests {
    private let local = "198.51.100.1"
    private let remote = "198.51.100.2"

    private func routes(_ pairs: [(String, String)]) throws -> RoutePaths {
        try RoutePaths(pairs.map { ProbedRoute(local: try address($0), remote: try address($1)) })
    }

    private func start(_ wire: inout Wire, _ pairs: [(String, String)]? = nil) throws {
        try wire.engine.addMonitor(1, routes: routes(pairs ?? [(local, remote)]), port: 3343, now: wire.now).get()
    }

    private func observation(_ wire: Wire) throws -> RouteObservation {
        try #require(wire.engine.observations(1)?.first)
    }

    // MARK: What is observed

    /// [MS-CSVP] 3.6.4.6: a new route has no loss and is down.
    @Test func beforeTheFirstProbe() throws {
        var wire = Wire()
        try start(&wire)
        #expect(try observation(wire) == RouteObservation(loss: 0, state: .down, probes: 0))
    }

    @Test func aSoundRouteIsUp() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(100)) { _ in .answer }
        // The first answer is known, but no loss could be yet.
        #expect(try observation(wire) == RouteObservation(loss: 0, state: .up, probes: 0))
        wire.run(.milliseconds(2_900)) { _ in .answer }
        // Thirty probes in three seconds, of which ten are younger than a second.
        #expect(try observation(wire) == RouteObservation(loss: 0, state: .up, probes: 20))
        #expect(wire.sent.count == 30)
    }

    @Test func aDeadRouteIsDown() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(3_000)) { _ in .loss }
        #expect(try observation(wire) == RouteObservation(loss: 100, state: .down, probes: 20))
    }

    @Test func aRouteThatCannotBeSentOnIsDown() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(3_000)) { _ in .failure(101) }
        #expect(try observation(wire).state == .down)
        #expect(try observation(wire).loss == 100)
    }

    /// Nine lost in a row are loss, ten are a second without an answer.
    @Test(arguments: [(9, RouteState.up), (10, .upAndDown)])
    func whatMakesARouteDown(lost: Int, state: RouteState) throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(1_000)) { _ in .answer }
        wire.run(.milliseconds(lost * 100)) { _ in .loss }
        wire.run(.milliseconds(2_000)) { _ in .answer }
        #expect(try observation(wire).state == state)
    }

    @Test func aRouteThatComesUpWasDown() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(1_500)) { _ in .loss }
        wire.run(.milliseconds(2_000)) { _ in .answer }
        #expect(try observation(wire).state == .upAndDown)
    }

    @Test func everyThirdLost() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(31)) { $0.message.sequence % 10 < 3 ? .loss : .answer }
        #expect(try observation(wire) == RouteObservation(loss: 30, state: .up, probes: 300))
    }

    /// 0.5 % is 1 %, 0.4 % is none.
    @Test(arguments: [(1, 200, 1), (1, 250, 0), (199, 200, 100), (198, 200, 99)])
    func percentsAreRounded(lost: Int, of probes: Int, loss: Int) throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.milliseconds(probes * 100)) { $0.message.sequence < probes - lost ? .answer : .loss }
        wire.run(.milliseconds(1_010)) { _ in .noRoom }
        #expect(try observation(wire).probes == probes)
        #expect(try observation(wire).loss == loss)
    }

    // MARK: Answers

    @Test func anAnswerCountsOnceAndInTime() throws {
        var wire = Wire()
        try start(&wire)
        wire.poll { _ in .loss }
        let probe = try #require(wire.sent.first)
        wire.clock.advance(by: .milliseconds(400))
        wire.poll { _ in .noRoom }
        wire.clock.advance(by: .milliseconds(400))
        wire.poll { _ in .noRoom }
        wire.clock.advance(by: .milliseconds(400))
        wire.poll { _ in .noRoom }
        // Too late by now.
        wire.answer(probe)
        #expect(try observation(wire) == RouteObservation(loss: 100, state: .down, probes: 1))
    }

    @Test func otherAnswersAreNone() throws {
        var wire = Wire()
        try start(&wire)
        wire.poll { _ in .loss }
        let probe = try #require(wire.sent.first)
        let stranger = ProbeAddress(try address("198.51.100.99"))
        var wrongPath = probe.message.answer
        wrongPath.path = .max
        var wrongSequence = probe.message.answer
        wrongSequence.sequence = 5
        var wrongSession = probe.message.answer
        wrongSession.session ^= 1
        for message in [wrongPath, wrongSequence, wrongSession] {
            wire.engine.answer(message, from: probe.path.remote, to: probe.path.local, by: .datagram, now: wire.now)
        }
        wire.engine.answer(probe.message.answer, from: stranger, to: probe.path.local, by: .datagram, now: wire.now)
        wire.engine.answer(probe.message.answer, from: probe.path.remote, to: stranger, by: .datagram, now: wire.now)
        wire.engine.answer(probe.message, from: probe.path.remote, to: probe.path.local, by: .echo, now: wire.now)
        wire.engine.refuse(wrongPath, now: wire.now)
        #expect(try observation(wire).state == .down)
        wire.answer(probe)
        #expect(try observation(wire).state == .up)
    }

    // MARK: Echo requests

    @Test func echoRequestsWhereThereIsNoResponder() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(5)) { $0.carrier == .echo ? .answer : .refusal }
        let observed = try observation(wire)
        #expect(observed.state == .up)
        #expect(observed.loss == 0)
        #expect(wire.sent.first?.carrier == .datagram)
        #expect(wire.sent.count { $0.carrier == .datagram } == 4)
    }

    @Test func echoRequestsWhereAnotherProgramHasThePort() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(10)) { $0.carrier == .echo ? .answer : .loss }
        let observed = try observation(wire)
        #expect(observed.state == .up)
        #expect(observed.loss == 0)
    }

    @Test func aResponderThatOnceAnsweredIsAsked() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(2)) { _ in .answer }
        wire.run(.seconds(5)) { _ in .loss }
        #expect(!wire.sent.contains { $0.carrier == .echo })
        #expect(try observation(wire).state == .upAndDown)
    }

    @Test func aResponderThatAppears() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(3)) { $0.carrier == .echo ? .answer : .refusal }
        wire.run(.seconds(5)) { $0.carrier == .echo ? .loss : .answer }
        #expect(wire.sent.last?.carrier == .datagram)
    }

    @Test func withoutEchoARefusalSaysNothing() throws {
        var wire = Wire(echo: false)
        try start(&wire)
        wire.run(.seconds(3)) { _ in .refusal }
        #expect(!wire.sent.contains { $0.carrier == .echo })
        #expect(try observation(wire) == RouteObservation(loss: 0, state: .down, probes: 0))
    }

    @Test func bothCarriersAreTriedOnADeadRoute() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(8)) { _ in .loss }
        #expect(wire.sent.contains { $0.carrier == .echo })
        #expect(wire.sent.last?.carrier == .datagram)
        #expect(try observation(wire).state == .down)
        #expect(try observation(wire).loss == 100)
    }

    // MARK: Time

    /// A process that was stopped has lost nothing that was not on its way.
    @Test func aStopIsNoLoss() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(2)) { _ in .answer }
        wire.run(.milliseconds(300)) { _ in .loss }
        let before = wire.sent.count
        wire.clock.advance(by: .seconds(3_600))
        wire.run(.seconds(2)) { _ in .answer }
        let observed = try observation(wire)
        #expect(observed.state == .up)
        #expect(observed.loss == 0)
        // What was not sent meanwhile is not made up for.
        #expect(wire.sent.count - before == 20)
    }

    @Test func noRoomToSendIsNoLoss() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(3)) { $0.message.sequence % 2 == 0 ? .answer : .noRoom }
        #expect(try observation(wire).loss == 0)
        #expect(try observation(wire).state == .up)
    }

    // MARK: Many routes

    @Test func equalRoutesAreProbedAsOne() throws {
        var wire = Wire()
        try start(&wire, Array(repeating: (local, remote), count: 1_000) + [(local, "198.51.100.3")])
        let dead = ProbeAddress(try address("198.51.100.3"))
        wire.run(.seconds(2)) { $0.path.remote == dead ? .loss : .answer }
        let observed = try #require(wire.engine.observations(1))
        #expect(observed.count == 1_001)
        #expect(wire.sent.count == 40)
        #expect(observed[0].state == .up)
        #expect(observed[999] == observed[0])
        #expect(observed[1_000].state == .down)
    }

    @Test func aHundredThousandRoutesDoNotMeanMorePackets() throws {
        var wire = Wire()
        let pairs = (0..<100_000).map { (local, "203.\($0 >> 16).\($0 >> 8 & 255).\($0 & 255)") }
        try start(&wire, pairs)
        wire.run(.seconds(5)) { _ in .answer }
        #expect((19_900...20_100).contains(wire.sent.count))
        #expect(Set(wire.sent.map(\.path)).count == wire.sent.count)
        let observed = try #require(wire.engine.observations(1))
        #expect(observed.count == 100_000)
        #expect(observed[0].state == .up)
        #expect(observed[99_999] == RouteObservation(loss: 0, state: .down, probes: 0))
    }

    @Test func monitorsShareThePackets() throws {
        var wire = Wire { $0.packetsPerSecond = 100 }
        for number in 1...2 as ClosedRange<UInt64> {
            let pairs = (1...100).map { (local, "203.0.113.\($0)") }
            try wire.engine.addMonitor(number, routes: routes(pairs), port: 3343, now: wire.now).get()
        }
        wire.run(.seconds(10)) { _ in .answer }
        #expect((990...1_010).contains(wire.sent.count))
        let sessions = Dictionary(grouping: wire.sent, by: \.message.session).mapValues(\.count)
        #expect(sessions.count == 2)
        #expect(sessions.values.allSatisfy { (490...510).contains($0) })
    }

    @Test func emptyListsNeedNothing() throws {
        var wire = Wire()
        try start(&wire, [])
        #expect(wire.engine.isIdle)
        wire.run(.seconds(1)) { _ in .answer }
        #expect(wire.sent.isEmpty)
        #expect(wire.engine.observations(1) == [])
    }

    @Test func theLimitOfAllMonitors() throws {
        var wire = Wire { $0.routes = 3 }
        try start(&wire, [(local, remote), (local, "198.51.100.3")])
        let two = try routes([(local, "203.0.113.1"), (local, "203.0.113.2")])
        #expect(throws: RouteProbeError.tooManyRoutes(asked: 4, most: 3)) {
            try wire.engine.addMonitor(2, routes: two, port: 3343, now: .zero).get()
        }
        let one = try routes([(local, "203.0.113.1")])
        try wire.engine.addMonitor(2, routes: one, port: 3343, now: .zero).get()
        _ = wire.engine.removeMonitor(1)
        try wire.engine.addMonitor(3, routes: two, port: 3343, now: .zero).get()
    }

    // MARK: The end

    @Test func nothingIsSentAfterTheEnd() throws {
        var wire = Wire()
        try start(&wire)
        wire.run(.seconds(1)) { _ in .answer }
        #expect(wire.engine.isPeer(ProbeAddress(try address(remote))))
        let removed = [wire.engine.removeMonitor(1), wire.engine.removeMonitor(1)]
        #expect(removed == [true, false])
        #expect(!wire.engine.isPeer(ProbeAddress(try address(remote))))
        let sent = wire.sent
        wire.run(.seconds(3)) { _ in .answer }
        wire.answer(try #require(sent.last))
        #expect(wire.sent == sent)
        #expect(wire.engine.observations(1) == nil)
        #expect(wire.engine.isIdle)
    }
}
