import Dispatch
import Foundation

/// SIGINT, SIGTERM and SIGHUP as a sequence, so that a program ends in order instead of where it stands.
struct StopSignals: Sendable {
    /// Each arrival of a signal.
    let arrivals: AsyncStream<Int32>

    /// Takes over the signals for the rest of the program's life.
    init() {
        arrivals = AsyncStream { continuation in
            let sources = [SIGINT, SIGTERM, SIGHUP].compactMap { number -> Source? in
                let before = signal(number, SIG_IGN)
                // Who was started by nohup goes on when its terminal goes away.
                if number == SIGHUP, unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) {
                    return nil
                }
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { continuation.yield(number) }
                source.resume()
                return Source(source)
            }
            continuation.onTermination = { _ in for source in sources { source.cancel() } }
        }
    }

    /// A dispatch source is safe to cancel from any thread, but not marked so.
    private final class Source: @unchecked Sendable {
        private let source: any DispatchSourceSignal

        init(_ source: any DispatchSourceSignal) {
            self.source = source
        }

        func cancel() {
            source.cancel()
        }
    }
}
