import ClusterProtocols
import HostInventory
import NDR
import Reservations
import TestSupport
import Testing

@testable import ClusPrepServer

/// CprepDiskGetProps, CprepDiskGetUniqueIds, their successors and CprepDiskGetDsms over disks that say what the test wants.
struct StorageDescriptionsTests {
    private static let errorNotSupported: UInt32 = 0x8007_0032
    private static let errorInsufficientBuffer: UInt32 = 0x8007_007A
    private static let errorMoreData: UInt32 = 0x8007_00EA
    private static let errorInvalidServerState: UInt32 = 0x8007_0548
    private static let errorFileNotFound: UInt32 = 0x8007_0002

    private struct Clients {
        let storage2: IClusterStorage2Client
        let storage3: IClusterStorage3Client

        init(_ object: ClusterStorage) {
            storage2 = IClusterStorage2Client(LocalCaller(object.handlers(for: IClusterStorage2.interface.syntax.uuid)))
            storage3 = IClusterStorage3Client(LocalCaller(object.handlers(for: IClusterStorage3.interface.syntax.uuid)))
        }
    }

    private static func unit(_ change: (inout ScriptedUnit.Script) -> Void = { _ in }) -> ScriptedUnit {
        let unit = ScriptedUnit()
        unit.change {
            $0.pages[0x83] = DiskDescriptionTests.naa.octets
            $0.pages[0x80] = Array("S1".utf8)
            $0.setMasterBootRecord(signature: 0x0A0B_0C0D)
            change(&$0)
        }
        return unit
    }

    /// An object over these units, prepared unless said otherwise.
    private static func clients(
        _ units: [ScriptedUnit], modules: [DeviceSpecificModule] = [], isPrepared: Bool = true
    ) async throws -> Clients {
        let node = TestNode(name: "a")
        var environment = node.environment
        environment.open = { path in
            try Disk(transport: units[Int(path) ?? 0])
        }
        let disks = units.indices.map {
            NodeDisk(number: UInt32($0), path: "\($0)", environment: environment)
        }
        var storage = ClusterStorage.Environment(
            disks: disks, majorVersion: 10, minorVersion: 0, logger: environment.logger)
        storage.modules = { modules }
        let clients = Clients(ClusterStorage(environment: storage))
        if isPrepared {
            _ = try await clients.storage2.cprepPrepareNode(.init())
            _ = try await clients.storage2.cprepPrepareNodePhase2(.init(Flags: 0))
        }
        return clients
    }

    // MARK: Properties

