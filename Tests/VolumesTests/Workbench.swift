import Foundation
import Reservations
import Synchronization
import Testing

@testable import Volumes

/// A folder that goes away with the test that made it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "volumes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func file(_ name: String) -> String {
        path + "/" + name
    }

    /// Makes a file of zeros that takes no room.
    func sparseFile(_ name: String, size: Int) throws -> String {
        let result = file(name)
        try Data().write(to: URL(fileURLWithPath: result))
        try #require(truncate(result, size) == 0)
        return result
    }
}

/// A foreign program that judges what we made, or makes what we judge.
struct Tool {
    struct Result {
        var status: Int32
        var output: [UInt8]

        var text: String { String(decoding: output, as: UTF8.self) }
    }

    let executable: String

    init?(_ name: String) {
        let candidates = ["/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"].map { $0 + name }
        guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            return nil
        }
        executable = found
    }

    /// The Debian package that a tool is in.
    static func package(of name: String) -> String {
        switch name {
        case "sfdisk", "fdisk": "fdisk"
        case "sgdisk": "gdisk"
        case "mkfs.fat": "dosfstools"
        case "mkfs.ext4", "mke2fs", "e2fsck", "debugfs", "tune2fs", "dumpe2fs": "e2fsprogs"
        case "mkswap": "util-linux"
        case "dd": "coreutils"
        default: "ntfs-3g"
        }
    }

    /// Runs a tool that a test ``Testing/Trait/needs(_:)``; standard error goes with standard output where `mixed`.
    @discardableResult
    static func run(_ name: String, _ arguments: [String], input: String = "", mixed: Bool = true) throws -> Result {
        let tool = try #require(Tool(name))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool.executable)
        process.arguments = arguments
        process.environment = ["LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = mixed ? output : FileHandle.nullDevice
        // From a file: a pipe would kill this process if the tool ended before it read everything.
        let source = NSTemporaryDirectory() + "input-\(UUID().uuidString)"
        try Data(input.utf8).write(to: URL(fileURLWithPath: source))
        defer { try? FileManager.default.removeItem(atPath: source) }
        process.standardInput = FileHandle(forReadingAtPath: source)
        try process.run()
        let octets = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(status: process.terminationStatus, output: Array(octets))
    }
}

/// A disk in a file.
final class FileDevice: BlockDevice {
    let blockSize: Int
    let blockCount: UInt64
    let isReadOnly: Bool
    private let descriptor: Int32

    init(_ path: String, blockSize: Int = 512, isReadOnly: Bool = false) throws {
        descriptor = open(path, isReadOnly ? O_RDONLY : O_RDWR)
        try #require(descriptor >= 0)
        self.blockSize = blockSize
        self.isReadOnly = isReadOnly
        blockCount = UInt64(lseek(descriptor, 0, SEEK_END)) / UInt64(blockSize)
    }

    deinit {
        close(descriptor)
    }

    func read(block: UInt64, count: Int) throws -> [UInt8] {
        guard block + UInt64(count) <= blockCount else { throw DeviceFailure(name: "out of range") }
        var octets = [UInt8](repeating: 0, count: count * blockSize)
        let done = pread(descriptor, &octets, octets.count, off_t(block) * off_t(blockSize))
        guard done == octets.count else { throw DeviceFailure(name: "short read") }
        return octets
    }

    func write(block: UInt64, _ data: [UInt8]) throws {
        guard !isReadOnly, data.count % blockSize == 0, block + UInt64(data.count / blockSize) <= blockCount else {
            throw DeviceFailure(name: "out of range")
        }
        guard pwrite(descriptor, data, data.count, off_t(block) * off_t(blockSize)) == data.count else {
            throw DeviceFailure(name: "short write")
        }
    }

    func flush() {}
}

/// A disk in memory, for tables.
final class MemoryDevice: BlockDevice {
    let blockSize: Int
    let blockCount: UInt64
    let isReadOnly = false
    private let blocks = Mutex<[UInt64: [UInt8]]>([:])

    init(blockCount: UInt64, blockSize: Int = 512) {
        self.blockSize = blockSize
        self.blockCount = blockCount
    }

    func read(block: UInt64, count: Int) throws -> [UInt8] {
        guard block < blockCount, UInt64(count) <= blockCount - block else { throw DeviceFailure(name: "out of range") }
        return blocks.withLock { blocks in
            (0..<UInt64(count)).flatMap { blocks[block + $0] ?? [UInt8](repeating: 0, count: blockSize) }
        }
    }

    func write(block: UInt64, _ data: [UInt8]) throws {
        blocks.withLock { blocks in
            for index in 0..<data.count / blockSize {
                blocks[block + UInt64(index)] = Array(data[index * blockSize..<(index + 1) * blockSize])
            }
        }
    }

    func flush() {}

    /// Changes octets of one block.
    func patch(block: UInt64, at offset: Int, _ octets: [UInt8]) throws {
        var data = try read(block: block, count: 1)
        data.replaceSubrange(offset..<offset + octets.count, with: octets)
        try write(block: block, data)
    }
}

/// What a disk of the tests throws.
struct DeviceFailure: Error, Equatable {
    var name: String
}

/// A disk that fails when told to, and counts.
final class FaultyDevice: BlockDevice {
    struct Plan {
        /// How many more writes succeed; nil for all.
        var writes: Int?
        /// How many more reads succeed; nil for all.
        var reads: Int?
        var flushes: Int?
        /// Whether only one request fails, and those behind it succeed.
        var failsOnce = false
        var failure: any Error = DeviceFailure(name: "planned")
        var counted = 0
        /// Whether anything was made to fail.
        var hasFailed = false
        /// What happens in front of a write.
        var beforeWrite: (@Sendable () -> Void)?
    }

