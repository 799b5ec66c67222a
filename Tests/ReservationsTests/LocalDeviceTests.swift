import Foundation
import TestSupport
import Testing

@testable import Reservations

/// Block devices of the machine the tests run on.
@Suite(.offThePool) struct LocalDeviceTests {
    static var canUseLoopDevices: Bool {
        geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0 && losetup != nil
    }

    static let losetup = (["/usr/sbin/losetup", "/sbin/losetup"] as [String]).first { access($0, X_OK) == 0 }

    static var canReadVirtioDisk: Bool { (try? OpenFile("/dev/vda", flags: O_RDONLY)) != nil }

    /// A loop device over an image, detached with the value.
    final class LoopDevice: Sendable {
        let image: TemporaryImage
        let device: String

        init(blocks: Int, blockSize: Int = 512, readOnly: Bool = false) throws {
            image = try TemporaryImage(blocks: blocks, blockSize: blockSize)
            device = try Self.run(
                ["--find", "--show", "--sector-size", "\(blockSize)"] + (readOnly ? ["--read-only"] : []) + [image.path]
            )
        }

        deinit {
            _ = try? Self.run(["--detach", device])
        }

        static func run(_ arguments: [String]) throws -> String {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: try #require(LocalDeviceTests.losetup))
            process.arguments = arguments
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let text = try output.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
            return String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    @Test(
        .enabled(if: LocalDeviceTests.canUseLoopDevices, "loop devices need root, losetup and /dev/loop-control"),
        arguments: [512, 4096])
    func readsAndWritesALoopDevice(_ blockSize: Int) throws {
        let loop = try LoopDevice(blocks: 4096, blockSize: blockSize)
        let transport = try LocalTransport.open(device: loop.device, roles: [])
        let disk = try Disk(transport: transport)
        #expect(disk.blockSize == blockSize)
        #expect(disk.blockCount == 4096)
        #expect(!disk.isReadOnly)
        #expect(transport.name == loop.device)
        #expect(transport.attachment.bus == .fileBackedVirtual)
        #expect(transport.attachment.device == loop.device)
        let data = (0..<1024 * blockSize).map { UInt8(truncatingIfNeeded: $0 &* 31 / 7) }
        try disk.write(block: 3, data)
        try disk.flush()
        #expect(try disk.read(block: 3, count: 1024) == data)
        // What the image holds is what was written, and nothing beside it.
        let file = try OpenFile(loop.image.path, flags: O_RDONLY)
        #expect(try file.read(at: UInt64(3 * blockSize), count: data.count) == data)
        #expect(try file.read(at: 0, count: 3 * blockSize).allSatisfy { $0 == 0 })
        #expect(try disk.read(block: 4095, count: 1).count == blockSize)
        #expect(throws: SCSIError.self) {
            try disk.execute(.read(.init(first: 4095, count: 2), form: .ten), dataIn: 8192)
        }
        #expect(throws: SCSIError.self) {
            try disk.execute(
                .write(.init(first: 0, count: 2), form: .ten, forceUnitAccess: false),
                dataOut: Array(data.prefix(blockSize)))
        }
    }

