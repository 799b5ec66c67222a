import Foundation
import Reservations
import Synchronization

/// The whole emulated unit with its files: any command with any data, from two nodes through two ports.
struct UnitTarget: FuzzTarget {
    private let folder: String
    private let pristine: Data
    private var image: String { folder + "/unit.img" }

    init() throws {
        // The unit brings every change onto stable storage; in memory that costs nothing.
        let memory = "/dev/shm"
        let base = FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
        let folder = base + "/clusprep-fuzz-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        Self.leftover.withLock { $0 = folder }
        atexit {
            let folder = UnitTarget.leftover.withLock { $0 }
            if let folder { try? FileManager.default.removeItem(atPath: folder) }
        }
        self.folder = folder
        let path = folder + "/unit.img"
        try Data(count: 64 << 10).write(to: URL(fileURLWithPath: path))
        _ = try EmulatedLogicalUnit(image: path, initiator: .node("one"))
        pristine = try Data(contentsOf: URL(fileURLWithPath: path + ".reservations"))
    }

    /// What is removed when the program ends.
    private static let leftover = Mutex<String?>(nil)

    func run(_ input: [UInt8]) {
        do {
            try attempt(input)
        } catch {
            fatalError("the unit could not be opened: \(error)")
        }
    }

    private func attempt(_ input: [UInt8]) throws {
        try pristine.write(to: URL(fileURLWithPath: image + ".reservations"))
        var units: [EmulatedLogicalUnit] = []
        for name in ["one", "two"] {
            for port in EmulatedLogicalUnit.targetPorts {
                units.append(try EmulatedLogicalUnit(image: image, initiator: .node(name), targetPort: port))
            }
        }
        for unit in units { _ = unit.execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0) }
        var input = FuzzInput(input)
        while !input.isEmpty {
            let command = FuzzCommand(&input)
            let unit = units[Int(command.sender) % units.count]
            let result = unit.execute(cdb: command.cdb, dataOut: command.list, dataInLength: 4096)
            promise(result.data.count <= 4096, "more data than was asked for")
            promise((result.status == .checkCondition) == (result.sense != nil), "sense data that does not belong")
            promise(result.sense?.key != .hardwareError && result.sense?.key != .notReady, "the unit broke")
        }
        // A lost session takes a RESERVE(6) with it; whoever comes next finds a sound state.
        units.removeAll()
        let disk = try Disk(transport: EmulatedLogicalUnit(image: image, initiator: .node("three")))
        _ = try disk.readFullReservationStatus()
    }
}
