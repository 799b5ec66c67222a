import Foundation
import Reservations
import Testing
import Volumes

@testable import clusprep

/// `clusprep disks` on images: what is listed, and how it looks.
struct DisksCommandTests {
    private func look(_ targets: [String]) async throws -> DiskListing {
        await DisksCommand.look(
            at: try targets.map { try DiskTarget(parsing: $0) }, with: TargetOpener(initiator: .node("a")),
            executor: BlockingExecutor(threads: 4))
    }

    @Test func arguments() throws {
        let command = try DisksCommand.parse([
            "--no-local", "--disk", "/a.img", "iscsi://h/iqn.2024-05.net.example:x/3", "--json",
        ])
        #expect(command.disk.map(\.description) == ["/a.img", "iscsi://h/iqn.2024-05.net.example:x/3"])
        #expect(command.json && command.noLocal)
        #expect(refusal(of: DisksCommand.self, ["--disk", "ftp://x"])?.contains("ftp") == true)
        #expect(refusal(of: DisksCommand.self, ["--discover", "host:port"])?.contains("--discover") == true)
        #expect(refusal(of: DisksCommand.self, ["/a.img"]) != nil)
    }

    @Test func messagesDoNotCommandTheTerminal() {
        #expect(Terminal.printable("one\ntwo é") == "one\ntwo é")
        #expect(Terminal.printable("iqn.\u{1B}]0;x\u{07}\r\u{9B}") == "iqn.?]0;x???")
    }

    @Test func disksOfANodesConfiguration() async throws {
        try await withFolder { folder async throws in
            let file = folder.appendingPathComponent("node.json")
            func disks(_ text: String) throws -> [String] {
                try Data(text.utf8).write(to: file)
                return try NodeConfiguration.disks(ofFile: file.path).map(\.description)
            }
            #expect(try disks(#"{"nodeName": "a", "disks": ["/a.img", "/dev/sdb"]}"#) == ["/a.img", "/dev/sdb"])
            #expect(try disks(#"{"disks": "/a.img"}"#) == ["/a.img"])
            #expect(try disks(#"{}"#) == [])
            #expect(throws: CommandFailure.self) { try disks(#"{"disks": 3}"#) }
            #expect(throws: CommandFailure.self) { try disks(#"{"disks": ["ftp://x"]}"#) }
            #expect(throws: CommandFailure.self) { try disks("[") }
            #expect(throws: CommandFailure.self) { try NodeConfiguration.disks(ofFile: "/nonexistent.json") }
        }
    }

    @Test func imagesAndWhatIsNotThere() async throws {
        try await withFolder { folder async throws in
            let (mbr, raw) = (folder.appendingPathComponent("mbr.img"), folder.appendingPathComponent("raw.img"))
            try makeImage(mbr, signature: 0x00C0_FFEE)
            try makeImage(raw)
            _ = try reservations(mbr.path, "register", "--new-key", "A1", "--as", "a")
            _ = try reservations(mbr.path, "reserve", "--key", "A1", "--type", "wero", "--as", "a")
            // What is named twice is listed once.
            let disks = try await look([mbr.path, raw.path, mbr.path, "/nonexistent.img"]).disks
            #expect(disks.map(\.disk) == [mbr.path, raw.path, "/nonexistent.img"])
            #expect(disks.map(\.style) == ["mbr", "raw", nil])
            #expect(disks.map(\.clusterable) == [true, true, false])
            #expect(disks[0].identity == "00c0ffee")
            #expect(disks[0].flags == ["style-mbr", "part-basic"])
            #expect(disks[0].flagBits == "0x00009000")
            #expect(disks[0].bus == "file-backed virtual" && disks[0].busType == 0xF)
            #expect(disks[0].size == 16 << 20 && disks[0].blockSize == 512)
            #expect(disks[0].reservations?.keys == ["0x00000000000000a1"])
            #expect(disks[0].reservations?.reservation?.type == 5)
            #expect(disks[0].page83?.hasPrefix("naa.") == true)
            #expect(disks[1].reservations?.keys == [])
            #expect(disks[2].obstacles == ["it cannot be read", "it does not answer"])
            #expect(disks[2].problem?.contains("/nonexistent.img") == true)
            #expect(disks[2].size == nil)
        }
    }

