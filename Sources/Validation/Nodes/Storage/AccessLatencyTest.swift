import Foundation

/// Validate Disk Access Latency.
struct AccessLatencyTest: NodeTest {
    let description = TestDescription(
        "disk-access-latency", "Validate Disk Access Latency", .storage, changesDisks: true,
        writes: "one sector of each disk that belongs to nothing, which is put back",
        "Each disk answers soon enough for its owner to defend it.")
    let needsDisks = true
    let success = "The disks answer soon enough."

    /// In milliseconds: what `clusprep validate storage` demands of a unit, too.
    static let limit = 100.0
    private static let rounds = 10

    func run(_ context: NodeTestContext) async throws {
        let measured = try await context.forEachDisk { disk -> [(node: String, reads: [Double], writes: [Double])] in
            var measured: [(node: String, reads: [Double], writes: [Double])] = []
            // One node after the other: they would wait for each other, not for the disk.
            for seat in try await context.seats(disk) {
                let times = try await context.tolerating(disk.name) { try await Self.measure(seat) }
                if let times { measured.append((seat.node.name, times.reads, times.writes)) }
            }
            return measured
        }
        var bars: [Chart.Bar] = []
        for disk in context.disks {
            for (node, reads, writes) in measured[disk.index] ?? [] {
                for (what, times) in [("read", reads), ("write", writes)] {
                    bars.append(Self.bar("\(node), \(disk.name), \(what)", times))
                    judge(what, times, disk, node, context)
                }
            }
        }
        if !bars.isEmpty {
            context.recorder.add(
                Chart("One sector, as the nodes measured it", unit: "ms", bars: bars, limit: Self.limit))
        }
    }

    private static func measure(_ seat: DiskSeat) async throws -> (reads: [Double], writes: [Double]) {
        let sector = try await seat.scratchSectors().x
        let reads = try await seat.call(
            "Read sector \(sector) \(rounds) times", .rawRead, detail: Self.words
        ) { calls, id in
            var times: [Double] = []
            for _ in 0..<rounds { times.append(Double(try await calls.timedRead(sector: sector, of: id).milliseconds)) }
            return times
        }
        // A mark of this validation, which its end takes back: another one may be about to claim the disk with the same sector.
        let octets = DiskClaim(id: seat.context.run.id).sector(filledWith: 0xA5)
        try await seat.write(octets, sector: sector, "Write once, so that the sector is known")
        let writes = try await seat.call(
            "Write sector \(sector) \(rounds) times", .rawWrite, detail: Self.words
        ) { calls, id in
            var times: [Double] = []
            for _ in 0..<rounds { times.append(Double(try await calls.timedWrite(octets, sector: sector, of: id))) }
            return times
        }
        return (reads, writes)
    }

    private func judge(
        _ what: String, _ times: [Double], _ disk: SharedDisk, _ node: String, _ context: NodeTestContext
    ) {
        guard let mean = Self.mean(times), mean > Self.limit else { return }
        context.recorder.add(
            Finding(
                .error, "\(disk.name) on \(node)",
                "A \(what) of one sector takes \(Int(mean.rounded())) ms in the mean; more than \(Int(Self.limit)) ms is too long.",
                advice: "Look for what else uses the disk or the way to it, and for paths that fail.",
                command: (what == "read" ? NodeMethod.rawRead : .rawWrite).name))
    }

    private static func bar(_ label: String, _ times: [Double]) -> Chart.Bar {
        guard let least = times.min(), let greatest = times.max() else { return Chart.Bar(label, nil) }
        return Chart.Bar(label, mean(times), range: least...greatest)
    }

    private static func mean(_ times: [Double]) -> Double? {
        times.isEmpty ? nil : times.reduce(0, +) / Double(times.count)
    }

    private static func words(_ times: [Double]) -> String? {
        guard let mean = mean(times), let greatest = times.max() else { return nil }
        return "\(Int(mean.rounded())) ms in the mean, \(Int(greatest)) ms at most"
    }
}
