/// Where tasks wait for each other.
actor Gate {
    private var missing: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// A gate that opens once so many have arrived.
    init(for count: Int) {
        missing = count
    }

    /// Returns once all have arrived.
    ///
    /// - Parameter waits: whether to wait for the others.
    func arrive(waits: Bool = true) async {
        missing -= 1
        if missing <= 0 {
            waiting.forEach { $0.resume() }
            waiting = []
        } else if waits {
            await withCheckedContinuation { waiting.append($0) }
        }
    }
}

/// One task's way through several gates: it arrives at each exactly once, whatever becomes of the task in between.
actor Passage {
    private let gates: [Gate]
    private var passed = 0

    init(_ gates: [Gate]) {
        self.gates = gates
    }

    /// Passes the gates up to this one, counted from one, waiting at each for the others.
    func pass(_ count: Int) async {
        while passed < min(count, gates.count) {
            passed += 1
            await gates[passed - 1].arrive()
        }
    }

    /// Passes all that are left, and waits at none: for a task that has failed.
    func giveUp() async {
        while passed < gates.count {
            passed += 1
            await gates[passed - 1].arrive(waits: false)
        }
    }
}
