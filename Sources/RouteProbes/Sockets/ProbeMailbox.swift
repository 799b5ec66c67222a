import CLinuxNetwork
import Foundation
import Synchronization

/// How a worker says what became of a request.
typealias ProbeReply<Value: Sendable> = CheckedContinuation<Result<Value, RouteProbeError>, Never>

/// What a worker is asked for.
enum ProbeCommand: Sendable {
    case bind(port: UInt16, reply: ProbeReply<UInt16>)
    case unbind(port: UInt16, reply: ProbeReply<Void>?)
    case roundTrip(number: UInt64, RoundTripRequest, reply: ProbeReply<RoundTrip>)
    case abandon(number: UInt64)
    case monitor(number: UInt64, RoutePaths, port: UInt16, reply: ProbeReply<Void>)
    case status(number: UInt64, reply: ProbeReply<[RouteObservation]>)
    case cancel(number: UInt64, reply: ProbeReply<Void>?)

    /// Answers a command that nobody will carry out.
    func refuse() {
        switch self {
        case .bind(_, let reply): reply.resume(returning: .failure(.closed))
        case .unbind(_, let reply), .cancel(_, let reply): reply?.resume(returning: .failure(.closed))
        case .roundTrip(_, _, let reply): reply.resume(returning: .failure(.closed))
        case .abandon: break
        case .monitor(_, _, _, let reply): reply.resume(returning: .failure(.closed))
        case .status(_, let reply): reply.resume(returning: .failure(.closed))
        }
    }
}

/// What callers leave for the thread that does the work, and the bell that wakes it.
final class ProbeMailbox: Sendable {
    private struct State {
        var commands: [ProbeCommand] = []
        var isRunning = false
        var isClosed = false
        /// Who waits for the thread to have ended.
        var waiting: [CheckedContinuation<Void, Never>] = []
        var number: UInt64 = 0
    }

    /// An eventfd that is readable while there is something to do; -1 where the kernel gave none.
    let bell = clusprep_bell()
    private let state = Mutex(State())
    private let work: @Sendable (ProbeMailbox) -> Void

    /// A mailbox whose first command starts a thread that does the work until the mailbox is closed.
    init(work: @escaping @Sendable (ProbeMailbox) -> Void) {
        self.work = work
    }

    deinit {
        if bell >= 0 { Glibc.close(bell) }
    }

    /// A number that no request of this mailbox has.
    func nextNumber() -> UInt64 {
        state.withLock { state in
            state.number += 1
            return state.number
        }
    }

    /// Leaves a command that is answered, and waits for the answer.
    func ask<Value: Sendable>(
        _ command: (ProbeReply<Value>) -> ProbeCommand
    ) async -> Result<Value, RouteProbeError> {
        await withCheckedContinuation { post(command($0)) }
    }

    /// Leaves a command; one for a closed mailbox is refused at once.
    func post(_ command: ProbeCommand) {
        let (isAccepted, starts) = state.withLock { state in
            guard !state.isClosed, bell >= 0 else { return (false, false) }
            state.commands.append(command)
            defer { state.isRunning = true }
            return (true, !state.isRunning)
        }
        guard isAccepted else { return command.refuse() }
        ring()
        if starts { start() }
    }

    /// Lets the thread end, if there is one; calls back when it has.
    func close(then continuation: CheckedContinuation<Void, Never>?) {
        let isOver = state.withLock { state in
            state.isClosed = true
            if state.isRunning, let continuation { state.waiting.append(continuation) }
            return !state.isRunning
        }
        ring()
        if isOver { continuation?.resume() }
    }

    /// The commands that were left; nil when the work is to end.
    func take() -> [ProbeCommand]? {
        var count: UInt64 = 0
        // Takes back what was rung; there may have been nothing.
        _ = read(bell, &count, MemoryLayout.size(ofValue: count))
        return state.withLock { state in
            guard !state.isClosed else { return nil }
            defer { state.commands = [] }
            return state.commands
        }
    }

    private func ring() {
        var one: UInt64 = 1
        // It fails only where the counter is full, so that the bell rings anyway.
        _ = write(bell, &one, MemoryLayout.size(ofValue: one))
    }

    private func start() {
        Thread.detachNewThread { [self] in
            work(self)
            let (left, waiting) = state.withLock { state in
                state.isRunning = false
                state.isClosed = true
                defer { (state.commands, state.waiting) = ([], []) }
                return (state.commands, state.waiting)
            }
            for command in left { command.refuse() }
            for continuation in waiting { continuation.resume() }
        }
    }
}

/// A flag that is raised once.
final class Flag: Sendable {
    private let isRaised = Atomic(false)

    /// Raises it; true for the first who does.
    func raise() -> Bool {
        isRaised.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
    }
}
