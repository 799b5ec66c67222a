import Dispatch
import Foundation

/// SIGINT and SIGTERM as a sequence, so that a program ends in order instead of where it stands.
struct StopSignals: Sendable {
    /// Each arrival of a signal.
    let arrivals: AsyncStream<Int32>

    /// Takes over both signals for the rest of the program's life.
    init() {
        arrivals = AsyncStream { continuation in
            let sources = [SIGINT, SIGTERM].map { number in
                signal(number, SIG_IGN)
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
