import ErrorCodes
import Glibc
import Testing

@testable import Reservations

/// Images and state files as they should not be.
@Suite struct ImageTests {
    let image: TemporaryImage

    init() throws {
        image = try TemporaryImage()
    }

    func open(_ path: String) throws -> EmulatedLogicalUnit {
        try EmulatedLogicalUnit(image: path, initiator: .node("node1"))
    }

    func write(_ octets: [UInt8], to path: String, at offset: UInt64 = 0) throws {
        try OpenFile(path, flags: O_RDWR | O_CREAT).write(octets, at: offset)
    }

    func contents(_ path: String) throws -> [UInt8] {
        try OpenFile(path, flags: O_RDONLY).read(at: 0, count: 1 << 20)
    }

    @Test func missingImage() {
        let path = image.folder + "/none.img"
        let error = #expect(throws: EmulatedUnitError.imageMissing(path: path)) { try open(path) }
        #expect(error?.hresult == Win32Error.fileNotFound.hresult)
        #expect(throws: EmulatedUnitError.self) { try open(image.path + "/below") }
        #expect(access(path + ".reservations", F_OK) != 0)
    }

    @Test func thingsThatAreNoFiles() throws {
        let pipe = image.folder + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        for path in [image.folder, pipe, "/dev/null"] {
            #expect(throws: EmulatedUnitError.notARegularFile(path: path)) { try open(path) }
        }
    }

    @Test(arguments: [0, 1, 511, 513, 1023])
    func truncatedImage(length: Int) throws {
        try #require(truncate(image.path, length) == 0)
        let expected = EmulatedUnitError.truncatedImage(path: image.path, octets: UInt64(length), blockSize: 512)
        let error = #expect(throws: expected) { try open(image.path) }
        #expect(error?.hresult == Win32Error.diskCorrupt.hresult)
        // Nothing was made that would make it a disk.
        #expect(access(image.statePath, F_OK) != 0)
    }

    static let foreign: [(String, [UInt8], UInt64)] = [
        ("QCOW", [0x51, 0x46, 0x49, 0xFB], 0), ("VMDK", Array("KDMV".utf8), 0), ("VHDX", Array("vhdxfile".utf8), 0),
        ("VHD", Array("conectix".utf8), 0), ("VHD", Array("conectix".utf8), 63 * 512),
        ("VDI", [0x7F, 0x10, 0xDA, 0xBE], 0x40),
    ]

    @Test(arguments: foreign.indices)
    func foreignImage(index: Int) throws {
        let (format, magic, offset) = Self.foreign[index]
        try write(magic, to: image.path, at: offset)
        #expect(throws: EmulatedUnitError.foreignImage(path: image.path, format: format)) { try open(image.path) }
    }

    @Test func nodesMayWriteAnything() throws {
        _ = try open(image.path)
        try write(Array("conectix".utf8), to: image.path)
        _ = try open(image.path)
    }

