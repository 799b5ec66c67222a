import Testing

@testable import Replay

/// One connection, segment by segment.
@Suite struct TCPConnectionTests {
    /// What is handed out, in words: `1:text`, or `1-3` for three octets lost.
    private func run(_ segments: [TCPSegment], flushes: Bool = true) -> (events: [String], connection: TCPConnection) {
        var connection = TCPConnection(segments[0])
        var events: [String] = []
        func note(_ event: TCPConnection.Event) {
            switch event {
            case .data(let side, let octets, _):
                events.append("\(side.rawValue + 1):\(String(decoding: octets, as: UTF8.self))")
            case .lost(let side, let count, _): events.append("\(side.rawValue + 1)-\(count)")
            }
        }
        for segment in segments { connection.take(segment, note) }
        if flushes { connection.flush(note) }
        return (events, connection)
    }

    private func segment(
        _ side: TCPConnection.Side, _ sequence: UInt32, _ text: String, acknowledged: UInt32? = nil, fin: Bool = false,
        at time: Int64 = 0
    ) -> TCPSegment {
        .test(side, sequence: sequence, acknowledged: acknowledged, payload: Array(text.utf8), fin: fin, at: time)
    }

    private let begin = TCPSegment.test(.first, sequence: 99, syn: true)
    private let answer = TCPSegment.test(.second, sequence: 499, acknowledged: 100, syn: true)

    @Test func inOrder() {
        let (events, connection) = run([
            begin, answer, segment(.first, 100, "abc", acknowledged: 500),
            segment(.second, 500, "xy", acknowledged: 103),
        ])
        #expect(events == ["1:abc", "2:xy"])
        #expect(connection.opener == .first)
        #expect(connection.statistics == .init())
    }

    @Test func outOfOrder() {
        let (events, connection) = run([begin, segment(.first, 103, "def"), segment(.first, 100, "abc")])
        #expect(events == ["1:abc", "1:def"])
        #expect(connection.statistics.outOfOrder == 1)
    }

    @Test func retransmittedAndOverlapping() {
        let (events, connection) = run([
            begin, segment(.first, 100, "abcd"), segment(.first, 100, "abcd"), segment(.first, 102, "cdef"),
            segment(.first, 104, "efgh"),
        ])
        #expect(events == ["1:abcd", "1:ef", "1:gh"])
        #expect(connection.statistics.retransmitted == 3)
    }

    /// Overlaps among those that wait: what came first in the order of numbers counts.
    @Test func overlappingInTheQueue() {
        let (events, _) = run([
            begin, segment(.first, 106, "ghij"), segment(.first, 103, "defgh"), segment(.first, 104, "ef"),
            segment(.first, 100, "abc"),
        ])
        #expect(events.joined() == ["1:abc", "1:defgh", "1:ij"].joined())
    }

    @Test func whatWasAnsweredComesBeforeItsAnswer() {
        let (events, _) = run([
            begin, answer, segment(.second, 500, "answer", acknowledged: 104),
            segment(.first, 100, "call", acknowledged: 500),
        ])
        #expect(events == ["1:call", "2:answer"])
    }

    @Test func lostInTheMiddle() {
        let (events, connection) = run([begin, segment(.first, 100, "abc"), segment(.first, 110, "klm")])
        #expect(events == ["1:abc", "1-7", "1:klm"])
        #expect(connection.statistics.lost == 7)
    }

    @Test func lostButAcknowledged() {
        let (events, _) = run([
            begin, answer, segment(.first, 100, "abc", acknowledged: 500, at: 1),
            segment(.second, 500, "answer", acknowledged: 120, at: 2),
            segment(.first, 120, "next", acknowledged: 506, at: 3),
        ])
        #expect(events == ["1:abc", "1-17", "2:answer", "1:next"])
    }

