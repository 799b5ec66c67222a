import ClusterProtocols
import Testing

/// The layouts of [MS-CSVP] 2.2.7 to 2.2.10 and 2.2.27. The expected octets are written down from the figures there.
struct StorageLayoutTests {
    // MARK: STORAGE_DEVICE_ID_DESCRIPTOR

    /// A name of 5 octets, which is padded, and an NAA identifier of 8.
    private static let identifiers = STORAGE_DEVICE_ID_DESCRIPTOR(identifiers: [
        STORAGE_IDENTIFIER(codeSet: 2, type: 8, association: 0, identifier: Array("naa.5".utf8)),
        STORAGE_IDENTIFIER(
            codeSet: 1, type: 3, association: 0, identifier: [0x50, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07]),
    ])

    private static let identifierOctets: [UInt8] =
        [
            13, 0, 0, 0,  // Version: 13
            60, 0, 0, 0,  // Size: 12 + (16 + 5 + 3 of padding) + (16 + 8) = 60
            2, 0, 0, 0,  // NumberOfIdentifiers
            2, 0, 0, 0, 8, 0, 0, 0,  // CodeSet ASCII, Type SCSI name string
            5, 0, 24, 0,  // IdentifierSize 5, NextOffset 16 + 5 + 3
            0, 0, 0, 0,  // Association: the logical unit
        ] + Array("naa.5".utf8) + [
            0, 0, 0,  // to a multiple of four
            1, 0, 0, 0, 3, 0, 0, 0,  // CodeSet binary, Type NAA
            8, 0, 0, 0,  // IdentifierSize 8; nothing follows
            0, 0, 0, 0,
            0x50, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        ]

    @Test func identifiersAsInTheFigures() throws {
        #expect(try Self.identifiers.encoded() == Self.identifierOctets)
        #expect(try STORAGE_DEVICE_ID_DESCRIPTOR(Self.identifierOctets) == Self.identifiers)
    }

    @Test func windowsVersionAndTrailingOctetsAreRead() throws {
        var octets = Self.identifierOctets + [0xFF, 0xFF]
        octets[0] = 16
        let descriptor = try STORAGE_DEVICE_ID_DESCRIPTOR(octets)
        #expect(descriptor.version == 16)
        #expect(descriptor.identifiers == Self.identifiers.identifiers)
    }

    @Test func anIdentifierThatIsTooLongIsNotWritten() throws {
        func descriptor(_ length: Int) -> STORAGE_DEVICE_ID_DESCRIPTOR {
            let identifier = STORAGE_IDENTIFIER(
                codeSet: 1, type: 0, association: 0, identifier: .init(repeating: 7, count: length))
            return STORAGE_DEVICE_ID_DESCRIPTOR(identifiers: [identifier, identifier])
        }
        // 65,532 is the greatest multiple of four that 16 bits hold; 16 of it are the header.
        let longest = descriptor(65_516)
        #expect(try STORAGE_DEVICE_ID_DESCRIPTOR(longest.encoded()) == longest)
        #expect(throws: LayoutError.self) { try descriptor(65_517).encoded() }
    }

    @Test(
        arguments: [
            // Size beyond the octets, Size below the header, more identifiers than there are, and as many as can be said.
            (4, [61, 0, 0, 0]), (4, [11, 0, 0, 0]), (4, [0xFF, 0xFF, 0xFF, 0xFF]), (8, [3, 0, 0, 0]),
            (8, [0xFF, 0xFF, 0xFF, 0xFF]),
            // An identifier over the end, and over the next one.
            (20, [0xFF, 0xFF]), (20, [9, 0]),
            // A next one in the header, in the identifier, at the same place, and beyond the end.
            (22, [0, 0]), (22, [15, 0]), (22, [20, 0]), (22, [49, 0]), (22, [0xFF, 0xFF]),
        ] as [(Int, [UInt8])])
    func hostileIdentifiers(offset: Int, patch: [UInt8]) {
        var octets = Self.identifierOctets
        octets.replaceSubrange(offset..<offset + patch.count, with: patch)
        #expect(throws: LayoutError.self) { try STORAGE_DEVICE_ID_DESCRIPTOR(octets) }
    }

