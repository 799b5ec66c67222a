import Glibc
import Reservations
import Testing

@testable import HostInventory

/// What kinds of disks there are and how they hang on the host.
@Suite struct HostDisksTests {
    @Test func aVirtualMachineWithVirtioDisks() throws {
        let host = try FakeHost(commandLine: "root=/dev/vda1 console=ttyS0")
        for (name, number, slot) in [("vda", "254:0", "02"), ("vdb", "254:16", "03")] {
            let pci = "/sys/devices/pci0000:00/0000:00:\(slot).0"
            host.pci(pci, vendor: "1af4", device: "1042", driver: "virtio-pci")
            let virtio = "\(pci)/virtio\(slot.dropFirst())"
            host.makeFolder("/sys/bus/virtio/drivers/virtio_blk")
            host.link(virtio + "/driver", to: "/sys/bus/virtio/drivers/virtio_blk")
            host.link(virtio + "/subsystem", to: "/sys/bus/virtio")
            host.block(
                "\(virtio)/block/\(name)", number: number, sectors: 4096,
                partitions: name == "vda" ? ["vda1": "254:1"] : [:])
            host.link("\(virtio)/block/\(name)/device", to: virtio)
            host.file("\(virtio)/block/\(name)/serial", "serial-" + name)
        }
        host.block("/sys/devices/virtual/block/loop0", number: "7:0")
        host.block("/sys/devices/virtual/block/zram0", number: "253:0")
        host.block("/sys/devices/virtual/block/ram0", number: "1:0")
        host.mount("254:1", at: "/", source: "/dev/root")
        #expect(try host.disks.list().map(\.device) == ["/dev/vda", "/dev/vdb"])
        let system = try host.disk("vda")
        #expect(system.attachment.bus == .virtual)
        #expect(system.attachment.adapter == "virtio_blk (PCI 1af4:1042)")
        #expect(system.attachment.address == nil)
        #expect(system.attachment.paths == 1)
        #expect(!system.attachment.isMultipath)
        #expect(system.attachment.roles == [.system, .boot, .systemBus])
        #expect(system.attachment.roles.isProtected)
        #expect(system.serial == "serial-vda")
        #expect(system.size == 4096 * 512)
        // Every virtio disk is an adapter of its own.
        #expect(try host.disk("vdb").attachment.roles == [])
        #expect(
            try HostDisks(root: host.root, includesLoopDevices: true).list().map(\.device) == [
                "/dev/vda", "/dev/vdb", "/dev/loop0",
            ])
    }

    @Test func aServerWithSASDisksAndMultipath() throws {
        let host = try FakeHost()
        let ahci = "/sys/devices/pci0000:00/0000:00:1f.2"
        host.pci(ahci, vendor: "8086", device: "a102", driver: "ahci")
        host.file("/sys/class/scsi_host/host2/proc_name", "ahci")
        host.scsi(
            "sdd", host: ahci + "/ata1/host2", address: "2:0:0:0", number: "8:48", vendor: "ATA", model: "SSD",
            serial: "  S1D2", partitions: ["sdd1": "8:49", "sdd2": "8:50"])
        host.scsi("sde", host: ahci + "/ata2/host3", address: "3:0:0:0", number: "8:64")
        for (index, slot) in ["0000:3b:00.0", "0000:86:00.0"].enumerated() {
            let pci = "/sys/devices/pci0000:3a/\(slot)"
            host.pci(pci, vendor: "1000", device: "0097", driver: "mpt3sas")
            host.file("/sys/class/scsi_host/host\(index)/proc_name", "mpt3sas")
            host.file("/sys/class/scsi_host/host\(index)/board_name", "SAS9300-8e")
            let port = "\(pci)/host\(index)/port-\(index):0/end_device-\(index):0"
            for unit in 0...1 {
                host.scsi(
                    index == 0 ? ["sda", "sdb"][unit] : ["sdc", "sdf"][unit], host: port,
                    address: "\(index):0:5:\(unit)", number: "8:\(index * 16 + unit * 80)", vendor: "VENDOR",
                    model: "Array", serial: "UNIT\(unit)", wwid: "naa.600a0b80001234560000000\(unit)5a5a5a5a")
            }
        }
        host.virtual("dm-0", number: "253:0", over: ["sda", "sdc"], uuid: "mpath-3600a0b800012345600000000")
        host.virtual("dm-1", number: "253:1", over: ["sdb", "sdf"], uuid: "mpath-3600a0b800012345600000001")
        // A map of the first partition of the second unit, mounted.
        host.virtual("dm-2", number: "253:2", over: ["dm-1"], uuid: "part1-mpath-3600a0b800012345600000001")
        host.mount("8:50", at: "/", source: "/dev/sdd2")
        host.mount("8:49", at: "/boot/efi", source: "/dev/sdd1", type: "vfat")
        host.mount("253:2", at: "/data", source: "/dev/mapper/mpathb1")

        #expect(try host.disks.list().map(\.device) == ["/dev/sdd", "/dev/sde", "/dev/dm-0", "/dev/dm-1"])
        let shared = try host.disk("dm-0")
        #expect(shared.members == ["/dev/sda", "/dev/sdc"])
        #expect(shared.attachment.paths == 2)
        #expect(shared.attachment.isMultipath)
        #expect(shared.attachment.bus == .sas)
        #expect(shared.attachment.address == .init(port: 0, bus: 0, target: 5, unit: 0))
        #expect(shared.attachment.adapter == "SAS9300-8e (mpt3sas)")
        #expect(shared.attachment.roles == [])
        #expect([shared.vendor, shared.model, shared.serial, shared.revision] == ["VENDOR", "Array", "UNIT0", "0001"])
        #expect(shared.worldWideIdentifier == "naa.600a0b8000123456000000005a5a5a5a")
        #expect(try host.disk("dm-1").attachment.roles == .inUse)
        let system = try host.disk("sdd")
        #expect(system.attachment.bus == .sata)
        #expect(system.attachment.adapter == "ahci (PCI 8086:a102)")
        #expect(system.attachment.roles == [.system, .boot, .systemBus])
        #expect(system.serial == "S1D2")
        // On the other port of the same controller.
        #expect(try host.disk("sde").attachment.roles == .systemBus)
        #expect(try !host.disk("sde").attachment.roles.isProtected)
    }

    /// A SCSI generic device is another name of its disk.
    @Test func genericDevicesAreTheirDisks() throws {
        let host = try FakeHost()
        host.scsi(
            "sda", host: "/sys/devices/platform/host0", address: "0:0:0:0", number: "8:0", partitions: ["sda1": "8:1"])
        let device = "/sys/devices/platform/host0/target0:0:0/0:0:0:0"
        host.file("/dev/sg0", "")
        host.makeFolder("/sys/class/scsi_generic/sg0")
        host.link("/sys/class/scsi_generic/sg0/device", to: device)
        host.file("/dev/sg1", "")
        host.makeFolder("/sys/class/scsi_generic/sg1/device")
        host.mount("8:1", at: "/", source: "/dev/sda1")
        #expect(host.disks.device(of: "/dev/sg0") == "/dev/sda")
        #expect(try host.disks.roles(of: "/dev/sg0").isProtected)
        #expect(host.disks.device(of: "/dev/sg1") == nil)
        #expect(try host.disks.roles(of: "/dev/sg1") == [])
    }

    /// Where nobody says what is mounted, every disk may be.
    @Test func withoutMountsNothingIsSaid() throws {
        let host = try FakeHost()
        host.scsi("sda", host: "/sys/devices/platform/host0", address: "0:0:0:0", number: "8:0")
        #expect(try host.disks.roles(of: "/dev/sda") == [])
        unlink(host.root + "/proc/self/mountinfo")
        #expect(throws: HostInventoryError.self) { try host.disks.roles(of: "/dev/sda") }
        #expect(throws: HostInventoryError.self) { try host.disks.list() }
    }

    @Test func namespacesWithNativeMultipath() throws {
        let host = try FakeHost()
        let subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0"
        host.file(subsystem + "/model", "Shared Array")
        host.file(subsystem + "/serial", "ARRAY1")
        host.file(subsystem + "/firmware_rev", "1.0")
        host.makeFolder("/sys/class/nvme-subsystem")
        host.link(subsystem + "/subsystem", to: "/sys/class/nvme-subsystem")
        for index in 0...1 {
            let controller = "/sys/devices/virtual/nvme-fabrics/ctl/nvme\(index)"
            host.file(controller + "/transport", "tcp")
            host.makeFolder("/sys/class/nvme")
            host.link("/sys/class/nvme/nvme\(index)", to: controller)
            host.link(subsystem + "/nvme\(index)", to: controller)
            host.link(controller + "/subsystem", to: "/sys/class/nvme")
            let path = "\(controller)/nvme0c\(index)n1"
            host.block(path, number: "259:\(index)", sectors: 8192)
            host.file(path + "/hidden", "1")
            host.link(path + "/device", to: controller)
        }
        let head = subsystem + "/nvme0n1"
        host.block(head, number: "259:2", sectors: 8192)
        host.link(head + "/device", to: subsystem)
        host.file(head + "/nsid", "1")
        host.file(head + "/wwid", "uuid.12345678-1234-1234-1234-123456789abc")
        let pci = "/sys/devices/pci0000:00/0000:01:00.0"
        host.pci(pci, vendor: "144d", device: "a80a", driver: "nvme")
        let local = pci + "/nvme/nvme2"
        host.link(local + "/subsystem", to: "/sys/class/nvme")
        host.link("/sys/class/nvme/nvme2", to: local)
        host.file(local + "/transport", "pcie")
        host.file(local + "/model", "Example SSD")
        host.file(local + "/serial", "S2")
        host.block(local + "/nvme2n1", number: "259:3", partitions: ["nvme2n1p2": "259:4"])
        host.link(local + "/nvme2n1/device", to: local)
        host.block(local + "/nvme2n2", number: "259:5")
        host.link(local + "/nvme2n2/device", to: local)
        host.mount("259:4", at: "/", source: "/dev/nvme2n1p2")

        #expect(try host.disks.list().map(\.device) == ["/dev/nvme0n1", "/dev/nvme2n1", "/dev/nvme2n2"])
        let shared = try host.disk("nvme0n1")
        #expect(shared.attachment.bus == .nvme)
        #expect(shared.attachment.paths == 2)
        #expect(shared.attachment.isMultipath)
        #expect(shared.attachment.adapter == "Shared Array (NVM Express over TCP)")
        #expect(shared.attachment.address == .init(port: 0, unit: 0))
        #expect(shared.attachment.roles == [])
        #expect(shared.serial == "ARRAY1")
        let system = try host.disk("nvme2n1")
        #expect(system.attachment.adapter == "Example SSD (NVM Express over PCI Express)")
        #expect(system.attachment.paths == 1)
        #expect(system.attachment.roles == [.system, .boot, .systemBus])
        #expect(try host.disk("nvme2n2").attachment.roles == .systemBus)
        #expect(try host.disk("nvme2n2").attachment.address == .init(port: 2, unit: 1))
    }

    @Test func sessionsOfOpenISCSIFibreChannelAndUSB() throws {
        let host = try FakeHost()
        host.file("/sys/class/scsi_host/host3/proc_name", "iscsi_tcp")
        host.scsi(
            "sda", host: "/sys/devices/platform/host3/session1", address: "3:0:0:1", number: "8:0", vendor: "LIO-ORG",
            model: "disk0")
        let fibre = "/sys/devices/pci0000:00/0000:05:00.0"
        host.pci(fibre, vendor: "1077", device: "2261", driver: "qla2xxx")
        host.file("/sys/class/scsi_host/host4/proc_name", "qla2xxx")
        host.file("/sys/class/scsi_host/host4/model_desc", "QLogic 16Gb 2-port FC to PCIe Gen3")
        host.scsi("sdb", host: fibre + "/host4/rport-4:0-2", address: "4:0:300:257", number: "8:16")
        let usb = "/sys/devices/pci0000:00/0000:00:14.0"
        host.pci(usb, vendor: "8086", device: "a12f", driver: "xhci_hcd")
        let interface = usb + "/usb2/2-1/2-1:1.0"
        host.makeFolder("/sys/bus/usb/drivers/uas")
        host.link(interface + "/driver", to: "/sys/bus/usb/drivers/uas")
        host.link(interface + "/subsystem", to: "/sys/bus/usb")
        host.file("/sys/class/scsi_host/host5/proc_name", "uas")
        host.scsi("sdc", host: interface + "/host5", address: "5:0:0:0", number: "8:32", removable: true)
        // A card reader without a card, a CD drive, an enclosure with a block device nobody reads.
        host.scsi("sdd", host: interface + "/host5", address: "5:0:0:1", number: "8:48", removable: true, sectors: 0)
        host.scsi("sr0", host: interface + "/host5", address: "5:0:0:2", number: "11:0", type: "5")
        host.scsi("sde", host: interface + "/host5", address: "5:0:0:3", number: "8:64", type: "13")
        let raid = "/sys/devices/pci0000:00/0000:06:00.0"
        host.pci(raid, vendor: "1000", device: "005d", driver: "megaraid_sas")
        host.file("/sys/class/scsi_host/host6/proc_name", "megaraid_sas")
        host.scsi("sdf", host: raid + "/host6", address: "6:2:1:0", number: "8:80")
        host.file("/sys/class/scsi_host/host7/proc_name", "pata_via")
        host.scsi("sdg", host: "/sys/devices/pci0000:00/0000:00:07.1/ata9/host7", address: "7:0:0:0", number: "8:96")

        let disks = try host.disks.list()
        #expect(disks.map(\.device) == ["a", "b", "c", "f", "g"].map { "/dev/sd" + $0 })
        #expect(disks.map(\.attachment.bus) == [.iSCSI, .fibreChannel, .usb, .raid, .ata])
        #expect(
            disks.map(\.attachment.adapter) == [
                "iSCSI initiator (open-iscsi, iscsi_tcp)", "QLogic 16Gb 2-port FC to PCIe Gen3 (qla2xxx)",
                "uas (PCI 8086:a12f)", "megaraid_sas (PCI 1000:005d)", "pata_via",
            ])
        // Each part is cut to its octet: 300 is 44, 257 is 1.
        #expect(disks[1].attachment.address == .init(port: 4, bus: 0, target: 44, unit: 1))
        #expect(disks.map(\.isRemovable) == [false, false, true, false, false])
    }

    @Test func memoryCardsAndOddNames() throws {
        let host = try FakeHost()
        for (index, type) in ["MMC", "SD"].enumerated() {
            let card = "/sys/devices/platform/sdhci.\(index)/mmc_host/mmc\(index)/mmc\(index):0001"
            host.makeFolder("/sys/bus/mmc/drivers/mmcblk")
            host.link(card + "/driver", to: "/sys/bus/mmc/drivers/mmcblk")
            host.link(card + "/subsystem", to: "/sys/bus/mmc")
            host.file(card + "/type", type)
            host.file(card + "/name", "CARD\(index)")
            host.block("\(card)/block/mmcblk\(index)", number: "179:\(index * 8)")
            host.link("\(card)/block/mmcblk\(index)/device", to: card)
        }
        host.block("/sys/devices/platform/sdhci.0/mmcblk0boot0", number: "179:64")
        host.block("/sys/devices/pci0000:00/cciss!c0d0", number: "104:0")
        let disks = try host.disks.list()
        #expect(disks.map(\.device) == ["/dev/mmcblk0", "/dev/mmcblk1", "/dev/cciss/c0d0"])
        #expect(disks.map(\.attachment.bus) == [.mmc, .sd, .unknown])
        #expect(disks[0].model == "CARD0")
    }

    @Test func namesAreSortedAsPeopleCount() throws {
        let host = try FakeHost()
        for (index, name) in ["sdz", "sdaa", "sdb"].enumerated() {
            host.scsi(name, host: "/sys/devices/host\(index)", address: "\(index):0:0:0", number: "8:\(index)")
        }
        #expect(try host.disks.list().map(\.device) == ["/dev/sdb", "/dev/sdz", "/dev/sdaa"])
    }

    @Test func aHostWithoutSysfsSaysSo() throws {
        #expect(throws: HostInventoryError.unavailable(path: "/nowhere/sys/block")) {
            try HostDisks(root: "/nowhere").list()
        }
    }

    @Test(.enabled(if: HostFiles().exists("/sys/block/vda"), "this machine has no virtio disk vda"))
    func thisMachine() throws {
        let disk = try #require(try HostDisks().list().first { $0.device == "/dev/vda" })
        #expect(disk.attachment.bus == .virtual)
        #expect(disk.attachment.adapter.hasPrefix("virtio_blk"))
        #expect(disk.size > 0)
        #expect(try HostDisks().roles(of: "/dev/vda") == disk.attachment.roles)
        #expect(try HostDisks().roles(of: "/dev/null") == [])
    }
}
