import TestSupport
import Testing

@testable import RouteProbes

@Suite struct ResponderRulesTests {
    private let request = ProbeMessage(kind: .request, length: 100, session: 1, path: 2, sequence: 3)
    private let clock = ManualClock()

    private func stranger(_ number: Int) throws -> ProbeAddress {
        ProbeAddress(try address("198.51.\(number / 250).\(number % 250 + 1)"))
    }

    private func answer(
        _ rules: inout ResponderRules, _ octets: [UInt8], from source: ProbeAddress, port: UInt16 = 9,
        isPeer: Bool = false
    ) -> [UInt8]? {
        rules.answer(to: octets, from: source, port: port, isPeer: isPeer, now: clock.now.offset)
    }

    @Test func answersARequestWithItsOwnLength() throws {
        var rules = ResponderRules(now: .zero)
        let answer = rules.answer(to: request.octets, from: try stranger(1), port: 9, isPeer: false, now: .zero)
        #expect(answer == request.answer.octets)
        #expect(answer?.count == request.octets.count)
    }

    @Test func answersNothingElse() throws {
        var rules = ResponderRules(now: .zero)
        let source = try stranger(1)
        for octets in [[], request.answer.octets, Array(request.octets.dropLast()), Array(repeating: 0x41, count: 64)] {
            #expect(answer(&rules, octets, from: source, port: 9, isPeer: true) == nil)
        }
        #expect(answer(&rules, request.octets, from: source, port: 0, isPeer: true) == nil)
    }

    /// An answer to a group or to everybody would be many.
    @Test(arguments: ["0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1"])
    func answersOneHostOnly(_ text: String) throws {
        var rules = ResponderRules(now: .zero)
        let source = ProbeAddress(try address(text))
        #expect(answer(&rules, request.octets, from: source, port: 9, isPeer: true) == nil)
    }

    @Test func aSourceHasItsLimitAndGetsItBack() throws {
        var rules = ResponderRules(now: .zero)
        let (one, other) = (try stranger(1), try stranger(2))
        func answers(_ source: ProbeAddress, _ count: Int) -> Int {
            (0..<count).count { _ in
                rules.answer(to: request.octets, from: source, port: 9, isPeer: false, now: clock.now.offset) != nil
            }
        }
        let atOnce = (answers(one, 600), answers(other, 1))
        clock.advance(by: .milliseconds(100))
        let later = answers(one, 100)
        #expect(atOnce == (500, 1))
        #expect(later == 50)
    }

    @Test func strangersShareALimitThatPeersDoNotHave() throws {
        var rules = ResponderRules(now: .zero)
        var answered = 0
        for number in 0..<1_000 {
            let source = try stranger(number)
            for _ in 0..<5
            where rules.answer(to: request.octets, from: source, port: 9, isPeer: false, now: .zero) != nil {
                answered += 1
            }
        }
        #expect(answered == 4_000)
        let peer = ProbeAddress(try address("2001:db8::7"))
        #expect(answer(&rules, request.octets, from: peer, port: 9, isPeer: true) != nil)
        #expect(answer(&rules, request.octets, from: peer, port: 9, isPeer: false) == nil)
    }

    @Test func aFloodFromEverNewSourcesLeavesRoomWhenItIsOver() throws {
        var rules = ResponderRules(now: .zero)
        for number in 0..<3_000 {
            _ = rules.answer(to: request.octets, from: try stranger(number), port: 9, isPeer: false, now: .zero)
        }
        // The table is full, but the strangers' common limit has something left.
        #expect(answer(&rules, request.octets, from: try stranger(4_000), port: 9, isPeer: false) != nil)
        clock.advance(by: .seconds(2))
        let late = try stranger(4_001)
        let answers = (0..<600).count { _ in
            rules.answer(to: request.octets, from: late, port: 9, isPeer: false, now: clock.now.offset) != nil
        }
        #expect(answers == 500)
    }

    @Test func timeThatRunsBackwardsFillsNothing() {
        var bucket = TokenBucket(rate: 1, now: .seconds(10))
        var taken: [Bool] = []
        for second in [10, 0, 10, 11] { taken.append(bucket.take(rate: 1, now: .seconds(second))) }
        #expect(taken == [true, false, false, true])
    }
}