    @Test func propertiesOfAnAttachedDisk() async throws {
        let clients = try await Self.clients([
            Self.unit {
                $0.attachment = DiskAttachment(
                    bus: .sas, address: .init(port: 1, bus: 2, target: 3, unit: 4), adapter: "mpt3sas", paths: 2,
                    isMultipath: true)
            }
        ])
        let old = try await clients.storage2.cprepDiskGetProps(.init(DiskId: .number(0))).DiskProps
        #expect(old.DiskNumber == 0)
        #expect(old.DiskId == CPREP_DISKID(DiskIdType: .CprepIdSignature, DiskId: .DiskSignature(0x0A0B_0C0D)))
        #expect(old.DiskBusType == 0x0A)
        #expect(old.ScsiAddress == CPREP_SCSI_ADDRESS(Length: 8, PortNumber: 1, PathId: 2, TargetId: 3, Lun: 4))
        #expect(old.DiskIsClusterable == 1)
        #expect(old.AdapterDesc.wideString == "mpt3sas")
        #expect(old.NumPaths == 2)
        // DISK_MPIO, DISK_PART_BASIC, DISK_SYTLE_MBR.
        #expect(old.Flags == 0x0008_9000)

        let new = try await clients.storage3.cprepDiskGetProps3(.init(DiskId: old.DiskId))
        #expect(new.returnValue == .ok)
        #expect(
            new.pDiskProps
                == DISK_PROPS_EX(
                    DiskNumber: 0, DiskId: old.DiskId, DiskBusType: 0x0A, StackType: .DiskStackStorPort,
                    ScsiAddress: old.ScsiAddress, DiskIsClusterable: 1, AdapterDesc: old.AdapterDesc,
                    pwszFriendlyName: "ACME SCRIPTED DISK", NumPaths: 2, Flags: 0x0008_9000, ExtendedFlags: 0,
                    pwszPoolName: nil, pwszPage83Id: "50010203040506AB", pwszSerialNumber: "S1", guidPoolId: .zero))
    }

    @Test func systemDisksAppearAndAreNotClusterable() async throws {
        let clients = try await Self.clients([
            Self.unit { $0.attachment.roles = [.boot, .system, .pagefile, .hibernation, .crashDump] }
        ])
        let props = try await clients.storage3.cprepDiskGetProps3(.init(DiskId: .number(0))).pDiskProps
        #expect(props.DiskIsClusterable == 0)
        #expect(props.Flags == 0x0000_901F)
    }

    @Test func aDiskThatSaysLittle() async throws {
        let clients = try await Self.clients([
            Self.unit {
                $0.pages = [:]
                $0.blocks = [:]
                $0.attachment = DiskAttachment(bus: .usb)
            }
        ])
        let props = try await clients.storage3.cprepDiskGetProps3(.init(DiskId: .number(0))).pDiskProps
        #expect(props.DiskId == .number(0))
        #expect(props.pwszPage83Id == nil)
        #expect(props.pwszSerialNumber == nil)
        #expect(props.AdapterDesc.wideString == "USB adapter")
        // DISK_NO_PAGE83, DISK_STYLE_RAW, DISK_BUSNOSUPP.
        #expect(props.Flags == 0x0400_4100)
        #expect(props.DiskIsClusterable == 0)
    }

    @Test func relationsAreThoseOfThePreparation() async throws {
        let clients = try await Self.clients([Self.unit(), Self.unit()])
        for number: UInt32 in 0...1 {
            let props = try await clients.storage2.cprepDiskGetProps(.init(DiskId: .number(number))).DiskProps
            // DISK_REDUNDANT.
            #expect(props.Flags == 0x0040_9000)
            #expect(props.DiskIsClusterable == 0)
        }
    }

    @Test func allFourKindsOfIdentifiers() async throws {
        let clients = try await Self.clients([Self.unit()])
        func code(_ id: CPREP_DISKID) async throws -> UInt32 {
            try await clients.storage3.cprepDiskGetProps3(.init(DiskId: id)).returnValue.rawValue
        }
        #expect(try await code(.number(0)) == 0)
        #expect(try await code(.number(1)) == Self.errorFileNotFound)
        #expect(
            try await code(CPREP_DISKID(DiskIdType: .CprepIdSignature, DiskId: .DiskSignature(0x0A0B_0C0D))) == 0)
        #expect(
            try await code(CPREP_DISKID(DiskIdType: .CprepIdSignature, DiskId: .DiskSignature(1)))
                == Self.errorFileNotFound)
        #expect(
            try await code(CPREP_DISKID(DiskIdType: .CprepIdGuid, DiskId: .DiskGuid(.zero))) == Self.errorFileNotFound)
        #expect(
            try await code(CPREP_DISKID(DiskIdType: .CprepIdUnknown, DiskId: .Junk(0))) == Self.errorFileNotFound)
    }

    @Test func nothingIsSaidBeforeThePreparation() async throws {
        let clients = try await Self.clients([Self.unit()], isPrepared: false)
        #expect(
            try await clients.storage3.cprepDiskGetProps3(.init(DiskId: .number(0))).returnValue.rawValue
                == Self.errorInvalidServerState)
        #expect(
            try await clients.storage2.cprepDiskGetUniqueIds(.init(DiskId: .number(0), cbData: 512)).returnValue
                .rawValue
                == Self.errorInvalidServerState)
        #expect(
            try await clients.storage3.cprepDiskGetUniqueIds3(.init(DiskId: .number(0))).returnValue.rawValue
                == Self.errorInvalidServerState)
        #expect(
            try await clients.storage2.cprepDiskGetDsms(.init(Size: 512)).returnValue.rawValue
                == Self.errorInvalidServerState)
    }

    // MARK: Identifiers

    @Test func uniqueIdentifiers() async throws {
        let clients = try await Self.clients([
            Self.unit { $0.pages[0x83] = DiskDescriptionTests.naa.octets + DiskDescriptionTests.eui.octets }
        ])
        // 12 + 2 × (16 + 8)
        let needed: UInt32 = 60
        let short = try await clients.storage2.cprepDiskGetUniqueIds(.init(DiskId: .number(0), cbData: needed - 1))
        #expect(short.returnValue.rawValue == Self.errorInsufficientBuffer)
        #expect(short.pcbNeeded == needed)
        #expect(short.pcbDataOut == 0)
        let whole = try await clients.storage2.cprepDiskGetUniqueIds(.init(DiskId: .number(0), cbData: needed))
        #expect(whole.returnValue == .ok)
        #expect(whole.pcbDataOut == needed)
        let descriptor = try STORAGE_DEVICE_ID_DESCRIPTOR(whole.pbData)
        #expect(descriptor.version == 13)
        #expect(
            descriptor.identifiers == [
                STORAGE_IDENTIFIER(codeSet: 1, type: 3, association: 0, identifier: DiskDescriptionTests.naa.value),
                STORAGE_IDENTIFIER(codeSet: 1, type: 2, association: 0, identifier: DiskDescriptionTests.eui.value),
            ])

        let new = try await clients.storage3.cprepDiskGetUniqueIds3(.init(DiskId: .number(0)))
        #expect(new.returnValue == .ok)
        #expect(new.ppbDeviceIdHeader == whole.pbData)
        #expect(new.pcbDihSize == needed)
        let device = try STORAGE_DEVICE_DESCRIPTOR(try #require(new.ppDeviceDescriptor))
        #expect(new.pcbDdSize == UInt32(try #require(new.ppDeviceDescriptor).count))
        #expect(device.vendor == "ACME")
        #expect(device.product == "SCRIPTED DISK")
        #expect(device.revision == "1.0")
        #expect(device.serialNumber == "S1")
        #expect(device.busType == 9)
        #expect(device.queuesCommands)
        #expect(device.rawProperties.count == 36)
    }

    @Test func disksWithoutIdentifiers() async throws {
        let vendor = DeviceIdentifier(codeSet: 2, association: .logicalUnit, kind: .t10Vendor, value: [0x41])
        var port = DiskDescriptionTests.naa
        port.association = .targetPort
        let clients = try await Self.clients(
            [nil, vendor.octets, port.octets].map { page in Self.unit { $0.pages[0x83] = page } })
        // The older method asks for the type alone, the newer one for the unit's own.
        for (number, old): (UInt32, UInt32) in [(0, Self.errorNotSupported), (1, Self.errorNotSupported), (2, 0)] {
            let disk = CPREP_DISKID.number(number)
            #expect(
                try await clients.storage2.cprepDiskGetUniqueIds(.init(DiskId: disk, cbData: 512)).returnValue.rawValue
                    == old)
            #expect(
                try await clients.storage3.cprepDiskGetUniqueIds3(.init(DiskId: disk)).returnValue.rawValue
                    == Self.errorNotSupported)
        }
    }

    @Test func aDiskWithoutSerialNumber() async throws {
        let clients = try await Self.clients([Self.unit { $0.pages[0x80] = nil }])
        let ids = try await clients.storage3.cprepDiskGetUniqueIds3(.init(DiskId: .number(0)))
        #expect(ids.returnValue == .ok)
        #expect(ids.pcbDihSize == 36)
        #expect(ids.ppDeviceDescriptor == nil)
        #expect(ids.pcbDdSize == 0)
    }

    @Test func aDiskThatFails() async throws {
        let unit = Self.unit()
        let clients = try await Self.clients([unit])
        unit.change {
            $0.answers[0x12] = SCSIResult(
                status: .checkCondition, sense: SenseData(key: .hardwareError, code: .internalTargetFailure))
        }
        // ERROR_IO_DEVICE: the disk does not lack identifiers, it fails to tell them.
        #expect(
            try await clients.storage2.cprepDiskGetUniqueIds(.init(DiskId: .number(0), cbData: 512)).returnValue
                .rawValue
                == 0x8007_045D)
        #expect(
            try await clients.storage3.cprepDiskGetUniqueIds3(.init(DiskId: .number(0))).returnValue.rawValue
                == 0x8007_045D)
        let props = try await clients.storage2.cprepDiskGetProps(.init(DiskId: .number(0)))
        #expect(props.returnValue == .ok)
        // DISK_NO_PAGE83, DISK_FAILING_IO, DISK_PART_BASIC, DISK_SYTLE_MBR.
        #expect(props.DiskProps.Flags == 0x0600_9000)
    }

    // MARK: Modules

    @Test func modules() async throws {
        let modules = [
            DeviceSpecificModule(name: "dm-multipath", majorVersion: 1, minorVersion: 14, build: 0),
            DeviceSpecificModule(name: "nvme-core", majorVersion: 6, minorVersion: 1, build: 2, fixNumber: 3),
        ]
        let clients = try await Self.clients([Self.unit()], modules: modules)
        // 4 + 2 × 144
        let short = try await clients.storage2.cprepDiskGetDsms(.init(Size: 291))
        #expect(short.returnValue.rawValue == Self.errorMoreData)
        #expect(short.RegisteredDsms.isEmpty)
        let whole = try await clients.storage2.cprepDiskGetDsms(.init(Size: 292))
        #expect(whole.returnValue == .ok)
        #expect(whole.pReserved == 292)
        #expect(
            try REGISTERED_DSMS(whole.RegisteredDsms).modules == [
                REGISTERED_DSM(
                    name: "dm-multipath", majorVersion: 1, minorVersion: 14, productBuild: 0, qfeNumber: 0),
                REGISTERED_DSM(name: "nvme-core", majorVersion: 6, minorVersion: 1, productBuild: 2, qfeNumber: 3),
            ])
    }

    @Test func noModules() async throws {
        let clients = try await Self.clients([Self.unit()])
        let none = try await clients.storage2.cprepDiskGetDsms(.init(Size: 4))
        #expect(none.returnValue == .ok)
        #expect(none.RegisteredDsms == [0, 0, 0, 0])
        #expect(
            try await clients.storage2.cprepDiskGetDsms(.init(Size: 3)).returnValue.rawValue == Self.errorMoreData)
    }
}
