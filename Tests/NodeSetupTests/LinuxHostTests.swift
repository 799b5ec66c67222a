import Foundation
import Reservations
import Testing

@testable import NodeSetup

/// The real host, as far as it takes no root: in a folder of the test's own.
struct LinuxHostTests {
    private let host = LinuxHost()

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("clusprep-\(UUID().uuidString)").path
        try host.makeFolder(folder, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    @Test
    func filesAndFolders() async throws {
        try await withFolder { folder in
            let path = folder + "/file"
            #expect(try host.status(of: path) == nil)
            #expect(try host.contents(of: path) == nil)
            for (text, mode) in [("one", UInt32(0o600)), ("another", 0o644), ("", 0o640)] {
                try host.write(Array(text.utf8), to: path, mode: mode)
                #expect(try host.contents(of: path) == Array(text.utf8))
                #expect(try host.status(of: path) == FileStatus(isFolder: false, mode: mode, owner: geteuid()))
            }
            // A link stays one, and what it leads to changes.
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "file")
            try host.write([1], to: folder + "/link", mode: 0o600)
            #expect(try host.contents(of: path) == [1])
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/link") == "file")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["file", "link"])
            // What is not empty stays, what is not there is no error.
            try host.remove(folder)
            #expect(try host.status(of: folder)?.isFolder == true)
            try host.remove(folder + "/link")
            try host.remove(folder + "/link")
            #expect(try host.contents(of: path) == [1])
            try host.removeTree(folder)
            try host.removeTree(folder)
            #expect(try host.status(of: folder) == nil)
        }
    }

    @Test
    func links() async throws {
        try await withFolder { folder in
            let folder = host.resolved(folder)
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: folder)
            try FileManager.default.createSymbolicLink(atPath: folder + "/lost", withDestinationPath: "nowhere")
            #expect(host.resolved(folder + "/link/link") == folder)
            #expect(host.resolved(folder + "/link/a/b") == folder + "/a/b")
            #expect(host.resolved(folder + "/lost") == folder + "/lost")
            #expect(host.resolved("/no-such-folder/file") == "/no-such-folder/file")
            #expect(host.resolved("/") == "/")
            #expect(mkfifo(folder + "/pipe", 0o600) == 0)
            #expect(try host.status(of: folder + "/pipe")?.isRegular == false)
        }
    }

    @Test
    func oneSetUpAtATime() async throws {
        try await withFolder { folder in
            let path = folder + "/lock"
            var first: SetupLock? = try SetupLock(path: path)
            #expect(
                throws: SetupError.refused(operation: "set up this host", reason: "another set-up of it is at work")
            ) {
                try SetupLock(path: path)
            }
            withExtendedLifetime(first) {}
            first = nil
            #expect(try host.status(of: path) == nil)
            _ = try SetupLock(path: path)
        }
    }

    @Test
    func aUnitByTheKernelsName() {
        let octets: [UInt8] = [0x60, 0x01, 0x40, 0x5A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0B]
        func unit(_ association: DeviceIdentifier.Association) -> [DeviceIdentifier] {
            [
                .init(codeSet: 2, association: .logicalUnit, kind: .t10Vendor, value: octets),
                .init(codeSet: 1, association: association, kind: .naa, value: octets),
            ]
        }
        #expect(LinuxHost.isName("naa.6001405a00000000000000000000000b", amongst: unit(.logicalUnit)))
        #expect(!LinuxHost.isName("naa.6001405a00000000000000000000000c", amongst: unit(.logicalUnit)))
        // All units behind a port have that one.
        #expect(!LinuxHost.isName("naa.6001405a00000000000000000000000b", amongst: unit(.targetPort)))
        #expect(!LinuxHost.isName("naa.", amongst: unit(.logicalUnit)) && !LinuxHost.isName("naa.", amongst: []))
        // Every tgtd's first unit has this one; a locally assigned one is anybody's, too.
        for value: [UInt8] in [
            [0x60, 0, 0, 0, 0, 0, 0, 0, 0x0E, 0, 0, 0, 0, 1, 0, 1], [0x30, 0, 0, 0, 0, 0, 0, 1],
        ] {
            let name = "naa." + value.map { String($0 >> 4, radix: 16) + String($0 & 0xF, radix: 16) }.joined()
            let unit = DeviceIdentifier(codeSet: 1, association: .logicalUnit, kind: .naa, value: value)
            #expect(!LinuxHost.isName(name, amongst: [unit]))
        }
    }

    @Test
    func whatCannotBeDone() async throws {
        try await withFolder { folder in
            #expect(throws: SetupError.self) { try host.contents(of: folder) }
            #expect(throws: SetupError.self) { try host.makeFolder(folder + "/a/b", mode: 0o700) }
            #expect(throws: SetupError.self) { try host.write([], to: folder + "/a/b", mode: 0o600) }
            #expect(throws: SetupError.self) { try host.makeFolder(folder, mode: 0o700) }
            _ = FileManager.default.createFile(
                atPath: folder + "/long", contents: Data(count: LinuxHost.maximumFile + 1))
            #expect(throws: SetupError.self) { try host.contents(of: folder + "/long") }
            // A file at which nobody writes does not hold us up.
            #expect(mkfifo(folder + "/pipe", 0o600) == 0)
            let read = try host.contents(of: folder + "/pipe")
            #expect(read == [])
        }
    }

    @Test
    func programs() async throws {
        #expect(host.program("sh") != nil && host.program("no-such-program") == nil)
        #expect(try await host.run("sh", ["-c", "echo out; echo err >&2; exit 3"]).words == "status 3; err; out")
        await #expect(throws: SetupError.program(command: "no-such-program", reason: "it is not installed")) {
            try await host.run("no-such-program", [])
        }
        #expect(host.hasAccount("root") && !host.hasAccount("no-such-account"))
    }

    @Test
    func listening() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port =
            withUnsafeMutablePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    bind(descriptor, address, length) == 0 && listen(descriptor, 1) == 0
                        && getsockname(descriptor, address, &length) == 0
                }
            } ? Int(UInt16(bigEndian: name.sin_port)) : 0
        try #require(port != 0)
        #expect(host.canListen(address: "127.0.0.1", port: port) == .inUse)
        #expect(host.canListen(address: "127.0.0.1", port: 0) == .free)
        #expect(host.canListen(address: "192.0.2.1", port: 0) == .foreignAddress)
    }

    @Test
    func disksThatAreNotThere() async throws {
        let image = try #require(try? SetupAnswersTests.target("/nonexistent/disk.img"))
        #expect(await host.disk(image, credentials: nil).problem?.contains("there is no such file") == true)
        let device = try #require(try? SetupAnswersTests.target("/dev/no-such-disk"))
        #expect(await host.disk(device, credentials: nil).isUsable == false)
    }
}
