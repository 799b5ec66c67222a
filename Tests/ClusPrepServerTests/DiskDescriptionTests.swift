import Reservations
import TestSupport
import Testing
import Volumes

/// What becomes of what a disk says: each flag of [MS-CSVP] 2.2.5 that this project sets, with the case next to it that does not.
struct DiskDescriptionTests {
    static let naa = DeviceIdentifier(
        codeSet: 1, association: .logicalUnit, kind: .naa, value: [0x50, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0xAB])
    static let name = DeviceIdentifier(
        codeSet: 3, association: .logicalUnit, kind: .scsiName, value: Array("iqn.x:disk\0\0".utf8))
    static let eui = DeviceIdentifier(
        codeSet: 1, association: .logicalUnit, kind: .eui64, value: [1, 2, 3, 4, 5, 6, 7, 8])

    /// A disk that could be clustered, changed by the body.
    private func look(
        number: UInt32 = 0, _ change: (inout ScriptedUnit.Script) -> Void = { _ in }
    ) throws -> DiskDescription {
        let unit = ScriptedUnit()
        unit.change { script in
            script.pages[0x83] = Self.naa.octets
            script.pages[0x80] = Array(" SERIAL ".utf8)
            script.setMasterBootRecord(signature: 0x1234_5678)
            change(&script)
        }
        return .of(try Disk(transport: unit), number: number, path: "scripted")
    }

    @Test func aSoundDisk() throws {
        let disk = try look()
        #expect(disk.flags == [.styleMBR, .basic])
        #expect(disk.isClusterable)
        #expect(disk.obstacles.isEmpty)
        #expect(disk.signature == 0x1234_5678)
        #expect(disk.friendlyName == "ACME SCRIPTED DISK")
        #expect(disk.serialNumber == "SERIAL")
        #expect(disk.page83ID == "50010203040506AB")
        #expect(disk.size == 4 << 20)
        #expect(disk.pathCount == 1)
        #expect(disk.problem == nil)
    }

    // MARK: Attachment

    @Test(arguments: DiskAttachment.Bus.allCases)
    func buses(_ bus: DiskAttachment.Bus) throws {
        let disk = try look { $0.attachment.bus = bus }
        let clusterable: Set<DiskAttachment.Bus> = [
            .fibreChannel, .iSCSI, .sas, .virtual, .fileBackedVirtual, .spaces, .nvme,
        ]
        #expect(disk.flags.contains(.busUnsupported) == !clusterable.contains(bus))
        #expect(disk.isClusterable == clusterable.contains(bus))
    }

    @Test(
        arguments: [
            (.boot, .boot), (.system, .system), (.pagefile, .pagefile), (.hibernation, .hibernation),
            (.crashDump, .crashDump), (.inUse, .clusterUnsupported), (.pooled, .clusterUnsupported),
        ] as [(DiskAttachment.Roles, DiskFlags)])
    func roles(_ role: DiskAttachment.Roles, _ flag: DiskFlags) throws {
        let disk = try look { $0.attachment.roles = role }
        #expect(disk.flags == [.styleMBR, .basic, flag])
        #expect(!disk.isClusterable)
    }

    @Test func theSystemsBusIsNoObstacle() throws {
        let disk = try look { $0.attachment.roles = .systemBus }
        #expect(disk.flags == [.styleMBR, .basic, .systemBus])
        #expect(disk.isClusterable)
    }

    @Test func multipath() throws {
        let one = try look { $0.attachment.isMultipath = true }
        #expect(one.flags.contains(.multipath))
        let two = try look {
            $0.attachment.isMultipath = true
            $0.attachment.paths = 2
        }
        #expect(two.flags == [.styleMBR, .basic, .multipath])
        #expect(two.isClusterable)
        #expect(two.pathCount == 2)
    }

    // MARK: Tables

    @Test func styles() throws {
        let unsigned = try look { $0.setMasterBootRecord(signature: 0) }
        #expect(unsigned.flags == [.styleMBR, .basic])
        #expect(unsigned.signature == nil)
        let dynamic = try look { $0.setMasterBootRecord(signature: 1, type: 0x42) }
        #expect(dynamic.flags == [.styleMBR, .dynamic])
        #expect(dynamic.obstacles == ["it is a dynamic disk"])
        let raw = try look { $0.blocks = [:] }
        #expect(raw.flags == [.styleRaw])
        #expect(raw.isClusterable)
    }

