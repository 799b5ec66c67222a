import Reservations
import Testing

@testable import HostInventory

/// What a host does with its disks, through everything that may lie between.
@Suite struct DiskUsageTests {
    private func host(disks: [String], commandLine: String = "quiet") throws -> FakeHost {
        let host = try FakeHost(commandLine: commandLine)
        for (index, name) in disks.enumerated() {
            host.scsi(
                name, host: "/sys/devices/platform/host\(index)", address: "\(index):0:0:0", number: "8:\(index * 16)",
                partitions: ["\(name)1": "8:\(index * 16 + 1)", "\(name)2": "8:\(index * 16 + 2)"])
        }
        return host
    }

    @Test func rootOnLVMOnAnArray() throws {
        let host = try host(
            disks: ["sda", "sdb", "sdc"], commandLine: "root=/dev/mapper/vg-root resume=/dev/mapper/vg-swap")
        host.virtual("md0", number: "9:0", over: ["sda2", "sdb2"])
        host.virtual("dm-0", number: "253:0", over: ["md0"], uuid: "LVM-root")
        host.virtual("dm-1", number: "253:1", over: ["md0"], uuid: "LVM-swap")
        host.link("/dev/mapper/vg-root", to: "/dev/dm-0")
        host.link("/dev/mapper/vg-swap", to: "/dev/dm-1")
        host.append("/proc/swaps", "/dev/dm-1                               partition\t1000\t0\t-2")
        host.mount("253:0", at: "/", source: "/dev/mapper/vg-root")
        host.mount("8:1", at: "/boot", source: "/dev/sda1")
        #expect(try host.disks.list().map(\.device) == ["/dev/sda", "/dev/sdb", "/dev/sdc"])
        let common: DiskAttachment.Roles = [.system, .systemBus, .pagefile, .hibernation, .pooled, .inUse]
        #expect(try host.disk("sda").attachment.roles == common.union(.boot))
        #expect(try host.disk("sdb").attachment.roles == common)
        #expect(try host.disk("sdc").attachment.roles == [])
        #expect(try host.disks.roles(of: "/dev/sdb2") == common)
    }

    @Test func encryptedAndPooledDisks() throws {
        let host = try host(disks: ["sda", "sdb", "sdc", "sdd"])
        host.virtual("dm-0", number: "253:0", over: ["sda2"], uuid: "CRYPT-LUKS2-root")
        host.virtual("dm-1", number: "253:1", over: ["dm-0"], uuid: "LVM-root")
        host.virtual("dm-2", number: "253:2", over: ["sdb"], uuid: "LVM-data")
        host.virtual("md127", number: "9:127", over: ["sdc"])
        host.mount("253:1", at: "/", source: "/dev/mapper/root")
        let system = try host.disk("sda").attachment.roles
        #expect(system == [.system, .boot, .systemBus, .pooled, .inUse])
        #expect(try host.disk("sdb").attachment.roles == [.pooled, .inUse])
        #expect(try host.disk("sdc").attachment.roles == [.pooled, .inUse])
        #expect(try host.disk("sdd").attachment.roles == [])
    }

    @Test func swapFilesAndMountsWithOddNames() throws {
        let host = try host(disks: ["sda", "sdb", "sdc"])
        host.mount("8:1", at: "/", source: "/dev/sda1")
        host.mount("8:17", at: "/srv/my\\040data", source: "/dev/sdb1")
        host.append("/proc/swaps", "/srv/my\\040data/swap\\040file           file\t1000\t0\t-2")
        host.append("/proc/swaps", "/dev/zram0                              partition\t1000\t0\t-2")
        #expect(try host.disk("sdb").attachment.roles == [.inUse, .pagefile])
        #expect(try host.disk("sda").attachment.roles == [.system, .boot, .systemBus])
        #expect(Mount.unescaped("a\\040b\\011c\\134d\\0") == "a b\tc\\d\\0")
    }

    @Test func fileSystemsOverSeveralDisks() throws {
        let host = try host(disks: ["sda", "sdb", "sdc"])
        // Btrfs has a device number of its own, and names one of its devices.
        host.mount("0:35", at: "/", source: "/dev/sda", type: "btrfs")
        host.link("/sys/fs/btrfs/1234/devices/sda", to: "/sys/class/block/sda")
        host.link("/sys/fs/btrfs/1234/devices/sdb", to: "/sys/class/block/sdb")
        #expect(try host.disk("sda").attachment.roles.contains(.system))
        #expect(try host.disk("sdb").attachment.roles.contains(.system))
        #expect(try host.disk("sdc").attachment.roles == [])
        // Bcachefs names them all.
        host.mount("0:40", at: "/pool", source: "/dev/sdc:/dev/sdb", type: "bcachefs")
        #expect(try host.disk("sdc").attachment.roles == .inUse)
    }

    @Test func kernelParameters() throws {
        let host = try host(
            disks: ["sda", "sdb", "sdc"], commandLine: "root=UUID=ab-cd resume=PARTUUID=12 resume_offset=5")
        host.link("/dev/disk/by-uuid/ab-cd", to: "/dev/sda1")
        host.link("/dev/disk/by-partuuid/12", to: "/dev/sdb2")
        host.file("/sys/power/resume", "8:32")
        #expect(try host.disk("sda").attachment.roles == [.system, .systemBus])
        #expect(try host.disk("sdb").attachment.roles == .hibernation)
        #expect(try host.disk("sdc").attachment.roles == .hibernation)
    }

    @Test func crashDumps() throws {
        let host = try host(disks: ["sda", "sdb", "sdc"])
        host.mount("8:1", at: "/", source: "/dev/sda1")
        host.mount("8:17", at: "/var", source: "/dev/sdb1")
        host.file("/sys/kernel/kexec_crash_loaded", "0")
        #expect(try host.disk("sdb").attachment.roles == .inUse)
        host.file("/sys/kernel/kexec_crash_loaded", "1")
        #expect(try host.disk("sdb").attachment.roles == [.inUse, .crashDump])
        host.file("/etc/kdump.conf", "# where to\nraw /dev/sdc1\npath /crash")
        #expect(try host.disk("sdb").attachment.roles == .inUse)
        #expect(try host.disk("sdc").attachment.roles == .crashDump)
        host.file("/etc/kdump.conf", "")
        host.file("/etc/default/kdump-tools", "USE_KDUMP=1\nKDUMP_COREDIR=\"/dumps\"")
        #expect(try host.disk("sda").attachment.roles.contains(.crashDump))
    }

    @Test func nonsenseIsPassedOver() throws {
        let host = try host(disks: ["sda"])
        host.append("/proc/self/mountinfo", "garbage\n30 1 8:1\n30 1 8:1 / / rw - ext4")
        host.append("/proc/swaps", "/dev/nowhere")
        host.file("/proc/cmdline", "root= resume=/dev/none root=UUID=none =x")
        // An array that is its own member.
        host.virtual("md0", number: "9:0", over: ["sda1"])
        host.link("/sys/devices/virtual/block/md0/slaves/md0", to: "/sys/devices/virtual/block/md0")
        host.mount("9:0", at: "/data", source: "/dev/md0")
        #expect(try host.disk("sda").attachment.roles == [.inUse, .pooled])
    }
}
