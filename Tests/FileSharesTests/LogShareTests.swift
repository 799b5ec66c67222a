import ErrorCodes
import Foundation
import Logging
import TestSupport
import Testing

@testable import FileShares

/// With a real smbd, and smbclient as the judge of who may read what.
@Suite(.offThePool, .serialized, .enabled(if: SambaServer.isAvailable, "run as root, and install samba and smbclient"))
struct LogShareTests {
    /// The group that the account nobody is in.
    private static let group = getpwnam("nobody").map { $0.pointee.pw_gid } ?? 65534

    private func share(
        _ server: SambaServer, name: String = "a", _ change: (inout LogShare.Configuration) -> Void = { _ in }
    ) throws -> LogShare {
        let state = "\(server.folder)/\(name)"
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        var configuration = LogShare.Configuration(
            stateFolder: state, folder: "\(server.folder)/logs", addresses: server.addresses.compactMap(IPAddress.init),
            probe: probe, searchPath: SambaServer.searchPath)
        configuration.group = Self.group
        configuration.port = server.port
        configuration.sambaConfiguration = server.configurationFile
        configuration.commandTime = .seconds(600)
        configuration.connectionTime = .seconds(600)
        change(&configuration)
        return LogShare(
            configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A log file as the node makes it.
    private func file(_ server: SambaServer) throws {
        let path = server.folder + "/logs/node.log"
        try "a line\n".write(toFile: path, atomically: false, encoding: .utf8)
        chown(path, 0, Self.group)
        chmod(path, 0o640)
    }

    @Test("The group's members read the share, nobody writes to it, others do not get in; it goes with its end")
    func lifeOfTheShare() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        try server.addAccount("nobody", password: "reader")
        try server.addAccount("daemon", password: "stranger")
        let share = try share(server)
        await share.open()
        #expect(try await share.name() == "clusprep-logs")
        try file(server)
        let path = "clusprep-logs"
        #expect(try server.smbclient(path, "nobody", "reader", "get node.log -").output.contains("a line"))
        for command in ["put /etc/hostname mine.log", "del node.log", "mkdir x", "rename node.log other.log"] {
            let answer = try server.smbclient(path, "nobody", "reader", command).output
            #expect(
                answer.contains("NT_STATUS_ACCESS_DENIED") || answer.contains("NT_STATUS_MEDIA_WRITE_PROTECTED"),
                "\(answer)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: server.folder + "/logs") == ["node.log"])
        for (user, password) in [("daemon", "stranger"), ("nobody", "wrong"), ("", "")] {
            let answer = try server.smbclient(path, user, password, "get node.log -")
            #expect(answer.status != 0 && !answer.output.contains("a line"), "\(user): \(answer)")
        }
        await share.close()
        #expect(try server.usershares.isEmpty)
        #expect(try server.smbclient(path, "nobody", "reader", "ls").status != 0)
        #expect(FileManager.default.fileExists(atPath: server.folder + "/logs/node.log"))
        await #expect(throws: FileShareError.stopped) { try await share.name() }
    }

    @Test("What a crash leaves is replaced by the next start, also under another name")
    func crash() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        await (try share(server)).open()
        #expect(try server.usershares == ["clusprep-logs"])
        let next = try share(server) { $0.name = "other-logs" }
        await next.open()
        #expect(try server.usershares == ["other-logs"])
        #expect(try await next.name() == "other-logs")
        await next.close()
        #expect(try server.usershares.isEmpty)
        #expect(try ShareJournal(folder: server.folder + "/a", name: "log-share.json").read().isEmpty)
    }

    @Test("A share that somebody else has under that name is left alone")
    func taken() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let first = try share(server)
        await first.open()
        let second = try share(server, name: "b") { $0.folder = "\(server.folder)/other" }
        await second.open()
        await #expect(throws: FileShareError.shareTaken(name: "clusprep-logs")) { try await second.name() }
        await second.close()
        #expect(try server.usershares == ["clusprep-logs"])
        await first.close()
    }

    @Test("Without Samba, or without a server that answers, there is an error that says so")
    func noServer() async throws {
        let server = try SambaServer()
        let without = try share(server, name: "b") { $0.searchPath = "/nonexistent" }
        await without.open()
        do {
            _ = try await without.name()
            Issue.record("there is no Samba")
        } catch let error as FileShareError {
            #expect(error.hresult.rawValue == 0x8007_0424)
        }
        let share = try share(server)
        await share.open()
        let silent = try self.share(server, name: "c") {
            $0.port = 1
            $0.name = "silent"
        }
        do {
            _ = try await silent.name()
            Issue.record("nobody answers")
        } catch let error as FileShareError {
            #expect(error.hresult.rawValue == 0x8007_0426)
        }
        await silent.close()
        await share.close()
        server.stop()
    }

    @Test("A folder that others may change is not shared")
    func unsafeFolder() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        mkdir(server.folder + "/logs", 0o700)
        chmod(server.folder + "/logs", 0o777)
        let share = try share(server)
        await share.open()
        #expect(try server.usershares.isEmpty)
        await #expect(throws: FileShareError.self) { try await share.name() }
    }
}

/// The helper, where the build put it: beside the tests.
private let probe = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("clusprep-smb-probe").path

extension SambaServer {
    func addAccount(_ name: String, password: String) throws {
        let input = folder + "/password"
        try "\(password)\n\(password)\n".write(toFile: input, atomically: true, encoding: .utf8)
        try run("/bin/sh", ["-c", "pdbedit -s '\(configurationFile)' -a -t -u \(name) < '\(input)'"])
    }

    func smbclient(_ share: String, _ user: String, _ password: String, _ command: String) throws
        -> (status: Int32, output: String)
    {
        try run(
            "/usr/bin/smbclient",
            ["//\(addresses[0])/\(share)", "-p", "\(port)", "-U", "\(user)%\(password)", "-E", "-c", command])
    }
}
