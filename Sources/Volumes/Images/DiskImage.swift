import Foundation

/// A new disk in a sparse file: a partition table, one partition, and an NTFS file system in it.
///
/// For labs and tests. The file system is made by `mkntfs` of Debian's ntfs-3g package; no mount, loop device or privilege is
/// needed.
public struct DiskImage: Hashable, Sendable {
    /// The kind of partition table to make.
    public enum TableStyle: String, Hashable, Sendable, CaseIterable {
        /// A GUID partition table with its protective MBR and its backup.
        case gpt
        /// A master boot record.
        case mbr
    }

    /// Where the image is.
    public var path: String
    /// In octets.
    public var size: UInt64
    /// The octets of a block.
    public var blockSize: Int
    /// The table's kind with the disk's new identity.
    public var style: PartitionTable.Style
    /// The only partition.
    public var partition: Partition

    /// The smallest image in octets: NTFS with its log and some room, and the table's mebibytes around it.
    public static let minimumSize: UInt64 = 16 << 20

    /// Makes an image. Blocking.
    ///
    /// The image appears under its name when it is complete; nothing is left behind if it cannot be completed.
    ///
    /// - Parameters:
    ///   - size: in octets; cut down to whole blocks.
    ///   - fileSystem: what the partition holds; nil leaves it empty.
    ///   - label: the volume's label, up to 128 UTF-16 units.
    ///   - blockSize: 512, or 4096 for a 4Kn disk.
    public static func create(
        at path: String, size: UInt64, style: TableStyle, fileSystem: FileSystem? = .ntfs, label: String = "",
        blockSize: Int = 512
    ) throws(DiskImageError) -> DiskImage {
        guard [512, 4096].contains(blockSize) else { throw .unsupportedBlockSize(blockSize) }
        if let fileSystem, fileSystem != .ntfs { throw .unsupportedFileSystem(fileSystem) }
        let identity: PartitionTable.Style =
            switch style {
            case .gpt: .gpt(diskID: .random())
            case .mbr: .mbr(signature: .random(in: 1...UInt32.max))
            }
        let octets = size / UInt64(blockSize) * UInt64(blockSize)
        guard octets >= minimumSize, octets <= UInt64(Int64.max),
            let layout = PartitionTableLayout(size: octets, blockSize: blockSize, style: identity)
        else { throw .unsupportedSize(size) }
        guard access(path, F_OK) != 0 else { throw .exists(path) }

        let temporary = "\(path).\(String(UInt64.random(in: 0...UInt64.max), radix: 36)).new"
        let image = try ImageFile.create(temporary, size: octets)
        defer { unlink(temporary) }
        for piece in layout.pieces {
            try image.write(piece.octets, at: piece.offset)
        }
        if fileSystem != nil {
            try makeFileSystem(in: image, layout: layout, label: label)
        }
        try image.synchronize()
        // Unlike a renaming, a link never replaces what somebody put there meanwhile.
        guard link(temporary, path) == 0 else {
            throw errno == EEXIST ? .exists(path) : .system("naming \(path)", errno)
        }
        return DiskImage(
            path: path, size: octets, blockSize: blockSize, style: identity, partition: layout.partition)
    }

    private static func makeFileSystem(
        in image: borrowing ImageFile, layout: PartitionTableLayout, label: String
    ) throws(DiskImageError) {
        let blockSize = UInt64(layout.blockSize)
        let path = image.path + ".ntfs"
        let volume = try ImageFile.create(path, size: layout.partition.blockCount * blockSize)
        defer { unlink(path) }
        var arguments = [
            "--force", "--quick", "--quiet", "--sector-size", "\(layout.blockSize)",
            "--partition-start", "\(layout.partition.firstBlock)", "--heads", "255", "--sectors-per-track", "63",
        ]
        if !label.isEmpty { arguments += ["--label", label] }
        try run("mkntfs", package: "ntfs-3g", arguments: arguments + [path])
        try image.copy(sparsely: volume, at: layout.partition.firstBlock * blockSize)
    }

    private static func run(_ tool: String, package: String, arguments: [String]) throws(DiskImageError) {
        // Debian keeps it where only root's search path leads.
        let folders = ["/usr/sbin", "/sbin", "/usr/bin"]
        let candidates = folders.map { $0 + "/" + tool }
        guard let executable = candidates.first(where: { access($0, X_OK) == 0 }) else {
            throw .toolMissing(tool, package: package)
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        // Labels are given in UTF-8, messages are wanted in English.
        process.environment = ["LC_ALL": "C.UTF-8", "PATH": folders.joined(separator: ":")]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw .toolFailed(tool, status: -1, output: "\(error)")
        }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw .toolFailed(
                tool, status: process.terminationStatus, output: text.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }
}