    /// Two segments each of which says that it came after the other.
    @Test func aCircle() {
        let (events, _) = run([
            begin, answer, segment(.first, 100, "abc", acknowledged: 503),
            segment(.second, 500, "xyz", acknowledged: 103),
        ])
        #expect(Set(events) == ["1:abc", "2:xyz"] || events.contains { $0.contains("-") })
        #expect(events.filter { $0.contains(":") }.count >= 1)
    }

    @Test func numbersGoRound() {
        let (events, _) = run([
            .test(.first, sequence: .max - 2, syn: true), segment(.first, .max - 1, "abcd"), segment(.first, 4, "gh"),
            segment(.first, 2, "ef"),
        ])
        #expect(events == ["1:abcd", "1:ef", "1:gh"])
    }

    @Test func theEnds() {
        let (events, connection) = run([
            begin, answer, segment(.first, 100, "abc", acknowledged: 500, fin: true),
            segment(.second, 500, "xy", acknowledged: 104, fin: true),
        ])
        #expect(events == ["1:abc", "2:xy"])
        #expect(connection.isOver)
        #expect(connection.closed != nil)
        #expect(connection.isSuperseded(by: .test(.first, sequence: 7, syn: true)))
        #expect(!connection.isSuperseded(by: segment(.first, 100, "abc")))
    }

    /// What comes later in the order of numbers comes no earlier, though it was captured so; nor does the end.
    @Test func timesGoForward() {
        var connection = TCPConnection(begin)
        var times: [Int64] = []
        for segment in [
            begin, segment(.first, 103, "def", at: 3), segment(.first, 100, "abc", at: 5),
            segment(.first, 106, "ghi", fin: true, at: 4),
        ] {
            connection.take(segment) { event in
                if case .data(_, _, let time) = event { times.append(time.nanoseconds) }
            }
        }
        #expect(times == [5, 5, 5])
        #expect(connection.closed == CaptureTime(nanoseconds: 5))
    }

    @Test func nothingFromFarAway() {
        let (events, connection) = run([begin, segment(.first, 100, "abc"), segment(.first, 100 &+ 1 << 31, "zzz")])
        #expect(events == ["1:abc"])
        #expect(connection.statistics.strange == 1)
    }

    /// The last connection that finds room, and the first that does not: those that are over go, then the longest silent.
    @Test func roomForConnections() {
        let maximum = TCPReassembler<Int>.maximumConnections
        var ended: [Int] = []
        var reassembler = TCPReassembler<Int>(
            make: { Int($0.addresses.first.port) }, feed: { _, _, _ in }, end: { consumer, _ in ended.append(consumer) }
        )
        func segment(_ port: Int, _ time: Int, reset: Bool = false) -> TCPSegment {
            TCPSegment(
                time: CaptureTime(nanoseconds: Int64(time)),
                source: TransportAddress(octets: [192, 0, 2, 1], port: UInt16(port)),
                destination: TransportAddress(octets: [192, 0, 2, 2], port: 135), sequence: 100, acknowledged: nil,
                isSYN: !reset, isFIN: false, isRST: reset, payload: [])
        }
        // The later a port's number, the longer ago.
        for port in 0..<maximum { reassembler.take(segment(port, 1_000_000 - port)) }
        for port in [3, 2] { reassembler.take(segment(port, 2_000_000 - port, reset: true)) }
        #expect(ended.isEmpty)
        reassembler.take(segment(maximum, 3_000_000))
        let most = maximum / 16
        #expect(ended == [3, 2] + (0..<most - 2).map { maximum - 1 - $0 })
        // Now there is room for as many, without a look at all.
        for index in 1..<most { reassembler.take(segment(maximum + index, 3_000_000 + index)) }
        #expect(ended.count == most)
        reassembler.take(segment(maximum + most, 4_000_000))
        #expect(ended.count == 2 * most)
        reassembler.finish()
        #expect(ended.count == maximum + most + 1)
        #expect(ended.last == maximum + most)
    }
}