    @Test func resizedImage() throws {
        let unit = try image.settledUnit()
        for blocks in [63, 65] {
            try #require(truncate(image.path, blocks * 512) == 0)
            #expect(
                throws: EmulatedUnitError.imageResized(
                    path: image.path, recorded: 64 * 512, actual: UInt64(blocks * 512))
            ) { try open(image.path) }
            // The unit that is open serves no blocks, and a write does not make the image longer.
            let range = SCSICommand.BlockRange(first: 63, count: 1)
            for command in [SCSICommand.read(range, form: .ten), .testUnitReady] {
                #expect(unit.send(command).sense?.code == .manualInterventionRequired)
            }
            let write = unit.send(
                .write(range, form: .ten, forceUnitAccess: false), [UInt8](repeating: 1, count: 512))
            #expect(write.sense?.key == .notReady)
        }
        try #require(truncate(image.path, 64 * 512) == 0)
        #expect(unit.send(.testUnitReady).status == .good)
    }

    /// What a unit may still do when its image is gone, and what it must not.
    private func expectGone(_ unit: EmulatedLogicalUnit, _ code: AdditionalSenseCode) {
        let range = SCSICommand.BlockRange(first: 0, count: 1)
        let commands: [(SCSICommand, [UInt8])] = [
            (.testUnitReady, []), (.read(range, form: .ten), []),
            (.write(range, form: .ten, forceUnitAccess: false), [UInt8](repeating: 1, count: 512)),
            (.synchronizeCache(range, isSixteenOctets: false), []),
        ]
        for (command, data) in commands {
            let sense = unit.send(command, data).sense
            #expect(sense?.key == .notReady, "\(command)")
            #expect(sense?.code == code, "\(command)")
        }
        #expect(unit.reserveOut(.reserve, key: 1, type: .exclusiveAccess).sense?.code == code)
        #expect(unit.send(.persistentReserveIn(.readKeys, allocationLength: 8)).status == .good)
    }

    @Test func removedImage() throws {
        let unit = try image.settledUnit()
        unit.mustReserveOut(.register, to: 1)
        try #require(link(image.path, image.folder + "/second.img") == 0)
        try #require(unlink(image.path) == 0)
        expectGone(unit, .mediumNotPresent)
        #expect(throws: EmulatedUnitError.imageMissing(path: image.path)) { try open(image.path) }
        // The very file comes back.
        try #require(rename(image.folder + "/second.img", image.path) == 0)
        #expect(unit.send(.testUnitReady).status == .good)
        unit.mustReserveOut(.reserve, key: 1, type: .exclusiveAccess)
        // With the disk gone, its owner can still give it up.
        try #require(unlink(image.path) == 0)
        unit.mustReserveOut(.release, key: 1, type: .exclusiveAccess)
        unit.mustReserveOut(.register, key: 1)
    }

    /// A copy that is as long as the image, put in its place as a backup program does.
    @Test func replacedImage() throws {
        let unit = try image.settledUnit()
        unit.mustReserveOut(.register, to: 1)
        let copy = image.folder + "/copy.img"
        try write([UInt8](repeating: 0, count: 64 * 512), to: copy)
        try #require(rename(copy, image.path) == 0)
        expectGone(unit, .manualInterventionRequired)
        // Who opens it anew serves the new one.
        #expect(try image.settledUnit(2).send(.testUnitReady).status == .good)
    }

    @Test(arguments: [(ENOSPC, Win32Error.diskFull), (EDQUOT, .diskFull), (EIO, .writeFault)])
    func hostThatCannotWrite(number: Int32, expected: Win32Error) throws {
        let result = SCSIResult(writeFailure: FileError("write", image.path, number), at: 7)
        #expect(result.status == .checkCondition)
        let sense = try #require(result.sense)
        #expect(SCSIError.checkCondition(sense).win32 == expected)
    }

    @Test func readOnlyImage() throws {
        try #require(chmod(image.path, 0o444) == 0)
        let unit = try open(image.path)
        let disk = try Disk(transport: unit)
        #expect(disk.isReadOnly)
        #expect(unit.isReadOnly)
        #expect(try disk.read(block: 0, count: 1).count == 512)
        let error = #expect(throws: SCSIError.self) { try disk.write(block: 0, [UInt8](repeating: 1, count: 512)) }
        #expect(error?.win32 == .writeProtect)
        // Reservations do not need the medium.
        try disk.registerIgnoringExistingKey(key(1))
        try disk.reserve(key: key(1), type: .writeExclusive)
        // Another's reservation comes before the protection.
        let other = try image.disk(2)
        let conflict = #expect(throws: SCSIError.self) { try other.write(block: 0, [UInt8](repeating: 1, count: 512)) }
        #expect(conflict?.win32 == .busy)
    }

    // MARK: The state file

    @Test func damagedStateIsReportedAndKept() throws {
        let unit = try image.settledUnit()
        unit.mustReserveOut(.register, to: 1)
        let good = try contents(image.statePath)
        let header = try StateFileHeader(Array(good.prefix(512)), path: "")
        for offset in [
            0, 16, 20, 24, 35, 39, 100, 508, Int(header.offset), Int(header.offset) + Int(header.length) - 1,
        ] {
            try write([good[offset] ^ 0x10], to: image.statePath, at: UInt64(offset))
            let damaged = try contents(image.statePath)
            let error = #expect(throws: EmulatedUnitError.self, "octet \(offset)") { try open(image.path) }
            #expect(error?.hresult == Win32Error.fileCorrupt.hresult, "octet \(offset)")
            // A unit that has cached the state need not look at the slot, but never changes what is damaged.
            if offset < 512 {
                #expect(unit.send(.testUnitReady).sense?.code == .manualInterventionRequired, "octet \(offset)")
                #expect(unit.reserveOut(.register, key: 1, to: 2).sense?.key == .notReady, "octet \(offset)")
            }
            #expect(try contents(image.statePath) == damaged, "octet \(offset)")
            try write([good[offset]], to: image.statePath, at: UInt64(offset))
        }
        #expect(unit.send(.testUnitReady).status == .good)
        #expect(try open(image.path).identifier == unit.identifier)
    }

    @Test func stateThatMakesNoSenseIsDamage() throws {
        let unit = try image.settledUnit()
        unit.mustReserveOut(.register, to: 1)
        let good = try contents(image.statePath)
        let header = try StateFileHeader(Array(good.prefix(512)), path: "")
        let state = Array(good[Int(header.offset)..<Int(header.offset) + Int(header.length)])
        let text = String(decoding: state, as: UTF8.self)
        let forgeries = [
            "", "{}", "[]", text.replacing("\"key\":1", with: "\"key\":0"),
            text.replacing("\"registrations\":[", with: "\"reservation\":{\"type\":1},\"registrations\":["),
            text.replacing("\"registrations\":[", with: "\"reservation\":{\"type\":2},\"registrations\":["),
        ]
        for forgery in forgeries {
            let octets = Array(forgery.utf8)
            let next = header.next(octets)
            try write(octets, to: image.statePath, at: next.offset)
            try write(next.octets, to: image.statePath)
            #expect(throws: EmulatedUnitError.self, "\(forgery)") { try open(image.path) }
            #expect(unit.send(.testUnitReady).sense?.key == .notReady, "\(forgery)")
        }
    }

    @Test func emptyOrShortStateIsDamage() throws {
        _ = try image.unit()
        for length in [0, 1, 511, 512, 4096] {
            try #require(truncate(image.statePath, length) == 0)
            #expect(throws: EmulatedUnitError.self) { try open(image.path) }
        }
    }

    @Test func laterFormatIsLeftAlone() throws {
        _ = try image.unit()
        var header = Array(try contents(image.statePath).prefix(512))
        header.set(UInt32(2), at: 16)
        header.set(CRC32C.checksum(header.dropLast(4)), at: 508)
        try write(header, to: image.statePath)
        #expect(throws: EmulatedUnitError.stateVersion(path: image.statePath, version: 2)) { try open(image.path) }
    }

    @Test func removedStateStopsTheUnit() throws {
        let unit = try image.settledUnit()
        unit.mustReserveOut(.register, to: 1)
        try #require(unlink(image.statePath) == 0)
        #expect(unit.send(.testUnitReady).sense?.code == .manualInterventionRequired)
        // The image becomes a disk anew, and another one.
        #expect(try open(image.path).identifier != unit.identifier)
        #expect(unit.send(.testUnitReady).sense?.key == .notReady)
    }

    @Test func folderThatTakesNoState() throws {
        try #require(mkdir(image.statePath, 0o700) == 0)
        defer { rmdir(image.statePath) }
        #expect(throws: EmulatedUnitError.self) { try open(image.path) }
    }

    @Test func stateIsPrivate() throws {
        _ = try image.unit()
        #expect(try OpenFile(image.statePath, flags: O_RDONLY).status().st_mode & 0o777 == 0o600)
        #expect(try TemporaryImage.names(in: image.folder).sorted() == ["disk.img", "disk.img.reservations"])
    }

    // MARK: Power loss

    @Test(arguments: [true, false])
    func anotherBootIsAPowerLoss(persists: Bool) throws {
        let unit = try image.settledUnit(1, boot: "boot 1")
        unit.mustReserveOut(.register, to: 1, flags: persists ? 1 : 0)
        unit.mustReserveOut(.reserve, key: 1, type: .exclusiveAccess)
        // Closing and opening within the same boot loses nothing.
        let again = try Disk(transport: image.unit(2, boot: "boot 1"))
        #expect(try again.readReservation() == .init(generation: 1, holder: .init(key: key(1), type: .exclusiveAccess)))

        let later = try Disk(transport: image.unit(2, boot: "boot 2"))
        #expect(try later.readKeys() == .init(generation: 0, keys: persists ? [key(1)] : []))
        #expect(
            try later.readReservation().holder == (persists ? .init(key: key(1), type: .exclusiveAccess) : nil))
        #expect(try later.reservationCapabilities().persistThroughPowerLossActivated == persists)
        #expect(try Disk(transport: image.unit(3, boot: "boot 2")).readKeys().generation == 0)
    }
}
