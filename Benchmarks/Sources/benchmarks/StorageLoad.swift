import ClusPrepClient
import Foundation

/// Storage through the daemon, beside the same work without it, in turns on the same disks: an NTFS volume in an image, and a
/// unit of tgtd.
struct StorageLoad {
    /// How long each measurement takes, and how often it is made.
    let duration: Duration
    let rounds: Int
    let folder: String

    private static let peer = "peer"
    private static let mebibyte = 1 << 20
    private static let largeCount = 64
    static let formatter = "/usr/sbin/mkntfs"

    func run() async throws -> Report {
        var report = Report(rounds: rounds, seconds: duration.seconds)
        report.columns = [ClusPrepDaemon.name, Self.peer]
        let volume = folder + "/volume.img"
        try Self.makeVolume(volume, log: folder + "/mkntfs.log")
        let target = TargetDaemon.isInstalled ? try TargetDaemon() : nil
        if target == nil { report.note("iSCSI was left out: tgtd is not installed (Debian's tgt package).") }
        let daemon = try await ClusPrepDaemon.start(in: folder, disks: [volume] + (target.map { [$0.url()] } ?? []))
        defer { daemon.stop() }
        let storage = try await daemon.client.storage()
        _ = try await storage.prepareNode()
        let count = try await storage.prepareNodePhase2()
        guard count == (target == nil ? 1 : 2) else { throw BenchmarkFailure("the daemon serves \(count) disks") }
        try await measureImage(storage, &report)
        if let target { try await measureTarget(storage, target, &report) }
        try await measureFiles(storage, volume, &report)
        try await storage.release()
        report.note(
            "Every call is sealed DCE/RPC; the peers of files are ntfscp and ntfscat on the same image, a process each, those of "
                + "iSCSI are libiscsi's own calls in this process.")
        return report
    }

