import Synchronization

/// The octets that the calls in flight on all connections of a server may have together.
///
/// It is checked before more is read, not before a call begins: what has been read is served, so that a connection
/// exceeds it by what one read and one request bring. Calls end by themselves, so who waits for them gets on.
final class CallBudget: Sendable {
    private let maximum: Int
    private let used = Atomic(0)
    private let waiting = Mutex<[UInt64: @Sendable () -> Void]>([:])

    init(_ maximum: Int) {
        // One call at a time is the least that gets on.
        self.maximum = max(1, maximum)
    }

    /// Whether there is no room.
    var isUsedUp: Bool { used.load(ordering: .sequentiallyConsistent) >= maximum }

    /// Adds a call's octets.
    func take(_ octets: Int) {
        used.add(octets, ordering: .sequentiallyConsistent)
    }

    /// Takes a call's octets out again, and calls those who wait if there is room now.
    func giveBack(_ octets: Int) {
        let (old, new) = used.subtract(octets, ordering: .sequentiallyConsistent)
        // Only who makes the room has anybody to call.
        guard old >= maximum, new < maximum else { return }
        let released = waiting.withLock { waiting in
            defer { waiting = [:] }
            return waiting.values
        }
        for proceed in released { proceed() }
    }

    /// Whether a connection has to wait; if so, `proceed` is called, once and on any thread, when there is room.
    func mustWait(_ connection: UInt64, _ proceed: @escaping @Sendable () -> Void) -> Bool {
        waiting.withLock { waiting in
            // Looked at under the lock: who makes room from now on takes the lock after us, and finds us.
            guard isUsedUp else { return false }
            waiting[connection] = proceed
            return true
        }
    }

    /// Forgets a connection that is closed.
    func forget(_ connection: UInt64) {
        _ = waiting.withLock { $0.removeValue(forKey: connection) }
    }
}
