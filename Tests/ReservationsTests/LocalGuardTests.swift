import Testing

@testable import Reservations

@Suite struct LocalGuardTests {
    /// Every operation code, with every service action where it has some: what the guard lets through is what this list says.
    @Test func onlyWhatReadsIsLetThrough() throws {
        let image = try TemporaryImage()
        let cable = CablePath(try image.settledUnit(), name: "disk")
        let guarded = GuardedTransport(cable)
        let always: Set<UInt8> = [0x00, 0x03, 0x08, 0x12, 0x1A, 0x25, 0x28, 0x4D, 0x5A, 0x5E, 0x88, 0xA0, 0xA8]
        for code in 0...UInt8.max {
            for action in 0..<UInt8(32) {
                var cdb = [UInt8](repeating: 0, count: 16)
                cdb[0] = code
                cdb[1] = action
                let reads =
                    always.contains(code) && (code != 0x4D || action & 1 == 0)
                    || code == 0x9E && [0x10, 0x12].contains(action) || code == 0xA3 && [0x0A, 0x0C].contains(action)
                _ = cable.takeLog()
                let isRefused: Bool
                do {
                    _ = try guarded.execute(cdb: cdb, dataOut: [], dataInLength: 512)
                    isRefused = false
                } catch SCSIError.protected(let name) {
                    #expect(name == "disk")
                    isRefused = true
                }
                #expect(isRefused != reads, "\(code) \(action)")
                #expect(cable.takeLog().count == (reads ? 1 : 0))
            }
        }
    }

    @Test func nothingIsSentToTheDisk() throws {
        let image = try TemporaryImage()
        let guarded = GuardedTransport(try image.unit())
        for cdb in [[], [0x5E], [0x9E], [0xA3], [0x12, 0, 0, 0, 36, 0]] as [[UInt8]] {
            #expect(throws: SCSIError.self) { try guarded.execute(cdb: cdb, dataOut: [1], dataInLength: 0) }
        }
        for cdb in [[], [0x9E], [0xA3], [0x4D]] as [[UInt8]] {
            #expect(throws: SCSIError.self) { try guarded.execute(cdb: cdb, dataOut: [], dataInLength: 0) }
        }
    }

    @Test func aGuardedDiskCanBeDescribedAndRead() throws {
        let image = try TemporaryImage()
        let disk = try Disk(transport: GuardedTransport(try image.unit()))
        #expect(disk.blockCount == 64)
        #expect(try disk.serialNumber() != "")
        #expect(try disk.identifiers().isEmpty == false)
        #expect(try disk.readKeys().keys == [])
        #expect(try disk.read(block: 0, count: 1) == [UInt8](repeating: 0, count: 512))
        for body in [
            { try disk.write(block: 0, [UInt8](repeating: 1, count: 512)) },
            { try disk.registerIgnoringExistingKey(key(1)) }, { try disk.flush() },
        ] {
            #expect {
                try body()
            } throws: { error in
                guard case SCSIError.protected = error else { return false }
                return (error as? SCSIError)?.hresult.rawValue == 0x8007_0005
            }
        }
    }
}