    @Test(.enabled(if: LocalDeviceTests.canUseLoopDevices, "loop devices need root, losetup and /dev/loop-control"))
    func aLoopDeviceHasNoReservations() throws {
        let loop = try LoopDevice(blocks: 64)
        let disk = try Disk(transport: try LocalTransport.open(device: loop.device, roles: []))
        for body in [{ _ = try disk.readKeys() }, { try disk.registerIgnoringExistingKey(key(1)) }] {
            #expect {
                try body()
            } throws: { error in
                guard case SCSIError.checkCondition(let sense) = error else { return false }
                return sense.key == .illegalRequest && sense.code == .invalidOperationCode
            }
        }
    }

    @Test(.enabled(if: LocalDeviceTests.canUseLoopDevices, "loop devices need root, losetup and /dev/loop-control"))
    func aReadOnlyDeviceIsWriteProtected() throws {
        let loop = try LoopDevice(blocks: 64, readOnly: true)
        let disk = try Disk(transport: try LocalTransport.open(device: loop.device, roles: []))
        #expect(disk.isReadOnly)
        #expect {
            try disk.write(block: 0, [UInt8](repeating: 1, count: 512))
        } throws: { error in
            guard case SCSIError.checkCondition(let sense) = error else { return false }
            return sense.key == .dataProtect
        }
    }

    @Test(
        .enabled(if: LocalDeviceTests.canUseLoopDevices, "loop devices need root, losetup and /dev/loop-control"),
        arguments: [.system, .boot, .pagefile, .hibernation, .crashDump, .inUse] as [DiskAttachment.Roles])
    func aDiskTheHostNeedsIsNeverWritten(_ role: DiskAttachment.Roles) throws {
        let loop = try LoopDevice(blocks: 64)
        let disk = try Disk(transport: try LocalTransport.open(device: loop.device, roles: role))
        #expect(try disk.read(block: 0, count: 1).count == 512)
        #expect {
            try disk.write(block: 0, [UInt8](repeating: 1, count: 512))
        } throws: { error in
            guard case SCSIError.protected = error else { return false }
            return true
        }
        #expect(disk.transport.attachment.roles == role)
    }

    /// What the roles do not tell, such as a file system mounted in another name space or a pool of ZFS, the kernel does.
    @Test(.enabled(if: LocalDeviceTests.canUseLoopDevices, "loop devices need root, losetup and /dev/loop-control"))
    func aDiskThatSomethingHasClaimedIsNeverWritten() throws {
        let loop = try LoopDevice(blocks: 64)
        var claim: OpenFile? = try OpenFile(loop.device, flags: O_RDONLY | O_EXCL)
        let claimed = try LocalTransport.open(device: loop.device, roles: [])
        #expect(claimed is GuardedTransport)
        #expect(claimed.attachment.roles == .inUse)
        withExtendedLifetime(claim) {}
        claim = nil
        let free = try LocalTransport.open(device: loop.device, roles: [])
        #expect(!(free is GuardedTransport))
        #expect(free.attachment.roles == [])
    }

    @Test(.enabled(if: LocalDeviceTests.canReadVirtioDisk, "there is no virtio disk /dev/vda, or it may not be read"))
    func theVirtioDiskOfThisMachine() throws {
        let transport = try LocalTransport.open(device: "/dev/vda", roles: .system)
        #expect(transport is GuardedTransport)
        let disk = try Disk(transport: transport)
        let size = try #require(HostFiles().number("/sys/block/vda/size"))
        #expect(disk.blockCount * UInt64(disk.blockSize) == size * 512)
        #expect(try disk.read(block: 0, count: 8).count == 8 * disk.blockSize)
        #expect(transport.attachment.bus == .virtual)
        #expect(transport.attachment.adapter.hasPrefix("virtio_blk"))
        #expect(transport.attachment.paths == 1)
    }

    @Test func whatIsNoDiskIsRefused() throws {
        #expect(throws: LocalDeviceError.missing(device: "/dev/no-such-disk")) {
            try LocalTransport.open(device: "/dev/no-such-disk", roles: [])
        }
        #expect(throws: LocalDeviceError.notADisk(device: "/dev/null")) {
            try LocalTransport.open(device: "/dev/null", roles: [])
        }
        #expect(throws: LocalDeviceError.notADisk(device: "/etc")) {
            try LocalTransport.open(device: "/etc", roles: [])
        }
    }

    @Test(
        arguments: [
            ("1280", "128", 127 * 4096), ("512", "129", 512 << 10), ("512", "128", 127 * 4096), ("4", "1", 4096),
            ("0", "0", 4096), ("junk", "junk", 127 * 4096), ("18446744073709551615", "18446744073709551615", 1 << 30),
        ] as [(String, String, Int)])
    func whatOneCommandMayCarry(_ kibibytes: String, _ segments: String, _ octets: Int) throws {
        let image = try TemporaryImage()
        let folder = image.folder + "/sys/block/sdx/queue"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: image.folder + "/sys") }
        try Data("\(kibibytes)\n".utf8).write(to: URL(fileURLWithPath: folder + "/max_sectors_kb"))
        try Data("\(segments)\n".utf8).write(to: URL(fileURLWithPath: folder + "/max_segments"))
        let node = try #require(BlockNode(name: "sdx", files: HostFiles(root: image.folder)))
        #expect(node.maximumTransfer == octets)
    }

    @Test func identifiersFromTheKernelsNames() {
        // Network address authority 6 has 16 octets, EUI-64 has 8.
        let naa = DeviceIdentifier.list(wwid: "naa.600140512345678901234567890abcde")
        #expect(naa.map(\.kind) == [.naa, .scsiName])
        #expect(naa[0].value == octets("600140512345678901234567890ABCDE"))
        #expect(naa[1].text == "naa.600140512345678901234567890ABCDE")
        #expect(DeviceIdentifier.list(wwid: "eui.0025385b91b00a5c").map(\.kind) == [.eui64, .scsiName])
        let uuid = DeviceIdentifier.list(wwid: "uuid.12345678-1234-1234-1234-123456789abc")
        #expect(uuid.map(\.value) == [octets("1000 12345678123412341234123456789ABC")])
        for text in ["", "naa", "naa.", "naa.12", "t10.ATA     disk", "eui.0025385b91b00a5", "eui.0025385b91b00a5g"] {
            #expect(DeviceIdentifier.list(wwid: text) == [], "\(text)")
        }
    }
}