    @Test func collisionsAreSeen() async throws {
        try await withFolder { folder async throws in
            let (first, second) = (folder.appendingPathComponent("1.img"), folder.appendingPathComponent("2.img"))
            try makeImage(first, signature: 7)
            try makeImage(second, signature: 7)
            let disks = try await look([first.path, second.path]).disks
            #expect(disks.map(\.obstacles) == Array(repeating: ["another disk has the same signature"], count: 2))
        }
    }

    /// The schema is a promise: a change of this text is a change of the schema.
    @Test func json() throws {
        var description = DiskDescription(
            number: 0, path: "iscsi://h/iqn.2024-05.net.example:x/3", flags: [.styleGPT, .basic, .multipath])
        description.vendor = "ACME"
        description.product = "DISK"
        description.size = 1 << 30
        description.blockSize = 4096
        description.serialNumber = "S1"
        description.diskID = DiskGUID("00112233-4455-6677-8899-aabbccddeeff")
        description.attachment = DiskAttachment(bus: .iSCSI, adapter: "adapter", paths: 2, isMultipath: true)
        description.identifiers = [
            DeviceIdentifier(codeSet: 1, association: .logicalUnit, kind: .naa, value: [0x50, 0, 0, 0, 0, 0, 0, 1])
        ]
        #expect(
            try DiskListing(disks: [DiskEntry(description)]).prettyJSON() == """
                {
                  "disks" : [
                    {
                      "adapter" : "adapter",
                      "blockSize" : 4096,
                      "bus" : "iSCSI",
                      "busType" : 9,
                      "clusterable" : true,
                      "disk" : "iscsi://h/iqn.2024-05.net.example:x/3",
                      "flagBits" : "0x0008a000",
                      "flags" : [
                        "style-gpt",
                        "part-basic",
                        "mpio"
                      ],
                      "identity" : "00112233-4455-6677-8899-aabbccddeeff",
                      "name" : "ACME DISK",
                      "obstacles" : [

                      ],
                      "page83" : "5000000000000001",
                      "paths" : 2,
                      "protected" : false,
                      "readOnly" : false,
                      "serialNumber" : "S1",
                      "size" : 1073741824,
                      "style" : "gpt"
                    }
                  ],
                  "schema" : 1
                }
                """)
    }

    @Test func linesForPeople() throws {
        var sound = DiskDescription(number: 0, path: "/a.img", flags: [.styleMBR, .basic])
        sound.product = "DISK"
        sound.size = 3 << 29
        sound.attachment = DiskAttachment(bus: .fileBackedVirtual)
        var system = DiskDescription(number: 1, path: "/dev/sda", flags: [.system, .busUnsupported, .styleRaw])
        system.attachment = DiskAttachment(bus: .sata, adapter: "ahci", roles: .system)
        #expect(
            DiskListing(disks: [DiskEntry(sound), DiskEntry(system)]).lines(on: Terminal(isColoured: false)) == [
                "DISK      SIZE     BUS                  STYLE  PATHS  CLUSTERABLE  KEYS  RESERVATION",
                "/a.img    1.5 GiB  file-backed virtual  MBR    1      yes          -     -",
                "    DISK",
                "    flags: style-mbr part-basic",
                "/dev/sda  -        SATA                 RAW    1      no           -     -",
                "    adapter: ahci",
                "    flags: system busnosupp style-raw",
                "    not clusterable: it holds this host's root file system; "
                    + "its bus cannot be shared by the nodes of a cluster",
            ])
        #expect(DiskListing(disks: []).lines(on: Terminal(isColoured: false)) == ["No disks."])
    }

    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"),
            ((1 << 30) - 1, "1023.9 MiB"), (1 << 40, "1 TiB"), (.max, "15.9 EiB"),
        ] as [(UInt64, String)])
    func sizes(_ octets: UInt64, _ text: String) {
        #expect(readableSize(octets) == text)
    }
}
