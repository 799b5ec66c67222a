import Foundation
import Testing

@testable import Volumes

/// An ext volume in a file of its own, made by mke2fs and judged by e2fsck and debugfs.
struct ExtWorkbench {
    let folder: TemporaryFolder
    let path: String
    let device: FileDevice

    /// - Parameters:
    ///   - options: mke2fs's.
    ///   - contents: a folder whose files the volume begins with.
    init(_ options: [String] = ["-t", "ext4"], size: Int = 24 << 20, blockSize: Int = 512, contents: String? = nil)
        throws
    {
        folder = try TemporaryFolder()
        path = try folder.sparseFile("volume", size: size)
        let populate = contents.map { ["-d", $0] } ?? []
        // The features of Debian's mke2fs.conf, whatever this host's says.
        let made = try Tool.run("mke2fs", ["-q", "-F", "-L", "Läb"] + options + populate + [path])
        try #require(made.status == 0, "\(made.text)")
        device = try FileDevice(path, blockSize: blockSize)
    }

    var partition: Partition {
        Partition(number: 1, firstBlock: 0, blockCount: device.blockCount, type: .mbr(0x83))
    }

    func open(log: @escaping @Sendable (VolumeLogEntry) -> Void = { _ in }) throws -> Volume {
        try Volume.open(device, partition: partition, log: log)
    }

    func openReadOnly() throws -> Volume {
        try Volume.open(FileDevice(path, blockSize: device.blockSize, isReadOnly: true), partition: partition)
    }

    /// What e2fsck would repair; nil for nothing.
    func complaint() throws -> String? {
        let result = try Tool.run("e2fsck", ["-f", "-n", path])
        return result.status == 0 ? nil : result.text
    }

    /// A file as debugfs reads it.
    func contents(_ name: String) throws -> [UInt8] {
        try Tool.run("debugfs", ["-R", "cat \"/\(name)\"", path], mixed: false).output
    }

    func listing(_ name: String = "/") throws -> [String] {
        try Tool.run("debugfs", ["-R", "ls -p \(name)", path], mixed: false).text
            .split(separator: "\n").compactMap { line in
                let fields = line.split(separator: "/", omittingEmptySubsequences: false)
                return fields.count > 5 && fields[1] != "0" ? String(fields[5]) : nil
            }
    }

    /// Changes the volume by debugfs's hand.
    func debug(_ commands: String...) throws {
        for command in commands {
            let result = try Tool.run("debugfs", ["-w", "-R", command, path])
            try #require(result.status == 0, "\(result.text)")
        }
    }
}
