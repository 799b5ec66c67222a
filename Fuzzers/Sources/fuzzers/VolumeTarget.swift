import Foundation
import Reservations
import Volumes

/// A volume whose structures were changed by an enemy: whatever they say, nothing crashes, hangs, grows or is written outside
/// the partition.
struct VolumeTarget: Sendable {
    private static let margin: UInt64 = 64
    private static let blockSize = 512

    private let contents: [UInt8]
    private let partition: Partition
    /// Where the image holds anything, in octets from the disk's beginning: what is worth changing.
    private let places: [Int]

    /// - Parameter name: the image's name in the folder that CLUSPREP_FUZZ_IMAGES names.
    init(image name: String) throws {
        let folder = ProcessInfo.processInfo.environment["CLUSPREP_FUZZ_IMAGES"] ?? "Images"
        let image = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name).img")))
        self.init(octets: image)
    }

    private init(octets: [UInt8]) {
        let margin = [UInt8](repeating: 0, count: Int(Self.margin) * Self.blockSize)
        contents = margin + octets + margin
        partition = Partition(
            number: 1, firstBlock: Self.margin, blockCount: UInt64(octets.count / Self.blockSize), type: .mbrNTFS)
        places = stride(from: margin.count, to: margin.count + octets.count, by: 64).filter { [contents] place in
            contents[place..<place + 64].contains { $0 != 0 && $0 != Self.filling }
        }
    }

    private func disk(isReadOnly: Bool = false) -> MemoryDisk {
        MemoryDisk(
            contents: contents, blockSize: Self.blockSize, blockCount: UInt64(contents.count / Self.blockSize),
            writable: partition.blocks, isReadOnly: isReadOnly)
    }

    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let choice = input.octet()
        let disk = disk(isReadOnly: choice & 0xC0 == 0xC0)
        while !input.isEmpty {
            let place = Int(input.integer(UInt16.self))
            let detail = input.octet()
            let offset = UInt64(places[place % places.count]) + UInt64(detail & 0x3F)
            disk.patch(at: offset, input.octets(1 << (detail >> 6)))
        }
        guard let volume = try? Volume.open(disk, partition: partition) else { return }
        guard volume.mountFailure == nil else { return }
        _ = (volume.label, volume.isDirty, volume.freeOctets)
        for path in ["small", "folder\\large", "folder\\many\\17", "folder\\none"] {
            _ = try? volume.readFile(path: path, maximumLength: 1 << 20)
        }
        try? volume.verifyFile(path: "folder\\large", data: Self.large)
        if choice & 1 == 0 { try? volume.writeFile(path: "folder\\new", data: Self.large) }
        if choice & 2 == 0 { try? volume.writeFile(path: "small", data: Self.large) }
        if choice & 4 == 0 { try? volume.createFolder(path: "folder\\another") }
        if choice & 8 == 0 { try? volume.deleteFile(path: "folder\\many\\23") }
        if choice & 16 == 0 { try? volume.deleteFile(path: "folder\\large") }
        try? volume.close()
    }

    // MARK: The image

    private static let filling: UInt8 = 0xA5
    private static let large = [UInt8](repeating: filling, count: 40_000)

    /// Puts the files there that ``run(_:)`` looks for.
    static func populate(_ path: String) throws {
        let url = URL(fileURLWithPath: path)
        let target = VolumeTarget(octets: [UInt8](try Data(contentsOf: url)))
        let disk = target.disk()
        let volume = try Volume.open(disk, partition: target.partition)
        try volume.writeFile(path: "small", data: Array("small".utf8))
        try volume.createFolder(path: "folder")
        try volume.createFolder(path: "folder\\many")
        for number in 0..<30 {
            let name = number % 5 == 0 ? "a rather long name, for a file that is the \(number)th" : "\(number)"
            try volume.writeFile(path: "folder\\many\\\(name)", data: [UInt8](repeating: filling, count: number * 40))
        }
        try volume.writeFile(path: "folder\\large", data: large)
        try volume.close()
        let octets = try disk.read(block: target.partition.firstBlock, count: Int(target.partition.blockCount))
        try Data(octets).write(to: url)
    }
}

/// NTFS.
struct NTFSTarget: FuzzTarget {
    private let volume: VolumeTarget

    init() throws {
        volume = try VolumeTarget(image: "ntfs")
    }

    func run(_ input: [UInt8]) {
        volume.run(input)
    }
}

/// ext4.
struct Ext4Target: FuzzTarget {
    private let volume: VolumeTarget

    init() throws {
        volume = try VolumeTarget(image: "ext4")
    }

    func run(_ input: [UInt8]) {
        volume.run(input)
    }
}
