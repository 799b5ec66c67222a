import Foundation
import HostInventory
import Testing
import Validation

@testable import clusprep

@Suite struct ValidationCommandTests {
    @Test func whatANodeCallsItselfIsOneLine() {
        let node = ValidationReport.Node("a", hostLabel: "x\ndisk 0\u{1B}[2K", version: "1\n2")
        #expect(ValidationDisplay.words(of: node) == "calls itself x?disk 0?[2K, version 1?2")
    }

    @Test func aUnitThatThisHostHasMountedIsKnown() throws {
        var template = Array("/tmp/clusprep-host-XXXXXX".utf8CString)
        let root = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: root) }
        func file(_ path: String, _ text: String) throws {
            let url = URL(fileURLWithPath: root + path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data((text + "\n").utf8).write(to: url)
        }
        let name = "naa.6001405000000001"
        try file("/sys/block/sdb/dev", "8:16")
        try file("/sys/block/sdb/size", "2048")
        try file("/sys/block/sdb/device/wwid", name)
        try file("/sys/class/block/sdb/dev", "8:16")
        try file("/sys/class/block/sdb/size", "2048")
        try file("/sys/class/block/sdb/device/wwid", name)
        try file("/dev/sdb", "")
        try file("/proc/self/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw")
        let idle = try HostDisks(root: root).list()
        #expect(idle.map(\.worldWideIdentifier) == [name])
        #expect(ValidateStorageCommand.deviceInUse([name], idle) == nil)
        try file("/proc/self/mountinfo", "23 27 8:16 / /srv rw,relatime - ext4 /dev/sdb rw")
        let mounted = try HostDisks(root: root).list()
        #expect(ValidateStorageCommand.deviceInUse([name], mounted) == "/dev/sdb")
        #expect(ValidateStorageCommand.deviceInUse(["naa.6001405000000002"], mounted) == nil)
    }
}
