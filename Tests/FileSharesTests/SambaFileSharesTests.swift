import ErrorCodes
import Foundation
import Logging
import TestSupport
import Testing

@testable import FileShares

/// A node's service beside an smbd.
private func service(
    _ server: SambaServer, name: String = "a", _ change: (inout SambaFileShares.Configuration) -> Void = { _ in }
) throws -> SambaFileShares {
    let state = "\(server.folder)/\(name)"
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    var configuration = SambaFileShares.Configuration(
        stateFolder: state, addresses: server.addresses.compactMap(IPAddress.init), probe: probe,
        searchPath: SambaServer.searchPath)
    configuration.shareFolder = server.folder + "/shares"
    configuration.user = "nobody"
    configuration.port = server.port
    configuration.sambaConfiguration = server.configurationFile
    configuration.commandTime = .seconds(600)
    configuration.connectionTime = .seconds(600)
    change(&configuration)
    return SambaFileShares(
        configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
}

/// The helper, where the build put it: beside the tests.
private let probe = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("clusprep-smb-probe").path

private func share(_ octet: UInt8 = 7, reserved: String = "") throws -> TestShare {
    try TestShare(id: Array(repeating: octet, count: 16), reserved: Array(reserved.utf16))
}

private func paths(_ texts: String...) throws -> [SharePath] {
    try texts.map { try SharePath(parsing: Array($0.utf16)) }
}

/// With a real smbd, and smbclient as the judge of what it shares.
@Suite(.offThePool, .serialized, .enabled(if: SambaServer.isAvailable, "run as root, and install samba and smbclient"))
struct SambaFileSharesTests {
    @Test("A share is there for those who know the test, and gone with its last holder")
    func lifeOfAShare() async throws {
        let server = try SambaServer(addresses: ["127.0.0.1", "127.0.0.2"])
        defer { server.stop() }
        let node = try service(server)
        let share = try share(reserved: "secret")
        try await node.check()
        #expect(try await node.paths().map(\.description) == [#"\\127.0.0.1"#, #"\\127.0.0.2"#])

        let (first, second) = (ShareHolder.new(), ShareHolder.new())
        try await node.makeShare(share, for: first)
        try await node.makeShare(share, for: second)
        let seen = try server.smbclient(share)
        #expect(seen.output.contains(share.token), "\(seen)")
        #expect(try server.smbclient(share, address: "127.0.0.2").output.contains(share.token))
        #expect(try server.smbclient(share, password: "wrong").output.contains("NT_STATUS_LOGON_FAILURE"))
        #expect(try server.smbclient(share, user: "", password: "").output.contains("NT_STATUS_ACCESS_DENIED"))
        try await node.connect(to: paths(#"\\127.0.0.9"#, #"\\[fe80::1%3]"#, #"\\127.0.0.2"#), share: share)

        await node.removeShare(of: first)
        #expect(try server.smbclient(share).output.contains(share.token))
        await node.removeShare(of: first)
        #expect(try server.smbclient(share).output.contains(share.token))
        await node.removeShare(of: second)
        #expect(try server.smbclient(share).status != 0)
        #expect(try server.accounts.isEmpty)
        #expect(try server.usershares.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: server.folder + "/shares").isEmpty)
        #expect(try ShareJournal(folder: server.folder + "/a").read().isEmpty)
    }

    @Test("IPv6, whose addresses libsmbclient takes for a port", .enabled(if: SambaServer.hasIPv6))
    func ipv6() async throws {
        let server = try SambaServer(addresses: ["127.0.0.1", "::1"])
        defer { server.stop() }
        let node = try service(server)
        let share = try share()
        try await node.check()
        #expect(try await node.paths().map(\.description) == [#"\\127.0.0.1"#, #"\\[::1]"#])
        try await node.makeShare(share, for: .new())
        try await node.connect(to: paths(#"\\[0:0:0:0:0:0:0:1]"#), share: share)
        await node.stop()
    }

    @Test("One test at a time; the next may have its share when the first has gone")
    func busy() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let node = try service(server)
        let (first, second) = (ShareHolder.new(), ShareHolder.new())
        try await node.makeShare(try share(1), for: first)
        await #expect(throws: FileShareError.busy) { try await node.makeShare(try share(2), for: second) }
        // The same name with another password is another test, too.
        await #expect(throws: FileShareError.busy) {
            try await node.makeShare(try share(1, reserved: "x"), for: second)
        }
        await node.removeShare(of: first)
        try await node.makeShare(try share(2), for: second)
        #expect(try server.smbclient(try share(2)).output.contains(try share(2).token))
        await node.stop()
        #expect(try server.usershares.isEmpty)
        await #expect(throws: FileShareError.stopped) { try await node.makeShare(try share(1), for: first) }
        await #expect(throws: FileShareError.stopped) { try await node.paths() }
    }

    @Test("What leads to no share says how far it led")
    func failures() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let node = try service(server)
        let holder = ShareHolder.new()
        let share = try share()
        func failure(_ share: TestShare, _ texts: String...) async throws -> FileShareError.ConnectionFailure? {
            do {
                try await node.connect(to: texts.map { try SharePath(parsing: Array($0.utf16)) }, share: share)
                return nil
            } catch FileShareError.notReached(_, let failure) {
                return failure
            }
        }
        #expect(try await failure(share, #"\\127.0.0.1"#) == .accessDenied)
        try await node.makeShare(share, for: holder)
        #expect(try await failure(share, #"\\127.0.0.1"#) == nil)
        #expect(try await failure(share, #"\\127.0.0.3"#) == .unreachable)
        #expect(try await failure(share, #"\\[fe80::1%2]"#) == .notRoutable)
        #expect(try await failure(try self.other(share), #"\\127.0.0.1"#) == .accessDenied)
        // The file is another's, the logon is ours.
        try "something else".write(
            toFile: "\(server.folder)/shares/\(share.name)/clusprep.txt", atomically: false, encoding: .utf8)
        #expect(try await failure(share, #"\\127.0.0.3"#, #"\\127.0.0.1"#, #"\\[fe80::1%2]"#) == .wrongShare)
        try FileManager.default.removeItem(atPath: "\(server.folder)/shares/\(share.name)/clusprep.txt")
        #expect(try await failure(share, #"\\127.0.0.1"#) == .noShare)
        await node.removeShare(of: holder)
    }

    private func other(_ share: TestShare) throws -> TestShare {
        try TestShare(id: Array(repeating: 8, count: 16))
    }

    @Test("What a crash left behind is removed by the next start, and by the next share")
    func recovery() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let share = try share()
        try await service(server).makeShare(share, for: .new())
        #expect(try server.smbclient(share).output.contains(share.token))
        // Another service on the same folder is what a start after a crash is.
        await (try service(server)).recover()
        #expect(try server.usershares.isEmpty)
        #expect(try server.accounts.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: "\(server.folder)/shares/\(share.name)"))

        try await service(server).makeShare(share, for: .new())
        let late = try service(server)
        try await late.makeShare(share, for: .new())
        #expect(try server.smbclient(share).output.contains(share.token))
        await late.stop()
        #expect(try server.usershares.isEmpty)
    }

    @Test("A crash between any two steps leaves nothing that the next start does not remove", arguments: 0...3)
    func recoveryFromHalves(_ steps: Int) async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let share = try share()
        let folder = ShareFolder(path: "\(server.folder)/shares/\(share.name)")
        let samba = SambaCommands(
            configuration: server.configurationFile, searchPath: SambaServer.searchPath, timeout: .seconds(30))
        let node = try service(server)
        try ShareJournal(folder: server.folder + "/a").write([
            .init(share: share.name, folder: folder.path, account: "nobody")
        ])
        if steps > 0 { try folder.make(token: share.token) }
        if steps > 1 { try await samba.addAccount("nobody", password: share.password) }
        if steps > 2 { try await samba.addShare(share.name, folder: folder.path, user: 65534) }
        await node.recover()
        #expect(try server.usershares.isEmpty)
        #expect(try server.accounts.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: folder.path))
        #expect(try ShareJournal(folder: server.folder + "/a").read().isEmpty)
    }

    @Test("Somebody's account is left alone")
    func accountTaken() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let samba = SambaCommands(
            configuration: server.configurationFile, searchPath: SambaServer.searchPath, timeout: .seconds(30))
        try await samba.addAccount("nobody", password: .init(Array("theirs".utf8)))
        let node = try service(server)
        await #expect(throws: FileShareError.accountTaken(name: "nobody")) {
            try await node.makeShare(try share(), for: .new())
        }
        await node.recover()
        #expect(try server.accounts.contains("nobody"))
    }

    @Test("What Samba refuses is undone, and told in Samba's words")
    func refused() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let text = try String(contentsOfFile: server.configurationFile, encoding: .utf8)
        let other = server.folder + "/other.conf"
        try text.replacing("max shares = 10", with: "max shares = 0").write(
            toFile: other, atomically: true, encoding: .utf8)
        let node = try service(server) { $0.sambaConfiguration = other }
        let error = await #expect(throws: FileShareError.self) { try await node.makeShare(try share(), for: .new()) }
        #expect(try #require(error).description.contains("usershares are currently disabled"), "\(error as Any)")
        #expect(error?.hresult == Win32Error.generalFailure.hresult)
        #expect(try server.accounts.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: server.folder + "/shares").isEmpty)
    }

    @Test("An account that is not there, an address without a server, a host without Samba")
    func missing() async throws {
        let server = try SambaServer()
        defer { server.stop() }
        let noAccount = try service(server) { $0.user = "no-such-account" }
        await #expect(throws: FileShareError.noAccount(name: "no-such-account")) {
            try await noAccount.makeShare(try share(), for: .new())
        }
        let root = try service(server) {
            $0.user = "root"
            $0.sambaConfiguration = nil
        }
        await #expect(throws: FileShareError.accountIsRoot(name: "root")) {
            try await root.makeShare(try share(), for: .new())
        }
        let two = try service(server) { $0.addresses = ["127.0.0.1", "127.0.0.7"].compactMap(IPAddress.init) }
        #expect(try await two.paths().map(\.description) == [#"\\127.0.0.1"#])
        await #expect(
            throws: FileShareError.notServed(addresses: ["127.0.0.7"], port: server.port, reason: "nobody answers")
        ) { try await two.check() }
        let none = try service(server) { $0.addresses = ["127.0.0.7"].compactMap(IPAddress.init) }
        let silent = await #expect(throws: FileShareError.self) { try await none.paths() }
        // ERROR_SERVICE_NOT_ACTIVE.
        #expect(silent?.hresult.rawValue == 0x8007_0426)
        let noSamba = try service(server) { $0.searchPath = "/nowhere" }
        for call in [
            { try await noSamba.check() }, { _ = try await noSamba.paths() },
            { try await noSamba.makeShare(try share(), for: .new()) },
        ] {
            let error = await #expect(throws: FileShareError.self) { try await call() }
            // ERROR_SERVICE_DOES_NOT_EXIST.
            #expect(error?.hresult.rawValue == 0x8007_0424)
            #expect(error?.description.contains("apt-get install samba") == true)
        }
    }
}

