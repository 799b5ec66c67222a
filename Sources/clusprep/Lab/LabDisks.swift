import Foundation
import Reservations
import Volumes

/// A lab's shared disks.
enum LabDisks {
    /// Sparse: what an image takes is little more than its file system's own data.
    private static let size: UInt64 = 128 << 20

    /// Makes the images that are missing, and tells what each is.
    static func prepare(in folder: URL, count: Int) throws -> [LabDescription.Disk] {
        guard count > 0 else { return [] }
        return try (1...count).map { number in
            let path = folder.appendingPathComponent("disk\(number).img").path
            if !FileManager.default.fileExists(atPath: path) {
                do {
                    _ = try DiskImage.create(
                        at: path, size: size, style: number % 2 == 1 ? .gpt : .mbr, label: "ClusPrep \(number)")
                } catch {
                    throw CommandFailure("cannot make \(path): \(error)")
                }
            }
            return try describe(path)
        }
    }

    private static func describe(_ path: String) throws -> LabDescription.Disk {
        let table: PartitionTable
        do {
            let unit = try EmulatedLogicalUnit(image: path, initiator: .node("clusprep-lab"))
            table = try PartitionTable.read(from: try Disk(transport: unit))
        } catch {
            throw CommandFailure("cannot read \(path): \(error)")
        }
        switch table.style {
        case .gpt(let id):
            return .init(path: path, style: "gpt", id: id.description)
        case .mbr(let signature):
            let digits = String(signature, radix: 16)
            return .init(
                path: path, style: "mbr", id: String(repeating: "0", count: 8 - digits.count) + digits)
        case .raw:
            throw CommandFailure("\(path) has no partition table; remove it, and a new one is made")
        }
    }
}
