import Reservations

/// Whether what one node writes is what the other one reads, after the disk has changed hands: a failover in small.
struct DataScenario {
    let bench: TargetBench

    /// Each of the two in turn owns the disk, writes, and is pre-empted by the other, which reads and compares.
    func run() throws {
        guard let scratch = bench.scratch else { return }
        try bench.scenario {
            let disk = try bench.first.disk()
            let original = try disk.read(block: scratch, count: 1)
            defer { try? restore(original, scratch) }
            try takeOver(from: nil, to: bench.first)
            for (round, (owner, next)) in [(bench.first, bench.second), (bench.second, bench.first)].enumerated() {
                let content = pattern(count: disk.blockSize, round)
                try bench.demand("Write a pattern", by: owner, .write, rule: "The owner may write.") {
                    try $0.write(block: scratch, content)
                    try $0.flush()
                }
                try takeOver(from: owner, to: next)
                let found = try bench.demand("Read it as the new owner", by: next, .read, rule: "The owner may read.") {
                    try $0.read(block: scratch, count: 1)
                }
                try bench.conclude(
                    found == content, "It is what the one before has written",
                    else:
                        "The new owner reads other data than the old one wrote, after SYNCHRONIZE CACHE: nodes would see "
                        + "different contents of one disk.", .write)
            }
        }
    }

    private func takeOver(from owner: TargetInitiator?, to next: TargetInitiator) throws {
        let type = ReservationType.writeExclusiveRegistrantsOnly
        try bench.demand("Register", by: next, .registerAndIgnore, rule: "Anybody may register.") { [key = next.key] in
            try $0.registerIgnoringExistingKey(key)
        }
        if let owner {
            try bench.demand("Pre-empt the owner", by: next, .preempt, rule: "A registrant may.") {
                [key = next.key, victim = owner.key] in
                try $0.preempt(key: key, victim: victim, type: type)
            }
        } else {
            try bench.demand("Reserve", by: next, .reserve, rule: "Nobody has.") { [key = next.key] in
                try $0.reserve(key: key, type: type)
            }
        }
    }

    /// Whoever owns the disk at the end may write, and the other one may not.
    private func restore(_ original: [UInt8], _ block: UInt64) throws {
        do {
            try bench.first.disk().write(block: block, original)
        } catch {
            try bench.second.disk().write(block: block, original)
        }
    }

    /// Octets that no other round, and no empty disk, has.
    private func pattern(count: Int, _ round: Int) -> [UInt8] {
        var state = UInt64(bench.first.key.rawValue) &+ UInt64(round)
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}