    @Test func unreadable() throws {
        let sense = SenseData(key: .mediumError, code: .unrecoveredReadError)
        let disk = try look { $0.answers[0x28] = SCSIResult(status: .checkCondition, sense: sense) }
        #expect(disk.flags == [.unreadable])
        #expect(!disk.isClusterable)
        #expect(disk.problem?.isEmpty == false)
    }

    // MARK: What the unit can

    @Test func removableMedium() throws {
        #expect(try look { $0.inquiry.isRemovable = true }.flags == [.styleMBR, .basic, .removable])
    }

    @Test func writeProtection() throws {
        let disk = try look { $0.isWriteProtected = true }
        #expect(disk.flags == [.styleMBR, .basic, .clusterUnsupported])
        #expect(disk.isReadOnly)
    }

    @Test func reservations() throws {
        let without = try look { $0.answers[0x5E] = ScriptedUnit.refusal(.invalidOperationCode) }
        #expect(without.flags == [.styleMBR, .basic, .clusterUnsupported])
        // It answers, so it knows the command.
        let busy = try look { $0.answers[0x5E] = SCSIResult(status: .reservationConflict) }
        #expect(busy.flags == [.styleMBR, .basic])
    }

    // MARK: Page 83h and 80h

    @Test func identifiersOfNoUse() throws {
        let vendor = DeviceIdentifier(codeSet: 2, association: .logicalUnit, kind: .t10Vendor, value: Array("A".utf8))
        var port = Self.naa
        port.association = .targetPort
        for page in [nil, [], vendor.octets, port.octets] {
            let disk = try look { $0.pages[0x83] = page }
            #expect(disk.flags == [.styleMBR, .basic, .noDeviceIdentifier])
            #expect(disk.page83ID == nil)
            #expect(!disk.isClusterable)
        }
    }

    @Test func precedenceOfIdentifiers() throws {
        func id(_ identifiers: DeviceIdentifier...) throws -> String? {
            try look { $0.pages[0x83] = identifiers.flatMap(\.octets) }.page83ID
        }
        #expect(try id(Self.eui, Self.naa, Self.name) == "iqn.x:disk")
        #expect(try id(Self.eui, Self.naa) == "50010203040506AB")
        #expect(try id(Self.eui) == "0102030405060708")
    }

    @Test func aPageThatRunsOverItsEnd() throws {
        let disk = try look { $0.pages[0x83] = Array(Self.naa.octets.dropLast()) }
        #expect(disk.flags == [.styleMBR, .basic, .failingIO, .noDeviceIdentifier])
        #expect(disk.problem?.contains("page 83h") == true)
    }

    @Test func serialNumbers() throws {
        #expect(try look { $0.pages[0x80] = nil }.serialNumber == nil)
        #expect(try look { $0.pages[0x80] = Array("    ".utf8) }.serialNumber?.isEmpty == true)
    }

    @Test func names() throws {
        func name(_ vendor: String, _ product: String, device: String? = nil) throws -> String {
            try look(number: 3) {
                $0.inquiry.vendor = vendor
                $0.inquiry.product = product
                $0.attachment.device = device
            }.friendlyName
        }
        #expect(try name("IET", "VIRTUAL-DISK") == "IET VIRTUAL-DISK")
        #expect(try name("", "QEMU") == "QEMU")
        #expect(try name("", "", device: "/dev/sdb") == "/dev/sdb")
        #expect(try name("", "") == "Disk 3")
    }

    // MARK: Thin provisioning

    /// Page B2h with this provisioning type, and the log's available resource count.
    private func provisioned(type: UInt8, available: [UInt8]?) throws -> DiskFlags {
        try look {
            $0.pages[0xB2] = [0, 0xE0, type, 0]
            // A used count comes first: the parameter is found by its code.
            let used: [UInt8] = [0, 2, 3, 8, 0, 0, 0, 9, 1, 0, 0, 0]
            $0.logPages[0x0C] = available.map { used + [0, 1, 3, UInt8($0.count + 4)] + $0 + [1, 0, 0, 0] }
        }.flags
    }

