import Foundation
import Synchronization

/// What the machine itself needs to send some octets to another thread and get some back, over loopback.
enum PingPong {
    struct Result {
        /// Rounds a second, of all pairs together.
        let rounds: Double
        /// The processor time that the answering thread took for a round.
        let microseconds: Double
    }

    static func run(for duration: Duration, request: Int = 100, response: Int = 100, pairs: Int = 1) throws -> Result {
        let listener = try Socket()
        try listener.bind("127.0.0.1", 0)
        try listener.listen()
        let tally = Tally()
        let begin = ContinuousClock.now
        let end = begin + duration
        for _ in 0..<pairs {
            let near = NearEnd(try Socket())
            try near.socket.connect("127.0.0.1", listener.port())
            let far = FarEnd(try listener.accept())
            Thread.detachNewThread { tally.add(processor: far.answer(request, response)) }
            Thread.detachNewThread { tally.add(rounds: near.ask(request, response, until: end)) }
        }
        Thread.sleep(forTimeInterval: duration.seconds)
        let (rounds, processor) = tally.wait(for: 2 * pairs)
        guard rounds > 0 else { throw BenchmarkFailure("the ping-pong came to nothing") }
        return Result(
            rounds: Double(rounds) / (ContinuousClock.now - begin).seconds,
            microseconds: processor * 1e6 / Double(rounds))
    }

    /// What the threads have to tell when they end.
    private final class Tally: Sendable {
        private struct Sum {
            var rounds = 0
            var processor = 0.0
            var ended = 0
        }

        private let sum = Mutex(Sum())

        func add(rounds: Int = 0, processor: Double = 0) {
            sum.withLock {
                $0.rounds += rounds
                $0.processor += processor
                $0.ended += 1
            }
        }

        func wait(for threads: Int) -> (rounds: Int, processor: Double) {
            while sum.withLock({ $0.ended }) < threads { Thread.sleep(forTimeInterval: 0.001) }
            return sum.withLock { ($0.rounds, $0.processor) }
        }
    }

    private final class NearEnd: Sendable {
        let socket: Socket

        init(_ socket: consuming Socket) {
            self.socket = socket
        }

        /// Rounds until the time is over; then the connection is closed, which ends the other side.
        func ask(_ request: Int, _ response: Int, until end: ContinuousClock.Instant) -> Int {
            let message = [UInt8](repeating: 0x55, count: request)
            var answer = [UInt8](repeating: 0, count: response)
            var rounds = 0
            while ContinuousClock.now < end, (try? socket.write(message)) != nil, (try? socket.read(&answer)) == true {
                rounds += 1
            }
            socket.end()
            return rounds
        }
    }

    private final class FarEnd: Sendable {
        private let socket: Socket

        init(_ socket: consuming Socket) {
            self.socket = socket
        }

        /// Answers until the near end has ended; the seconds of processor time that it took.
        func answer(_ request: Int, _ response: Int) -> Double {
            var message = [UInt8](repeating: 0, count: request)
            let answer = [UInt8](repeating: 0xAA, count: response)
            while (try? socket.read(&message)) == true, (try? socket.write(answer)) != nil {}
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
    }
}
