import ClusPrepClient
import DCERPC
import Foundation
import Security

/// What a long sealed request moves at, beside what one processor does for its ciphers alone: RC4 and HMAC-MD5 over the same
/// octets, once.
struct SealedWrite {
    let duration: Duration
    let rounds: Int
    let folder: String

    private static let length = 4 << 20

    func run() async throws -> Report {
        var report = Report(rounds: rounds, seconds: duration.seconds)
        report.columns = ["4 MiB", "ciphers alone"]
        guard FileManager.default.isExecutableFile(atPath: StorageLoad.formatter) else {
            report.note("Sealed writes were left out: mkntfs is not installed (Debian's ntfs-3g package).")
            return report
        }
        let volume = folder + "/volume.img"
        try StorageLoad.makeVolume(volume, log: folder + "/mkntfs.log")
        let daemon = try await ClusPrepDaemon.start(in: folder, disks: [volume])
        defer { daemon.stop() }
        let storage = try await daemon.client.storage()
        _ = try await storage.prepareNode()
        guard try await storage.prepareNodePhase2() == 1 else { throw BenchmarkFailure("the daemon serves no disk") }
        let disk = DiskID.number(0)
        try await storage.attach(disk)
        try await storage.arbitrate(disk)
        guard try await storage.online(disk) == 1 else { throw BenchmarkFailure("the disk has no partition") }

        let connection = try await RPCClient.connect(host: daemon.address, port: daemon.port)
        let management = try await connection.bind(
            mgmt.interface.syntax, security: daemon.initiator(), level: .packetPrivacy)
        // With its name and its counts, the whole request is 4 MiB.
        let data = [UInt8](repeating: 0x5A, count: Self.length - 256)
        var samples: (ciphers: [Double], requests: [Double], writes: [Double]) = ([], [], [])
        for _ in 0..<rounds {
            samples.ciphers.append(try ciphers())
            samples.requests.append(try await rate { try await send(data, to: management) })
            samples.writes.append(
                try await rate { try await storage.writeFile("sealed", data, disk: disk, partition: 1) })
        }
        await connection.close()
        for (measure, taken) in [
            ("sealed request, not looked at", samples.requests),
            ("sealed CprepDiskWriteFileData, NTFS", samples.writes),
        ] {
            report.set(measure, report.columns[0], .mebibytes, Statistics.median(taken))
            report.set(measure, report.columns[1], .mebibytes, Statistics.median(samples.ciphers))
            report.set(measure, ratios: zip(taken, samples.ciphers).map { $0 / $1 })
        }
        report.note(
            "A request that is not looked at measures the protocol alone: the server takes all of it, and answers.")
        return report
    }

    /// An operation without parameters, with octets that it does not look at: they are unsealed, verified and put together.
    private func send(_ data: [UInt8], to management: some RPCCaller) async throws {
        try await management.call(
            opnum: mgmt.rpc_mgmt_is_server_listening.opnum, encode: { $0.write(octets: data) }, decode: { _ in })
    }

    /// MiB a second of both, over one fragment after the other, as they are used.
    private func ciphers() throws -> Double {
        let key = SecretBytes([UInt8](0..<16))
        var cipher = try RC4(key: key)
        let code = try HMACMD5(key: key)
        var fragment = [UInt8](repeating: 0x5A, count: 5840)
        var output = [UInt8](repeating: 0, count: HMACMD5.length)
        let begin = ContinuousClock.now
        var octets = 0
        repeat {
            for _ in 0..<64 {
                try fragment.withUnsafeMutableBytes { fragment in
                    cipher.apply(to: fragment)
                    try output.withUnsafeMutableBytes {
                        try code.authenticate(
                            UnsafeRawBufferPointer(fragment), UnsafeRawBufferPointer(start: nil, count: 0), into: $0)
                    }
                }
            }
            octets += 64 * fragment.count
        } while ContinuousClock.now < begin + duration
        return Double(octets) / Double(1 << 20) / (ContinuousClock.now - begin).seconds
    }

    /// MiB a second.
    private func rate(_ work: () async throws -> Void) async throws -> Double {
        try await work()
        let begin = ContinuousClock.now
        var count = 0
        repeat {
            try await work()
            count += 1
        } while ContinuousClock.now < begin + duration
        return Double(count) * Double(Self.length) / Double(1 << 20) / (ContinuousClock.now - begin).seconds
    }
}
