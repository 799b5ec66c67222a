import Foundation
import Testing

@testable import HostInventory

/// A Linux host's `/sys`, `/proc` and `/dev` in a folder, removed with the value.
final class FakeHost: Sendable {
    let root: String

    init(kernel: String = "6.1.0-13-amd64", commandLine: String = "quiet") throws {
        var template = Array("/tmp/clusprep-host-XXXXXX".utf8CString)
        root = try #require(mkdtemp(&template).map { String(cString: $0) })
        for folder in ["/sys/block", "/sys/class/block", "/dev"] { makeFolder(folder) }
        file("/proc/sys/kernel/osrelease", kernel)
        file("/proc/cmdline", commandLine)
        file("/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority")
        file("/proc/self/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw")
    }

    deinit {
        try? FileManager.default.removeItem(atPath: root)
    }

    func makeFolder(_ path: String) {
        try? FileManager.default.createDirectory(atPath: root + path, withIntermediateDirectories: true)
    }

    /// A file with this text and the line end that the kernel's files have.
    func file(_ path: String, _ text: String) {
        makeFolder((path as NSString).deletingLastPathComponent)
        _ = FileManager.default.createFile(atPath: root + path, contents: Data((text + "\n").utf8))
    }

    func file(_ path: String, octets: [UInt8]) {
        makeFolder((path as NSString).deletingLastPathComponent)
        _ = FileManager.default.createFile(atPath: root + path, contents: Data(octets))
    }

    func append(_ path: String, _ line: String) {
        let old = (try? String(contentsOfFile: root + path, encoding: .utf8)) ?? ""
        file(path, old + line)
    }

    /// A symbolic link, relative as the kernel makes them.
    func link(_ path: String, to target: String) {
        makeFolder((path as NSString).deletingLastPathComponent)
        let depth = path.split(separator: "/").count - 1
        let relative = String(repeating: "../", count: depth) + target.dropFirst()
        try? FileManager.default.createSymbolicLink(atPath: root + path, withDestinationPath: relative)
    }

    /// A block device in this folder of `/sys/devices`.
    func block(
        _ folder: String, number: String, sectors: Int = 2048, removable: Bool = false,
        partitions: [String: String] = [:]
    ) {
        let name = (folder as NSString).lastPathComponent
        file(folder + "/dev", number)
        file(folder + "/size", "\(sectors)")
        file(folder + "/ro", "0")
        file(folder + "/removable", removable ? "1" : "0")
        makeFolder(folder + "/holders")
        makeFolder(folder + "/slaves")
        link("/sys/block/" + name, to: folder)
        link("/sys/class/block/" + name, to: folder)
        file("/dev/" + name, "")
        for (partition, number) in partitions {
            file("\(folder)/\(partition)/partition", "1")
            file("\(folder)/\(partition)/dev", number)
            file("\(folder)/\(partition)/size", "1024")
            makeFolder("\(folder)/\(partition)/holders")
            link("/sys/class/block/" + partition, to: "\(folder)/\(partition)")
            file("/dev/" + partition, "")
        }
    }

    /// A SCSI disk at this address below a host's folder, with what the SCSI layer says of it.
    func scsi(
        _ name: String, host folder: String, address: String, number: String, vendor: String = "EXAMPLE",
        model: String = "DISK", serial: String? = nil, wwid: String? = nil, removable: Bool = false,
        sectors: Int = 2048,
        type: String = "0", partitions: [String: String] = [:]
    ) {
        let parts = address.split(separator: ":")
        let device = "\(folder)/target\(parts[0]):\(parts[1]):\(parts[2])/\(address)"
        block(
            "\(device)/block/\(name)", number: number, sectors: sectors, removable: removable, partitions: partitions)
        link("\(device)/block/\(name)/device", to: device)
        link("\(device)/subsystem", to: "/sys/bus/scsi")
        link("\(device)/driver", to: "/sys/bus/scsi/drivers/sd")
        makeFolder("/sys/bus/scsi/drivers/sd")
        file(device + "/vendor", vendor.padding(toLength: 8, withPad: " ", startingAt: 0))
        file(device + "/model", model.padding(toLength: 16, withPad: " ", startingAt: 0))
        file(device + "/rev", "0001")
        file(device + "/type", type)
        if let wwid { file(device + "/wwid", wwid) }
        if let serial {
            file(device + "/vpd_pg80", octets: [0, 0x80, 0, UInt8(serial.utf8.count)] + Array(serial.utf8))
        }
    }

    /// A PCI function with its driver.
    func pci(_ folder: String, vendor: String, device: String, driver: String) {
        makeFolder("/sys/bus/pci/drivers/" + driver)
        link(folder + "/subsystem", to: "/sys/bus/pci")
        link(folder + "/driver", to: "/sys/bus/pci/drivers/" + driver)
        file(folder + "/vendor", "0x" + vendor)
        file(folder + "/device", "0x" + device)
    }

    /// A map or an array over others.
    func virtual(_ name: String, number: String, over members: [String], uuid: String? = nil, sectors: Int = 2048) {
        let folder = "/sys/devices/virtual/block/" + name
        block(folder, number: number, sectors: sectors)
        if let uuid { file(folder + "/dm/uuid", uuid) } else { file(folder + "/md/level", "raid1") }
        for member in members {
            let target = HostFilesProbe.resolved(root, "/sys/class/block/" + member)
            link("\(folder)/slaves/\(member)", to: target)
            link("\(target)/holders/\(name)", to: folder)
        }
    }

    func mount(_ number: String, at folder: String, source: String, type: String = "ext4") {
        append("/proc/self/mountinfo", "30 1 \(number) / \(folder) rw,relatime shared:1 - \(type) \(source) rw")
    }

    var disks: HostDisks { HostDisks(root: root) }

    func disk(_ name: String) throws -> HostDisk {
        try #require(try disks.list().first { $0.device == "/dev/" + name })
    }
}

/// Following links below a root.
enum HostFilesProbe {
    static func resolved(_ root: String, _ path: String) -> String {
        let absolute = URL(fileURLWithPath: root + path).resolvingSymlinksInPath().path
        let start = URL(fileURLWithPath: root).resolvingSymlinksInPath().path
        return String(absolute.dropFirst(start.count))
    }
}