    /// A file system from the first block on: what ntfscp takes, and a disk of one partition to the daemon.
    static func makeVolume(_ path: String, log: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil), truncate(path, 512 << 20) == 0 else {
            throw BenchmarkFailure("\(path) could not be made")
        }
        try Program.run(
            formatter,
            [
                "--force", "--quick", "--quiet", "--sector-size", "512", "--partition-start", "0", "--heads", "255",
                "--sectors-per-track", "63", path,
            ], input: "", log: log)
    }

    // MARK: Blocks and reservations

    private func measureImage(_ storage: StorageClient, _ report: inout Report) async throws {
        let disk = DiskID.number(0)
        try await storage.attach(disk)
        var reads: [Double] = []
        var cycles: [Double] = []
        for _ in 0..<rounds {
            reads.append(try await rate { _ = try await storage.read(sector: 4096, of: disk) })
            cycles.append(try await rate { try await reservationCycle(storage, disk) })
        }
        report.set("512-byte raw reads, image", ClusPrepDaemon.name, .reads, Statistics.median(reads))
        report.set("reservation cycles, image", ClusPrepDaemon.name, .cycles, Statistics.median(cycles))
    }

    private func measureTarget(_ storage: StorageClient, _ target: TargetDaemon, _ report: inout Report) async throws {
        let disk = DiskID.number(1)
        try await storage.attach(disk)
        let direct = try DirectInitiator(port: target.port, target: target.name, unit: 1)
        var reads: (own: [Double], peer: [Double]) = ([], [])
        var cycles: (own: [Double], peer: [Double]) = ([], [])
        for _ in 0..<rounds {
            reads.own.append(try await rate { _ = try await storage.read(sector: 4096, of: disk) })
            reads.peer.append(try rate { try direct.read(block: 4096) })
            cycles.own.append(try await rate { try await reservationCycle(storage, disk) })
            cycles.peer.append(try rate { try direct.reservationCycle() })
        }
        report.set("512-byte raw reads, iSCSI (libiscsi)", ClusPrepDaemon.name, .reads, Statistics.median(reads.own))
        report.set("512-byte raw reads, iSCSI (libiscsi)", Self.peer, .reads, Statistics.median(reads.peer))
        report.set("reservation cycles, iSCSI (libiscsi)", ClusPrepDaemon.name, .cycles, Statistics.median(cycles.own))
        report.set("reservation cycles, iSCSI (libiscsi)", Self.peer, .cycles, Statistics.median(cycles.peer))
    }

    /// Four calls: register, reserve, release, unregister.
    private func reservationCycle(_ storage: StorageClient, _ disk: DiskID) async throws {
        try await storage.register(disk)
        try await storage.reserve(disk)
        try await storage.releaseReservation(of: disk)
        try await storage.unregister(disk)
    }

    // MARK: Files

    private func measureFiles(_ storage: StorageClient, _ volume: String, _ report: inout Report) async throws {
        let data = (0..<Self.mebibyte).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let source = folder + "/mebibyte"
        let large = folder + "/large"
        try Data(data).write(to: URL(fileURLWithPath: source))
        try Data((0..<Self.largeCount).flatMap { _ in data }).write(to: URL(fileURLWithPath: large))
        let disk = DiskID.number(0)
        var own: (writes: [Double], comparisons: [Double]) = ([], [])
        var peer: (writes: [Double], reads: [Double], large: [Double]) = ([], [], [])
        for _ in 0..<rounds {
            // The volume is one program's at a time.
            try await storage.arbitrate(disk)
            guard try await storage.online(disk) == 1 else { throw BenchmarkFailure("the disk has no partition") }
            own.writes.append(
                try await rate { try await storage.writeFile("ours", data, disk: disk, partition: 1) })
            own.comparisons.append(
                try await rate { try await storage.verifyFile("ours", data, disk: disk, partition: 1) })
            try await storage.offline(disk)
            try await storage.stopDefense(disk)
            peer.writes.append(try rate { try run("ntfscp", ["-q", "-f", volume, source, "theirs"]) })
            peer.reads.append(try rate { try run("ntfscat", ["-q", volume, "theirs"]) })
            peer.large.append(
                try rate { try run("ntfscp", ["-q", "-f", volume, large, "large"]) } * Double(Self.largeCount))
        }
        report.set("1 MiB written (ntfscp)", ClusPrepDaemon.name, .mebibytes, Statistics.median(own.writes))
        report.set("1 MiB written (ntfscp)", Self.peer, .mebibytes, Statistics.median(peer.writes))
        report.set("1 MiB verified (ntfscat)", ClusPrepDaemon.name, .mebibytes, Statistics.median(own.comparisons))
        report.set("1 MiB verified (ntfscat)", Self.peer, .mebibytes, Statistics.median(peer.reads))
        report.set(
            "\(Self.largeCount) MiB written at once (ntfscp)", Self.peer, .mebibytes, Statistics.median(peer.large))
    }

    private func run(_ tool: String, _ arguments: [String]) throws {
        guard let path = ["/usr/sbin/", "/usr/bin/"].map({ $0 + tool }).first(where: { access($0, X_OK) == 0 }) else {
            throw BenchmarkFailure("\(tool) is not installed (Debian's ntfs-3g package)")
        }
        try Program.run(path, arguments, input: "", log: folder + "/\(tool).out")
    }

    // MARK: Time

    /// How often the work was done a second.
    private func rate(_ work: () async throws -> Void) async throws -> Double {
        try await work()
        let begin = ContinuousClock.now
        var count = 0
        repeat {
            try await work()
            count += 1
        } while ContinuousClock.now < begin + duration
        return Double(count) / (ContinuousClock.now - begin).seconds
    }

    private func rate(_ work: () throws -> Void) throws -> Double {
        try work()
        let begin = ContinuousClock.now
        var count = 0
        repeat {
            try work()
            count += 1
        } while ContinuousClock.now < begin + duration
        return Double(count) / (ContinuousClock.now - begin).seconds
    }
}
