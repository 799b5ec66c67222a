/// Runs one body at a time, in the order in which they came: what an actor alone does not give across its suspensions.
///
/// A caller that is cancelled while it waits keeps its place and runs: the bodies are calls of a protocol that has no
/// half-done calls.
actor CallQueue {
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var head = 0

    /// Waits for all earlier bodies, then runs this one.
    func run<T: Sendable, Failure: Error>(_ body: @Sendable () async throws(Failure) -> T) async throws(Failure) -> T {
        await enter()
        defer { leave() }
        return try await body()
    }

    private func enter() async {
        guard isBusy else {
            isBusy = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// Hands the turn straight to the next in line, so that nobody who comes now can overtake.
    private func leave() {
        guard head < waiting.count else {
            waiting.removeAll(keepingCapacity: true)
            head = 0
            isBusy = false
            return
        }
        let next = waiting[head]
        head += 1
        // Where somebody always waits, those who have had their turn would pile up in front.
        if head >= 64, head * 2 > waiting.count {
            waiting.removeFirst(head)
            head = 0
        }
        next.resume()
    }

    /// Whether a body is running or waits to.
    var isOccupied: Bool {
        isBusy
    }

    /// The places kept for those who wait and those who did, for tests.
    var places: Int {
        waiting.count
    }
}
