import Configuration
import Foundation
import Reservations
import Testing

@testable import clusprepd

/// Where settings come from, which source wins, and that nothing wrong passes for a default.
struct SettingsTests {
    static let host = Settings.Host(name: "alpha.example.org", release: "6.1.0-18-amd64")

    static func load(
        _ arguments: [String] = [], environment: [String: String] = [:]
    ) async throws -> Settings {
        guard case .run(let flags) = try CommandLineFlags.parse(arguments) else {
            Issue.record("not a run")
            return Settings(host: host)
        }
        return try await Settings.load(flags: flags, environment: environment, host: host)
    }

    /// A file with the text, gone after the body.
    static func withFile<T>(_ text: String, _ body: (String) async throws -> T) async throws -> T {
        let path = NSTemporaryDirectory() + "settings-\(UUID().uuidString).json"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }

    @Test
    func defaults() async throws {
        let settings = try await Self.load()
        #expect(settings == Settings(host: Self.host))
        #expect(settings.nodeName == "alpha")
        #expect(settings.fqdn == "alpha.example.org")
        #expect(settings.domain == "ALPHA")
        #expect(settings.presentedVersion.major == 6)
        #expect(settings.presentedVersion.minor == 1)
        #expect(settings.endpointMapperPort == 135)
        #expect(settings.pingPeriod == .seconds(120))
    }

    @Test
    func flagBeatsEnvironmentBeatsFile() async throws {
        let file =
            #"{"domain": "FILE", "nodeName": "filenode", "exporterPort": 5000, "disks": ["/a,b", "/c"], "ready": true}"#
        let settings = try await Self.withFile(file) { path in
            try await Self.load(
                ["--config", path, "--domain=FLAG"],
                environment: ["CLUSPREPD_DOMAIN": "ENV", "CLUSPREPD_NODE_NAME": "envnode", "PATH": "/bin"])
        }
        #expect(settings.domain == "FLAG")
        #expect(settings.nodeName == "envnode")
        #expect(settings.exporterPort == 5000)
        #expect(settings.disks == [.image("/a,b"), .image("/c")])
        #expect(settings.ready)
    }

    @Test
    func disksOfEveryKind() async throws {
        let unit = "iscsi://san.example.org/iqn.2024-01.org.example:fast/3"
        let settings = try await Self.load([
            "--disks", unit, "--disks=/dev/sdb", "--disks", "/x", "--local-disks", "none",
        ])
        #expect(settings.disks == [try DiskTarget(parsing: unit), .local("/dev/sdb"), .image("/x")])
        #expect(!settings.listsLocalDisks)
        #expect(try await Self.load().listsLocalDisks)
        for wrong in [
            ["--disks", "iscsi://user%secret@san/iqn.2024-01.org.example:fast/3"],
            ["--disks", "/x", "--disks", "/./x"],
            ["--local-disks", "some"],
        ] {
            await #expect(throws: StartupError.self) { try await Self.load(wrong) }
        }
    }

