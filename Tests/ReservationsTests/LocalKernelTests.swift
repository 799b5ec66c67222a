import Foundation
import Testing

@testable import Reservations

/// Whether the virtual machine has named its devices.
private let isInMachine = ProcessInfo.processInfo.environment["CLUSPREP_SCSI_PATHS"] != nil

/// Local disks on a real kernel's SCSI target, multipath map and NVMe driver; `Tests/VirtualMachine/run` makes them and runs this.
@Suite(
    .serialized, .enabled(if: isInMachine, "these run in the virtual machine of Tests/VirtualMachine"))
struct LocalKernelTests {
    private func setting(_ name: String) throws -> String {
        try #require(ProcessInfo.processInfo.environment[name])
    }

    private func open(_ device: String) throws -> Disk {
        try Disk(transport: LocalTransport.open(device: device, roles: []))
    }

    /// The same unit behind three initiators.
    private func units() throws -> [Disk] {
        let disks = try setting("CLUSPREP_SCSI_PATHS").split(separator: ",").map { try open(String($0)) }
        try #require(disks.count == 3)
        try reset(disks[0])
        return disks
    }

    /// No registrations, whatever a test before has left.
    private func reset(_ disk: Disk) throws {
        try disk.registerIgnoringExistingKey(key(0xFFFF))
        try disk.clearReservations(key: key(0xFFFF))
    }

    @Test func aUnitDescribesItself() throws {
        let units = try units()
        #expect(units.allSatisfy { $0.inquiry.vendor == "LIO-ORG" && $0.blockSize == 512 && $0.blockCount == 131_072 })
        #expect(try Set(units.map { try $0.serialNumber() }) == ["clusprep-unit-0"])
        let identifiers = try units.map { DeviceIdentifier.preferred(try $0.identifiers())?.text }
        #expect(Set(identifiers).count == 1)
        #expect(identifiers[0] != nil)
        #expect(try units[0].reservationCapabilities().types == Set(ReservationType.allCases))
        let attachment = units[0].transport.attachment
        #expect(attachment.bus == .scsi)
        #expect(attachment.adapter.contains("tcm_loop"))
        #expect(attachment.address != nil)
        let generic = try #require(
            HostFiles().names("/sys/class/block/\(units[0].transport.name.dropFirst(5))/device/scsi_generic").first)
        #expect(try open("/dev/" + generic).serialNumber() == "clusprep-unit-0")
    }

    @Test func readsAndWrites() throws {
        let units = try units()
        let data = (0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7 / 512) }
        try units[0].write(block: 9, data)
        try units[0].flush()
        #expect(try units[1].read(block: 9, count: data.count / 512) == data)
        #expect {
            try units[0].execute(.read(.init(first: 131_071, count: 2), form: .ten), dataIn: 1024)
        } throws: { error in
            guard case SCSIError.checkCondition(let sense) = error else { return false }
            return sense.key == .illegalRequest && sense.code == .blockAddressOutOfRange
        }
    }

    @Test(arguments: ReservationType.allCases) func reservations(_ type: ReservationType) throws {
        let units = try units()
        let block = [UInt8](repeating: UInt8(type.rawValue), count: 512)
        try units[0].register(existing: .none, new: key(0xA))
        #expect(Ending { try units[0].register(existing: .none, new: key(0xA)) } == .conflict)
        try units[1].register(existing: .none, new: key(0xB))
        try units[0].reserve(key: key(0xA), type: type)
        #expect(try units[2].readKeys().keys.sorted { $0.rawValue < $1.rawValue } == [key(0xA), key(0xB)])
        #expect(try units[2].readReservation().holder?.type == type)
        try units[0].write(block: 1, block)
        #expect(Ending { try units[1].write(block: 1, block) } == (type.admitsRegistrants ? .good : .conflict))
        #expect(Ending { try units[2].write(block: 1, block) } == .conflict)
        #expect(Ending { _ = try units[2].read(block: 1, count: 1) } == (type.admitsReaders ? .good : .conflict))
        #expect(try units[1].readFullReservationStatus().registrations.count == 2)
        try units[1].preempt(key: key(0xB), victim: key(0xA), type: type)
        #expect(Ending { try units[0].write(block: 1, block) } == .conflict)
        try units[1].write(block: 1, block)
        try units[1].release(key: key(0xB), type: type)
        #expect(try units[2].readReservation().holder == nil)
    }

    @Test func aMapIsOneDiskWithTwoPaths() throws {
        let map = try open(try setting("CLUSPREP_SCSI_MAP"))
        let other = try open(try setting("CLUSPREP_SCSI_OTHER"))
        try reset(other)
        let transport = try #require(map.transport as? MultipathTransport)
        #expect(transport.paths.count == 2)
        #expect(transport.attachment.paths == 2)
        #expect(transport.attachment.isMultipath)
        #expect(throws: LocalDeviceError.self) { try open(transport.paths[0].name) }
        let block = [UInt8](repeating: 5, count: 512)
        try map.register(existing: .none, new: key(0xA))
        #expect(try other.readKeys().keys == [key(0xA), key(0xA)])
        try map.reserve(key: key(0xA), type: .writeExclusive)
        try map.write(block: 3, block)
        #expect(Ending { try other.write(block: 3, block) } == .conflict)
        // The first path goes, and with it the nexus that holds the reservation.
        try setState("offline", of: transport.paths[0])
        try map.write(block: 4, block)
        #expect(transport.failedPaths == [transport.paths[0].name])
        #expect(Ending { try other.write(block: 3, block) } == .conflict)
        #expect(try other.readReservation().holder == .init(key: key(0xA), type: .writeExclusive))
        try setState("running", of: transport.paths[0])
        transport.probeFailedPaths()
        #expect(transport.failedPaths == [])
        #expect(try other.readKeys().keys == [key(0xA), key(0xA)])
        // A pre-emption while a path is away holds for that path as well.
        try setState("offline", of: transport.paths[0])
        _ = Ending { try map.testUnitReady() }
        try other.register(existing: .none, new: key(0xB))
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusive)
        try setState("running", of: transport.paths[0])
        transport.probeFailedPaths()
        #expect(try other.readKeys().keys == [key(0xB)])
        #expect(Ending { try map.write(block: 4, block) } == .conflict)
    }

    private func setState(_ state: String, of path: any SCSITransport) throws {
        let file = "/sys/class/block/\(path.name.dropFirst(5))/device/state"
        try OpenFile(file, flags: O_WRONLY).write(Array("\(state)\n".utf8), at: 0)
    }

    @Test func aNamespaceOfNVMExpress() throws {
        let disk = try open(try setting("CLUSPREP_NVME"))
        #expect(disk.inquiry.vendor == "NVMe")
        #expect(disk.inquiry.product == "QEMU NVMe Ctrl")
        #expect(disk.blockCount * UInt64(disk.blockSize) == 64 << 20)
        #expect(try !disk.serialNumber().isEmpty)
        #expect(disk.transport.attachment.bus == .nvme)
        let data = (0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 &* 5 / 512) }
        try disk.write(block: 11, data)
        try disk.flush()
        #expect(try disk.read(block: 11, count: data.count / disk.blockSize) == data)
        let file = try OpenFile(try setting("CLUSPREP_NVME"), flags: O_RDONLY)
        #expect(try file.read(at: UInt64(11 * disk.blockSize), count: data.count) == data)
        // This controller has no reservations, and says so.
        #expect {
            _ = try disk.readKeys()
        } throws: { error in
            guard case SCSIError.checkCondition(let sense) = error else { return false }
            return sense.code == .invalidOperationCode
        }
    }
}