    @Test func aFullUnit() throws {
        #expect(try provisioned(type: 2, available: [0, 0, 0, 0]) == [.styleMBR, .basic, .outOfSpace])
        #expect(try provisioned(type: 2, available: [0, 0, 0, 1]) == [.styleMBR, .basic])
        #expect(try provisioned(type: 2, available: nil) == [.styleMBR, .basic])
        // Fully provisioned: what its log says does not matter.
        #expect(try provisioned(type: 0, available: [0, 0, 0, 0]) == [.styleMBR, .basic])
        #expect(try provisioned(type: 1, available: [0, 0, 0, 0]) == [.styleMBR, .basic])
    }

    @Test func hostileLogs() throws {
        for log: [UInt8] in [[], [0], [0, 1, 3], [0, 1, 3, 8], [0, 1, 3, 8, 0, 0, 0], [0, 1, 3, 2, 0, 0]] {
            let disk = try look {
                $0.pages[0xB2] = [0, 0, 2, 0]
                $0.logPages[0x0C] = log
            }
            #expect(disk.flags == [.styleMBR, .basic])
        }
    }

    @Test func aUnitThatSaysThatItIsFull() throws {
        let unit = ScriptedUnit()
        unit.change {
            $0.pages[0x83] = Self.naa.octets
            $0.setMasterBootRecord(signature: 1)
        }
        let disk = try Disk(transport: unit)
        let sense = SenseData(key: .dataProtect, code: .spaceAllocationFailed)
        unit.change { $0.answers[0x00] = SCSIResult(status: .checkCondition, sense: sense) }
        #expect(DiskDescription.of(disk, number: 0, path: "").flags == [.styleMBR, .basic, .outOfSpace])
    }

    // MARK: All disks together

    /// A disk with this signature, and an NAA identifier that ends with this octet.
    private func disk(_ number: UInt32, signature: UInt32, unit: UInt8?) throws -> DiskDescription {
        try look(number: number) {
            $0.setMasterBootRecord(signature: signature)
            var identifier = Self.naa
            identifier.value[7] = unit ?? 0
            $0.pages[0x83] = unit == nil ? nil : identifier.octets
        }
    }

    private func relations(_ disks: [DiskDescription]) -> [DiskFlags] {
        var disks = disks
        DiskDescription.markRelations(&disks)
        return disks.map { $0.flags.intersection([.redundant, .collision]) }
    }

    @Test func collisionsAndRedundancies() throws {
        #expect(try relations([disk(0, signature: 1, unit: 1), disk(1, signature: 2, unit: 2)]) == [[], []])
        // Two units, one signature.
        #expect(
            try relations([disk(0, signature: 1, unit: 1), disk(1, signature: 1, unit: 2)])
                == [.collision, .collision])
        // One unit, seen twice: its signature is its own.
        #expect(
            try relations([disk(0, signature: 1, unit: 1), disk(1, signature: 1, unit: 1)])
                == [.redundant, .redundant])
        // Both at once.
        #expect(
            try relations([
                disk(0, signature: 1, unit: 1), disk(1, signature: 1, unit: 1), disk(2, signature: 1, unit: 2),
                disk(3, signature: 3, unit: 3),
            ]) == [[.redundant, .collision], [.redundant, .collision], .collision, []])
        // Disks that do not say which unit they are, are taken for different ones.
        #expect(
            try relations([disk(0, signature: 1, unit: nil), disk(1, signature: 1, unit: nil)])
                == [.collision, .collision])
        // A signature of zero is none.
        #expect(try relations([disk(0, signature: 0, unit: 1), disk(1, signature: 0, unit: 2)]) == [[], []])
    }

    @Test func disksThatAreNotThere() {
        let missing = DiskDescription.missing(number: 4, path: "/x", cause: "gone")
        #expect(missing.flags == [.missing, .unreadable])
        #expect(missing.pathCount == 0)
        #expect(missing.friendlyName == "Disk 4")
        #expect(DiskDescription.silent(number: 4, path: "/x").flags == [.missing, .unreadable, .failingIO])
    }

    @Test func namesOfFlags() {
        #expect(DiskFlags(rawValue: 0x0100_9021).names == ["boot", "removable", "style-mbr", "part-basic"])
        // Every bit of the specification's table has a name: 29 of them.
        #expect(DiskFlags(rawValue: .max).names.count == 29)
    }
}