    @Test func everyTruncationOfTheIdentifiersIsRefused() {
        for count in Self.identifierOctets.indices {
            #expect(throws: LayoutError.self) {
                try STORAGE_DEVICE_ID_DESCRIPTOR(Array(Self.identifierOctets.prefix(count)))
            }
        }
    }

    // MARK: STORAGE_DEVICE_DESCRIPTOR

    private static let device = STORAGE_DEVICE_DESCRIPTOR(
        vendor: "ACME", product: "DISK", revision: nil, serialNumber: "S1", busType: 9, rawProperties: [0xAA, 0xBB])

    private static let deviceOctets: [UInt8] =
        [
            37, 0, 0, 0,  // Version: 37
            51, 0, 0, 0,  // Size: 36 + 2 + 5 + 5 + 3
            0, 0, 0, 1,  // DeviceType disk, Reserved, RemovableMedia no, CommandQueueing yes
            38, 0, 0, 0,  // VendorIdOffset: 36 + 2
            43, 0, 0, 0,  // ProductIdOffset: 38 + 5
            0, 0, 0, 0,  // ProductRevisionOffset: none
            48, 0, 0, 0,  // SerialNumberOffset: 43 + 5
            9, 0, 0, 0,  // StorageBusType: iSCSI
            2, 0, 0, 0,  // RawPropertiesLength
            0xAA, 0xBB,
        ] + Array("ACME\0DISK\0S1\0".utf8)

    @Test func deviceAsInTheFigure() throws {
        #expect(Self.device.encoded == Self.deviceOctets)
        #expect(try STORAGE_DEVICE_DESCRIPTOR(Self.deviceOctets) == Self.device)
    }

    @Test func emptyDeviceHasTheOctetsItsVersionCounts() throws {
        let device = STORAGE_DEVICE_DESCRIPTOR(hasRemovableMedia: true, queuesCommands: false, busType: 0)
        #expect(device.encoded == [37, 0, 0, 0, 37, 0, 0, 0, 0, 0, 1, 0] + [UInt8](repeating: 0, count: 25))
        #expect(try STORAGE_DEVICE_DESCRIPTOR(device.encoded) == device)
    }

    @Test func textThatIsNotASCIIIsReplaced() throws {
        let device = STORAGE_DEVICE_DESCRIPTOR(serialNumber: "ä\0b", busType: 0)
        #expect(try STORAGE_DEVICE_DESCRIPTOR(device.encoded).serialNumber == "??b")
    }

    @Test(
        arguments: [
            (4, [52, 0, 0, 0]), (4, [35, 0, 0, 0]), (4, [0xFF, 0xFF, 0xFF, 0xFF]),
            // Strings in the header, at the end, beyond it, and one whose end is cut off by Size.
            (12, [35, 0, 0, 0]), (16, [51, 0, 0, 0]), (24, [0xFF, 0xFF, 0xFF, 0xFF]), (4, [50, 0, 0, 0]),
            // Raw properties beyond the end.
            (32, [16, 0, 0, 0]), (32, [0xFF, 0xFF, 0xFF, 0xFF]),
        ] as [(Int, [UInt8])])
    func hostileDevices(offset: Int, patch: [UInt8]) {
        var octets = Self.deviceOctets
        octets.replaceSubrange(offset..<offset + patch.count, with: patch)
        #expect(throws: LayoutError.self) { try STORAGE_DEVICE_DESCRIPTOR(octets) }
    }

    @Test func rawPropertiesMayReachTheEnd() throws {
        var octets = Self.deviceOctets
        octets[32] = 15
        #expect(try STORAGE_DEVICE_DESCRIPTOR(octets).rawProperties.count == 15)
    }

    // MARK: REGISTERED_DSMS

    @Test func modulesAsInTheFigures() throws {
        let list = REGISTERED_DSMS(modules: [
            REGISTERED_DSM(name: "dm", majorVersion: 1, minorVersion: 14, productBuild: 0, qfeNumber: 258)
        ])
        let octets: [UInt8] =
            [1, 0, 0, 0, 0x64, 0, 0x6D, 0] + [UInt8](repeating: 0, count: 124)
            + [1, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0]
        #expect(octets.count == 4 + 144)
        #expect(list.encoded == octets)
        #expect(try REGISTERED_DSMS(octets) == list)
        #expect(try REGISTERED_DSMS(octets + [1, 2, 3]) == list)
        #expect(REGISTERED_DSMS(modules: []).encoded == [0, 0, 0, 0])
    }

    @Test func namesOfModulesKeepRoomForTheirEnd() throws {
        func name(_ text: String) throws -> String {
            let module = REGISTERED_DSM(
                name: text, majorVersion: 0, minorVersion: 0, productBuild: 0, qfeNumber: 0)
            return try #require(try REGISTERED_DSMS(REGISTERED_DSMS(modules: [module]).encoded).modules.first).name
        }
        #expect(try name(String(repeating: "x", count: 63)).count == 63)
        #expect(try name(String(repeating: "x", count: 64)).count == 63)
        // A character of two units does not lose one of them.
        #expect(try name(String(repeating: "x", count: 62) + "😀").count == 62)
    }

    @Test func hostileModules() {
        let one: [UInt8] = [1, 0, 0, 0] + [UInt8](repeating: 0x41, count: 144)
        #expect(throws: Never.self) { try REGISTERED_DSMS(one) }
        #expect(throws: LayoutError.truncated(structure: "REGISTERED_DSMS", expected: 148, actual: 147)) {
            try REGISTERED_DSMS(Array(one.dropLast()))
        }
        for count in 0..<4 {
            #expect(throws: LayoutError.self) { try REGISTERED_DSMS(Array(one.prefix(count))) }
        }
        #expect(throws: LayoutError.self) { try REGISTERED_DSMS([0xFF, 0xFF, 0xFF, 0xFF] + one) }
    }
}