    @Test("One disk has one number, whatever it is called")
    func oneDiskByTwoNames() async throws {
        let folder = NSTemporaryDirectory() + "disks-\(UUID().uuidString)"
        let files = FileManager.default
        try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: folder) }
        for name in ["a", "c"] { try Data().write(to: URL(fileURLWithPath: "\(folder)/\(name).img")) }
        try files.createSymbolicLink(atPath: folder + "/b.img", withDestinationPath: "a.img")
        try files.linkItem(atPath: folder + "/a.img", toPath: folder + "/d.img")
        let unit = "iscsi://san/iqn.2024-01.org.example:fast/3"
        for (first, second) in [
            (folder + "/a.img", folder + "/b.img"), (folder + "/d.img", folder + "/a.img"),
            (unit, unit + "?timeout=60"),
            (unit, "iscsi://192.0.2.1/iqn.2024-01.org.example:fast/3"),
        ] {
            await #expect(throws: StartupError.self) { try await Self.load(["--disks", first, "--disks", second]) }
        }
        for (first, second) in [
            (unit, unit + "1"), (folder + "/a.img", folder + "/c.img"), (folder + "/x.img", folder + "/y.img"),
            ("/dev/no-such-disk", "/dev/nor-such-a-one"), (unit, folder + "/a.img"),
        ] {
            #expect(try await Self.load(["--disks", first, "--disks", second]).disks.count == 2)
        }
    }

    @Test
    func listsFromEverySource() async throws {
        let flags = try await Self.load(["--disks", "/x,y", "--disks=/z", "--listen", "::1"])
        #expect(flags.disks == [.image("/x,y"), .image("/z")])
        #expect(flags.listen == ["::1"])
        let variables = try await Self.load(environment: ["CLUSPREPD_DISKS": "/x,/z"])
        #expect(variables.disks == [.image("/x"), .image("/z")])
    }

    @Test("Clients are told the node's names and addresses, those that are advertised and none that stands for all")
    func bindings() async throws {
        let settings = try await Self.load([
            "--node-name", "node1", "--fqdn", "node1.lab.test", "--listen", "0.0.0.0", "--listen", "192.0.2.7",
            "--advertise", "alias.lab.test", "--advertise", "2001:DB8::7",
        ])
        #expect(settings.bindingNames == ["node1.lab.test", "node1", "alias.lab.test"])
        #expect(settings.bindingAddresses == ["192.0.2.7", "2001:db8::7"])
        await #expect(throws: StartupError.self) { try await Self.load(["--advertise", "not a name"]) }
    }

    @Test
    func aNodeNameCarriesItsOwnDefaults() async throws {
        let settings = try await Self.load(["--node-name", "beta"])
        #expect(settings.fqdn == "beta")
        #expect(settings.domain == "BETA")
        let same = try await Self.load(["--node-name", "ALPHA"])
        #expect(same.fqdn == "alpha.example.org")
    }

    @Test(arguments: [
        ["--exporter-port", "65535"], ["--endpoint-mapper-port", "0"], ["--ping-period", "1"],
        ["--presented-version", "10.0"], ["--log-level", "DEBUG"], ["--node-name", "abcdefghijklmno"],
        ["--challenge-time", "6.1"],
    ])
    func accepted(_ arguments: [String]) async throws {
        _ = try await Self.load(arguments)
    }

    @Test(arguments: [
        ["--exporter-port", "65536"], ["--exporter-port", "-1"], ["--exporter-port", "x"], ["--ping-period", "0.9"],
        ["--presented-version", "ten"], ["--log-level", "loud"], ["--node-name", "abcdefghijklmnop"],
        ["--node-name", ""], ["--node-name", "a b"], ["--challenge-time", "6"],
    ])
    func badValue(_ arguments: [String]) async throws {
        let error = await #expect(throws: StartupError.self) { try await Self.load(arguments) }
        #expect(error?.exitStatus == 78)
    }

    @Test(arguments: [
        ["--no-such-thing"], ["stray"], ["--domain"], ["--domain", "A", "--domain", "B"], ["--ready=maybe"],
    ])
    func badUsage(_ arguments: [String]) {
        let error = #expect(throws: StartupError.self) { try CommandLineFlags.parse(arguments) }
        #expect(error?.exitStatus == 64)
    }

    @Test
    func unknownNamesElsewhere() async throws {
        await #expect(throws: StartupError.self) { try await Self.load(environment: ["CLUSPREPD_DOMIAN": "X"]) }
        _ = try await Self.withFile(#"{"domian": "X"}"#) { path in
            await #expect(throws: StartupError.badFile(path: path, reason: "there is no setting \"domian\"")) {
                try await Self.load(["--config", path])
            }
        }
        _ = try await Self.withFile(#"{"domain": ["#) { path in
            await #expect(throws: StartupError.self) { try await Self.load(["--config", path]) }
        }
        await #expect(throws: StartupError.self) { try await Self.load(["--config", "/nonexistent/file.json"]) }
    }

    @Test
    func wrongTypeInAFile() async throws {
        for text in [#"{"domain": true}"#, #"{"disks": 7}"#, #"{"ready": "perhaps"}"#, #"{"exporterPort": [1]}"#] {
            _ = try await Self.withFile(text) { path in
                await #expect(throws: StartupError.self, "\(text)") { try await Self.load(["--config", path]) }
            }
        }
    }

    @Test
    func helpNamesEverySetting() throws {
        #expect(try CommandLineFlags.parse(["--ready", "--help"]) == .help)
        #expect(try CommandLineFlags.parse(["--version"]) == .version)
        for setting in Setting.all {
            #expect(CommandLineFlags.help.contains(setting.flag))
        }
        #expect(Setting.endpointMapperPort.flag == "--endpoint-mapper-port")
        #expect(Setting.endpointMapperPort.variable == "CLUSPREPD_ENDPOINT_MAPPER_PORT")
    }
}