/// What does not need a real smbd.
struct ProberTests {
    private func prober(port: UInt16, timeout: Duration = .seconds(30)) -> ShareProber {
        ShareProber(
            program: probe, home: FileManager.default.temporaryDirectory.appendingPathComponent("prober").path,
            port: port, timeout: timeout, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test("Whoever answers something else is no SMB server")
    func otherProtocol() async throws {
        let server = try SilentServer()
        let address = try #require(IPAddress("127.0.0.1"))
        for answer in [
            Array("220 mail.example ESMTP and much more text that fills the octets looked at here\r\n".utf8), [],
        ] {
            server.answerNext(answer)
            let (found, silent) = try await prober(port: server.port).answering([address])
            #expect(found.isEmpty)
            #expect(silent.map(\.failure) == [.notSMB])
        }
    }

    @Test("Strangers are met as nobody, whoever the daemon is", .enabled(if: geteuid() == 0, "needs root"))
    func privileges() async throws {
        let server = try SilentServer()
        let address = try #require(IPAddress("127.0.0.1"))
        let prober = prober(port: server.port)
        let negotiation = Task { try await prober.answering([address]) }
        #expect(try await server.ownerOfNext() == 65534)
        #expect(try await negotiation.value.found.isEmpty)
        let share = try share()
        let connection = Task { try await prober.connect(to: [SharePath(address)], share: share, user: "nobody") }
        #expect(try await server.ownerOfNext() == 65534)
        await #expect(throws: FileShareError.self) { try await connection.value }
    }

    @Test("A server that says nothing is given up")
    func silence() async throws {
        let server = try SilentServer()
        let address = try #require(IPAddress("127.0.0.1"))
        let prober = prober(port: server.port, timeout: .milliseconds(200))
        #expect(try await prober.answering([address]).silent.map(\.failure) == [.timedOut])
        await #expect(throws: FileShareError.notReached(path: #"\\127.0.0.1"#, failure: .timedOut)) {
            try await prober.connect(to: [SharePath(address)], share: try share(), user: "nobody")
        }
    }

    @Test("A cancelled connection ends at once, with its process")
    func cancellation() async throws {
        let server = try SilentServer()
        let address = try #require(IPAddress("127.0.0.1"))
        let prober = prober(port: server.port, timeout: .seconds(600))
        let task = Task { try await prober.connect(to: [SharePath(address)], share: try share(), user: "nobody") }
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
    }

    @Test("No address, no helper")
    func nothing() async throws {
        await #expect(throws: FileShareError.badPaths(reason: "none")) {
            try await prober(port: 1).connect(to: [], share: try share(), user: "nobody")
        }
        var missing = prober(port: 1)
        missing.program = "/nowhere/clusprep-smb-probe"
        let error = await #expect(throws: FileShareError.self) {
            try await missing.answering([try #require(IPAddress("127.0.0.1"))])
        }
        #expect(error?.hresult.rawValue == 0x8007_0424)
    }
}