    let base: any BlockDevice
    let plan = Mutex(Plan())

    init(_ base: any BlockDevice) {
        self.base = base
    }

    var blockSize: Int { base.blockSize }
    var blockCount: UInt64 { base.blockCount }
    var isReadOnly: Bool { base.isReadOnly }

    func read(block: UInt64, count: Int) throws -> [UInt8] {
        try plan.withLock { plan in try spend(\.reads, &plan) }
        return try base.read(block: block, count: count)
    }

    func write(block: UInt64, _ data: [UInt8]) throws {
        plan.withLock { $0.beforeWrite }?()
        try plan.withLock { plan in
            try spend(\.writes, &plan)
            plan.counted += 1
        }
        try base.write(block: block, data)
    }

    func flush() throws {
        try plan.withLock { plan in try spend(\.flushes, &plan) }
        try base.flush()
    }

    private func spend(_ budget: WritableKeyPath<Plan, Int?>, _ plan: inout Plan) throws {
        guard let left = plan[keyPath: budget] else { return }
        if left == 0 {
            plan.hasFailed = true
            if plan.failsOnce { plan[keyPath: budget] = nil }
            throw plan.failure
        }
        plan[keyPath: budget] = left - 1
    }
}

/// An image with one NTFS partition, opened.
struct Workbench {
    let folder: TemporaryFolder
    let image: DiskImage
    let device: FileDevice

    init(
        style: DiskImage.TableStyle = .gpt, size: UInt64 = 24 << 20, blockSize: Int = 512, label: String = "Lab"
    ) throws {
        folder = try TemporaryFolder()
        image = try DiskImage.create(
            at: folder.file("disk.img"), size: size, style: style, label: label, blockSize: blockSize)
        device = try FileDevice(image.path, blockSize: blockSize)
    }

    func open(log: @escaping @Sendable (VolumeLogEntry) -> Void = { _ in }) throws -> Volume {
        try Volume.open(device, partition: image.partition, log: log)
    }

    /// The partition in a file of its own, for tools that know no partitions.
    func cutOut() throws -> String {
        try Self.cutOut(image, into: folder)
    }

    static func cutOut(_ image: DiskImage, into folder: TemporaryFolder) throws -> String {
        let path = folder.file("partition-\(UUID().uuidString).ntfs")
        let unit = image.blockSize
        try Tool.run(
            "dd",
            [
                "if=\(image.path)", "of=\(path)", "bs=\(unit * 64)", "conv=sparse", "iflag=skip_bytes,count_bytes",
                "skip=\(image.partition.firstBlock * UInt64(unit))",
                "count=\(image.partition.blockCount * UInt64(unit))",
            ])
        return path
    }

    /// Whether ntfs-3g's own checker finds nothing to do; its report otherwise.
    func complaint() throws -> String? {
        let result = try Tool.run("ntfsfix", ["-n", cutOut()])
        return result.status == 0 ? nil : result.text
    }

    /// Puts a file there by ntfs-3g's own hand.
    func copyIn(_ octets: [UInt8], as destination: String, options: [String] = []) throws {
        let source = folder.file("source-\(UUID().uuidString)")
        try Data(octets).write(to: URL(fileURLWithPath: source))
        try change { partition in
            try Tool.run("ntfscp", ["-f"] + options + [partition, source, destination])
        }
    }

    /// Has one of ntfs-3g's tools change the partition.
    func change(_ body: (String) throws -> Tool.Result) throws {
        let partition = try cutOut()
        let result = try body(partition)
        try #require(result.status == 0, "\(result.text)")
        try Tool.run(
            "dd",
            [
                "if=\(partition)", "of=\(image.path)", "bs=65536", "conv=notrunc", "oflag=seek_bytes",
                "seek=\(image.partition.firstBlock * UInt64(image.blockSize))",
            ])
    }

    /// Changes a file's record of the master file table behind everybody's back. The file is small enough to be found among
    /// the first ones; the body gets the octets of the record, whose sectors must keep their last two.
    func changeRecord(of name: String, _ body: (inout [UInt8]) throws -> Void) throws {
        let boot = try device.read(block: image.partition.firstBlock, count: 1)
        let table = image.partition.firstBlock + boot.littleEndian(UInt64.self, at: 48) * UInt64(boot[13])
        let wanted = name.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
        for record in 24..<200 {
            let block = table + UInt64(record) * 2
            var octets = try device.read(block: block, count: 2)
            guard octets.starts(with: "FILE".utf8), Data(octets).range(of: Data(wanted)) != nil else { continue }
            try body(&octets)
            try device.write(block: block, octets)
            return
        }
        Issue.record("no record of \(name)")
    }
}

/// Octets that no pattern of zeros or repetitions could be taken for; the same for the same seed.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    // By hand: without optimization, `map` takes more time than what is tested.
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        var index = 0
        while index < count {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            buffer[index] = UInt8(truncatingIfNeeded: state >> 24)
            index += 1
        }
        initializedCount = count
    }
}

/// The same for many octets, made quickly: no two of its mebibytes are equal, and none begins like another seed's.
func longNoise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    let tile = noise(1 << 20)
    var result: [UInt8] = []
    result.reserveCapacity(count + tile.count)
    while result.count < count {
        let turn = ((result.count >> 20) + Int(seed)) * 4099 % tile.count
        result += tile[turn..<tile.count]
        result += tile[0..<turn]
    }
    result.removeLast(result.count - count)
    return result
}

extension Trait where Self == ConditionTrait {
    /// Skips a test where one of these tools is missing, and says what to install.
    static func needs(_ tools: String...) -> Self {
        let missing = Set(tools.filter { Tool($0) == nil }.map(Tool.package(of:))).sorted()
        return .enabled(if: missing.isEmpty, "install \(missing.joined(separator: " "))")
    }
}
