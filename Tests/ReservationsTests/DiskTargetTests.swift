import Glibc
import Testing

@testable import Reservations

@Suite struct DiskTargetTests {
    private func target(_ text: String) throws -> ISCSITarget {
        guard case .iscsi(let target) = try DiskTarget(parsing: text) else {
            throw DiskTargetError(text: text, .unknownScheme("path"))
        }
        return target
    }

    private func reason(_ text: String) -> DiskTargetError.Reason? {
        do {
            _ = try DiskTarget(parsing: text)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func readsAWholeURL() throws {
        let target = try target(
            "iscsi://10.0.0.1,[FE80:0:0::2]:860,Storage.Example.net:3261/iqn.2024-01.net.example:a/7"
                + "?header-digest=CRC32C&timeout=5")
        #expect(target.portals.map(\.host) == ["10.0.0.1", "fe80::2", "storage.example.net"])
        #expect(target.portals.map(\.port) == [3260, 860, 3261])
        #expect(target.name == "iqn.2024-01.net.example:a")
        #expect(target.unit == 7)
        #expect(target.headerDigest == .crc32c)
        #expect(target.timeout == 5)
        #expect(
            target.description
                == "iscsi://10.0.0.1,[fe80::2]:860,storage.example.net:3261/iqn.2024-01.net.example:a/7"
                + "?header-digest=crc32c&timeout=5")
    }

    @Test func leavesDefaultsOut() throws {
        let target = try target("ISCSI://h:3260/eui.0123456789abcdef/0?timeout=10&header-digest=none")
        #expect(target.headerDigest == .none)
        #expect(target.timeout == ISCSITarget.defaultTimeout)
        #expect(target.description == "iscsi://h/eui.0123456789abcdef/0")
    }

    @Test(arguments: [
        "iscsi://h/iqn.2024-01.net.example:a/0", "iscsi://[::1]/naa.0123456789abcdef/16383?timeout=3600",
        "iscsi://a,b:1,c:65535/iqn.2024-01.net.example:with%2Fslash%25/255?header-digest=crc32c",
        "/var/lib/disk.img", "/dev/sdb", "/dev/disk/by-id/wwn-0x5000", "/dev/shm/disk.img",
    ])
    func describesItselfSoThatItCanBeReadAgain(_ text: String) throws {
        let target = try DiskTarget(parsing: text)
        #expect(target.description == text)
        #expect(try DiskTarget(parsing: target.description) == target)
    }

    @Test func tellsDevicesFromImages() throws {
        let folder = String(cString: try #require(getcwd(nil, 0)))
        #expect(try DiskTarget(parsing: "/dev/nvme0n1") == .local("/dev/nvme0n1"))
        #expect(try DiskTarget(parsing: "//dev/./mapper/../sdb") == .local("/dev/sdb"))
        #expect(try DiskTarget(parsing: "/dev/../srv/a.img") == .image("/srv/a.img"))
        #expect(try DiskTarget(parsing: "/device/a.img") == .image("/device/a.img"))
        // Shared memory is a file system below /dev, not a device.
        #expect(try DiskTarget(parsing: "/dev/shm/a.img") == .image("/dev/shm/a.img"))
        #expect(try DiskTarget(parsing: "a b.img") == .image(folder + "/a b.img"))
        #expect(try DiskTarget(parsing: "./x://y") == .image(folder + "/x:/y"))
    }

    @Test func decodesNames() throws {
        #expect(try target("iscsi://h/iqn.2024-01.net.example%3Aa%2fb/1").name == "iqn.2024-01.net.example:a/b")
        // Targets whose names break the rule of small letters exist; the case is theirs.
        #expect(try target("iscsi://h/IQN.2024-01.net.example:A_b/1").name == "IQN.2024-01.net.example:A_b")
    }

    @Test func addressesUnits() throws {
        // SAM-3 4.9.3 and 4.9.4: peripheral device addressing up to 255, flat space addressing (01b) above.
        #expect(try target("iscsi://h/iqn.2024-01.net.example:a/255").addressedUnit == 0x00FF)
        #expect(try target("iscsi://h/iqn.2024-01.net.example:a/256").addressedUnit == 0x4100)
        #expect(try target("iscsi://h/iqn.2024-01.net.example:a/16383").addressedUnit == 0x7FFF)
    }

    @Test(
        arguments: [
            ("", .empty), ("/srv/\n", .controlCharacter), ("nvme://h/x", .unknownScheme("nvme")), ("/srv/", .folder),
            ("/", .folder), ("iscsi://", .noPortal), ("iscsi:///iqn.2024-01.net.example:a/1", .noPortal),
            ("iscsi://user%secret@h/iqn.2024-01.net.example:a/1", .credentials),
            ("iscsi://user:pass/word@h/iqn.2024-01.net.example:a/1", .credentials),
            ("iscsi://h", .missingParts), ("iscsi://h/", .missingParts),
            ("iscsi://h/iqn.2024-01.net.example:a", .missingParts),
            ("iscsi://h/iqn.2024-01.net.example:a/", .missingParts), ("iscsi://h//1", .missingParts),
            ("iscsi://h/iqn.2024-01.net.example:a/1/2", .tooManyParts),
            ("iscsi://h/iqn.2024-01.net.example:a/1/", .tooManyParts),
            ("iscsi://h/iqn.2024-01.net.example:a/-1", .badUnit("-1")),
            ("iscsi://h/iqn.2024-01.net.example:a/16384", .badUnit("16384")),
            ("iscsi://h/iqn.2024-01.net.example:a/99999999999999999999", .badUnit("99999999999999999999")),
            ("iscsi://h/iqn.2024-01.net.example:a/0x1", .badUnit("0x1")),
            ("iscsi://h/example:a/1", .badName("example:a")),
            ("iscsi://h/iqn.2024.net:a/1", .badName("iqn.2024.net:a")),
            ("iscsi://h/iqn.2024-01./1", .badName("iqn.2024-01.")), ("iscsi://h/eui.0123/1", .badName("eui.0123")),
            ("iscsi://h/naa.0123456789abcdeg/1", .badName("naa.0123456789abcdeg")),
            ("iscsi://h/iqn.2024-01.net.example:a%2/1", .badEscape("iqn.2024-01.net.example:a%2")),
            ("iscsi://h/iqn.2024-01.net.example:%ff/1", .badEscape("iqn.2024-01.net.example:%ff")),
            ("iscsi://h:0/iqn.2024-01.net.example:a/1", .badPort("0")),
            ("iscsi://h:65536/iqn.2024-01.net.example:a/1", .badPort("65536")),
            ("iscsi://h:/iqn.2024-01.net.example:a/1", .badPort("")),
            ("iscsi://h:+1/iqn.2024-01.net.example:a/1", .badPort("+1")),
            ("iscsi://::1/iqn.2024-01.net.example:a/1", .badHost("::1")),
            ("iscsi://[::1/iqn.2024-01.net.example:a/1", .badHost("[::1")),
            ("iscsi://[::1]x/iqn.2024-01.net.example:a/1", .badHost("[::1]x")),
            ("iscsi://[h]/iqn.2024-01.net.example:a/1", .badHost("[h]")),
            ("iscsi://[::g]/iqn.2024-01.net.example:a/1", .badHost("::g")),
            ("iscsi://h h/iqn.2024-01.net.example:a/1", .badHost("h h")),
            ("iscsi://a,/iqn.2024-01.net.example:a/1", .badHost("")),
            ("iscsi://a,b,A:3260/iqn.2024-01.net.example:a/1", .repeatedPortal("a")),
            ("iscsi://a,b,c,d,e,f,g,h,i/iqn.2024-01.net.example:a/1", .tooManyPortals(9)),
            ("iscsi://h/iqn.2024-01.net.example:a/1#x", .fragment),
            ("iscsi://h/iqn.2024-01.net.example:a/1?digest=1", .unknownOption("digest")),
            ("iscsi://h/iqn.2024-01.net.example:a/1?timeout=1&timeout=1", .repeatedOption("timeout")),
            ("iscsi://h/iqn.2024-01.net.example:a/1?timeout=0", .badValue(option: "timeout", value: "0")),
            ("iscsi://h/iqn.2024-01.net.example:a/1?timeout=3601", .badValue(option: "timeout", value: "3601")),
            ("iscsi://h/iqn.2024-01.net.example:a/1?timeout", .badValue(option: "timeout", value: "")),
            (
                "iscsi://h/iqn.2024-01.net.example:a/1?header-digest=md5",
                .badValue(option: "header-digest", value: "md5")
            ),
        ] as [(String, DiskTargetError.Reason)])
    func saysWhatIsWrong(_ text: String, _ expected: DiskTargetError.Reason) {
        #expect(reason(text) == expected)
    }

    @Test func takesEightPortals() throws {
        #expect(try target("iscsi://a,b,c,d,e,f,g,h/iqn.2024-01.net.example:a/1").portals.count == 8)
    }

    @Test func takesNamesOf223Octets() throws {
        let name = "iqn.2024-01.net.example:" + String(repeating: "a", count: 223 - 24)
        #expect(try target("iscsi://h/\(name)/1").name.utf8.count == 223)
        #expect(reason("iscsi://h/\(name)a/1") == .badName(name + "a"))
    }

    @Test func keepsPasswordsOutOfErrors() {
        #expect(throws: DiskTargetError.self) {
            try DiskTarget(parsing: "iscsi://u%hunter2@h/iqn.2024-01.net.example:a/1")
        }
        do {
            _ = try DiskTarget(parsing: "iscsi://u%hunter2@h/iqn.2024-01.net.example:a/1")
        } catch {
            #expect(!"\(error)".contains("hunter2"))
            #expect("\(error)".contains("credentials file"))
        }
    }

    @Test func errorsFitOnALine() {
        do {
            _ = try DiskTarget(parsing: "/a\n" + String(repeating: "b", count: 5000))
        } catch {
            #expect(!"\(error)".contains("\n"))
            #expect("\(error)".count < 400)
        }
    }
}
