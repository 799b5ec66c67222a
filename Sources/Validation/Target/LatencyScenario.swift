import Reservations

/// How long a unit takes to read and to write one block.
struct LatencyScenario {
    let bench: TargetBench
    /// How often each is measured.
    static let samples = 100
    /// The mean that no cluster should have to live with, in milliseconds.
    static let highest = 100.0

    /// Measures each initiator alone, so that they do not wait for each other.
    func run() throws {
        var bars: [Chart.Bar] = []
        for initiator in [bench.first, bench.second] {
            bars.append(
                try measure("read", initiator, .read) { disk, block in _ = try disk.read(block: block, count: 1) })
            guard let scratch = bench.scratch else { continue }
            let content = try initiator.disk().read(block: scratch, count: 1)
            bars.append(
                try measure("write", initiator, .write) { disk, _ in
                    try disk.write(block: scratch, content)
                    try disk.flush()
                })
        }
        bench.recorder.add(Chart("Latency of one block", unit: "ms", bars: bars, limit: Self.highest))
        for bar in bars {
            guard let value = bar.value, value > Self.highest else { continue }
            bench.recorder.add(
                Finding(
                    .error, bench.target,
                    "\(bar.label): \(SVGBars.number(value)) ms in the mean, more than \(SVGBars.number(Self.highest)) ms.",
                    advice:
                        "A node whose disk is so slow misses the intervals in which it has to defend its ownership. Look for "
                        + "a failing disk, a rebuild, or a path with losses.",
                    command: bar.label.contains("write") ? SCSICommandName.write.text : SCSICommandName.read.text))
        }
    }

    private func measure(
        _ what: String, _ initiator: TargetInitiator, _ command: SCSICommandName, _ body: (Disk, UInt64) throws -> Void
    ) throws -> Chart.Bar {
        let disk = try initiator.disk()
        var times: [Double] = []
        let began = bench.recorder.now
        let clock = ContinuousClock()
        for index in 0..<Self.samples {
            try bench.checkStop()
            // Reads go all over the medium: a cache is not what is measured.
            let block = UInt64(index) &* 0x9E37_79B9_7F4A_7C15 % disk.blockCount
            let start = clock.now
            try body(disk, block)
            times.append((clock.now - start).milliseconds)
            // Slow is slow: nobody needs to wait for a hundred of them to learn it.
            if times.count >= 10, times.reduce(0, +) > 2000 { break }
        }
        let mean = times.reduce(0, +) / Double(times.count)
        bench.recorder.add(
            TestStep(
                "\(what) one block, \(times.count) times", node: initiator.name,
                call: .init(interface: "SCSI", name: command.text, number: UInt16(command.code), result: "GOOD"),
                outcome: mean > Self.highest ? .bad : .good,
                detail: "mean \(SVGBars.number(mean)) ms, longest \(SVGBars.number(times.max() ?? 0)) ms", began: began,
                took: bench.recorder.now - began))
        return Chart.Bar("\(initiator.name), \(what)", mean, range: (times.min() ?? 0)...(times.max() ?? 0))
    }
}
