import ErrorCodes
import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Volumes in a state that only Windows can resolve, and files with properties that are not served.
@Suite(.offThePool, .needs("mkntfs", "ntfscp", "ntfsinfo", "dd"))
struct DirtyVolumeTests {
    @Test func aHibernatedVolumeIsRefused() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        try volume.writeFile(path: "hiberfil.sys", data: Array("hibr".utf8) + [UInt8](repeating: 0, count: 8188))
        try volume.close()
        let again = try bench.open()
        guard case .hibernated = again.mountFailure else {
            Issue.record("\(String(describing: again.mountFailure))")
            return
        }
        #expect(again.fileSystemName == "NTFS")
        let error = #expect(throws: VolumeError.self) { try again.writeFile(path: "a", data: [1]) }
        // ERROR_VOLUME_DIRTY (6851) of winerror.h.
        #expect(error?.hresult.rawValue == 0x8007_1AC3)
    }

    @Test func anUnusedHibernationFileIsNoObstacle() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        try volume.writeFile(path: "hiberfil.sys", data: [UInt8](repeating: 0, count: 8192))
        try volume.close()
        #expect(try bench.open().mountFailure == nil)
    }

    @Test(arguments: [false, true]) func anUncleanLogIsRefused(clean: Bool) throws {
        let bench = try Workbench()
        try bench.copyIn(restartPages(clean: clean), as: "2", options: ["-i"])
        let volume = try bench.open()
        if clean {
            #expect(volume.mountFailure == nil)
            try volume.writeFile(path: "a", data: [1])
            return
        }
        guard case .uncleanLog = volume.mountFailure else {
            Issue.record("\(String(describing: volume.mountFailure))")
            return
        }
        #expect(volume.mountFailure?.hresult.rawValue == 0x8007_1AC3)
        // Reading needs no log.
        let reading = try Volume.open(FileDevice(bench.image.path, isReadOnly: true), partition: bench.image.partition)
        #expect(reading.mountFailure == nil)
    }

    /// A file's attributes, changed on the disk behind everybody's back.
    private func setAttributes(_ bench: Workbench, of name: String, _ attributes: UInt32) throws {
        try bench.changeRecord(of: name) { octets in
            // The first attribute is $STANDARD_INFORMATION; its value holds the attributes at 32.
            let first = Int(octets.littleEndian(UInt16.self, at: 20))
            #expect(octets.littleEndian(UInt32.self, at: first) == 0x10)
            let value = first + Int(octets.littleEndian(UInt16.self, at: first + 20))
            octets.setLittleEndian(attributes, at: value + 32)
        }
    }

    @Test func theReadOnlyAttributeIsHonoured() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        try volume.writeFile(path: "fixed.txt", data: noise(100))
        try volume.close()
        try setAttributes(bench, of: "fixed.txt", 0x21)
        let again = try bench.open()
        try again.verifyFile(path: "fixed.txt", data: noise(100))
        for operation in [
            { try again.writeFile(path: "fixed.txt", data: [1]) }, { try again.deleteFile(path: "fixed.txt") },
        ] {
            let error = #expect(throws: VolumeError.self) { try operation() }
            #expect(error?.hresult == HRESULT(win32: .accessDenied))
        }
        try again.verifyFile(path: "fixed.txt", data: noise(100))
    }

    @Test func reparsePointsAreRefused() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        try volume.writeFile(path: "link.txt", data: noise(100))
        try volume.close()
        try setAttributes(bench, of: "link.txt", 0x420)
        let again = try bench.open()
        for operation in [
            { try again.writeFile(path: "link.txt", data: [1]) }, { try again.deleteFile(path: "link.txt") },
            { _ = try again.readFile(path: "link.txt") },
        ] {
            let error = #expect(throws: VolumeError.self) { try operation() }
            #expect(error?.hresult == HRESULT(win32: .notSupported))
        }
    }

    /// Octets of a log with two restart pages, as [ntfs-3g's logfile.h] describes them; clean or with work left to do.
    private func restartPages(clean: Bool) -> [UInt8] {
        let size: UInt64 = 2 << 20
        var log = [UInt8](repeating: 0xFF, count: Int(size))
        var page = [UInt8](repeating: 0, count: 4096)
        page.setOctets(Array("RSTR".utf8), at: 0)
        page.setLittleEndian(UInt16(30), at: 4)  // update sequence array
        page.setLittleEndian(UInt16(9), at: 6)  // its number and one word a sector
        page.setLittleEndian(UInt32(4096), at: 16)  // system page
        page.setLittleEndian(UInt32(4096), at: 20)  // log page
        page.setLittleEndian(UInt16(0x30), at: 24)  // restart area
        page.setLittleEndian(UInt16(1), at: 26)  // minor version
        page.setLittleEndian(UInt16(1), at: 28)  // major version
        let area = 0x30
        page.setLittleEndian(UInt64(8), at: area)  // current LSN
        page.setLittleEndian(UInt16(1), at: area + 8)  // clients
        page.setLittleEndian(UInt16(clean ? 0 : 0xFFFF), at: area + 10)  // free list
        page.setLittleEndian(UInt16(clean ? 0xFFFF : 0), at: area + 12)  // in-use list
        page.setLittleEndian(UInt16(clean ? 2 : 0), at: area + 14)  // flags: volume is clean
        page.setLittleEndian(UInt32(67 - 22), at: area + 16)  // bits of a sequence number: 67 - those of the size
        page.setLittleEndian(UInt16(0x40 + 160), at: area + 20)  // length
        page.setLittleEndian(UInt16(0x40), at: area + 22)  // client array
        page.setLittleEndian(size, at: area + 24)
        page.setLittleEndian(UInt16(0x30), at: area + 36)  // log record header
        page.setLittleEndian(UInt16(0x40), at: area + 38)  // data offset
        let client = area + 0x40
        page.setLittleEndian(UInt16(0xFFFF), at: client + 16)  // previous
        page.setLittleEndian(UInt16(0xFFFF), at: client + 18)  // next
        page.setLittleEndian(UInt32(8), at: client + 28)
        page.setOctets("NTFS".utf16.flatMap { [UInt8($0), 0] }, at: client + 32)
        // Update sequence number 1 at the end of every sector.
        page.setLittleEndian(UInt16(1), at: 30)
        for sector in 1...8 { page.setLittleEndian(UInt16(1), at: sector * 512 - 2) }
        log.setOctets(page, at: 0)
        log.setOctets(page, at: 4096)
        return log
    }
}
