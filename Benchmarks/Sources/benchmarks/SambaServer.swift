import Foundation
import Security

/// samba-dcerpcd with its helper processes, on an address of its own: its endpoint mapper's port is fixed.
struct SambaServer: PeerSubject {
    static let name = "samba-dcerpcd"

    private static let host = "127.0.0.9"
    private static let password = "N0t-a-secret"
    private static let program = "/usr/libexec/samba/samba-dcerpcd"
    private static let accounts = "/usr/bin/smbpasswd"

    let address = SambaServer.host
    let port: UInt16 = 135
    let servingSince: ContinuousClock.Instant
    let preparation: Duration
    private let server: Program

    var processes: ProcessTree { ProcessTree(root: server.identifier) }
    var account: (domain: String, user: String, password: String) { ("PEER", "root", Self.password) }

    /// Why it cannot be measured here; nil if it can.
    static var obstacle: String? {
        for path in [program, accounts] where !FileManager.default.isExecutableFile(atPath: path) {
            return "\(path) is not installed (Debian's samba package)"
        }
        guard geteuid() == 0 else { return "it needs root" }
        return Port.obstacle(135, on: host)
    }

    static func start(in folder: String) async throws -> SambaServer {
        try await start(in: folder, realm: nil)
    }

    /// Starts it with a realm's keys, if there is one.
    static func start(in folder: String, realm: KerberosRealm?) async throws -> SambaServer {
        let begin = ContinuousClock.now
        let configuration = try configure(folder, realm)
        // The account of a system user that exists everywhere.
        try Program.run(
            accounts, ["-c", configuration, "-s", "-a", "root"], input: "\(password)\n\(password)\n",
            log: folder + "/account.log")
        let log = folder + "/log"
        let preparation = ContinuousClock.now - begin
        let server = try Program(
            program,
            [
                "--libexec-rpcds", "--configfile=\(configuration)", "-F", "--no-process-group", "-d", "0",
                "--debug-stdout",
            ],
            log: log, environment: realm?.environment ?? [:])
        do {
            let since = try await Port.wait(for: 135, on: host, of: server, log: log)
            return SambaServer(servingSince: since, preparation: preparation, server: server)
        } catch {
            server.stop()
            throw error
        }
    }

    private static func configure(_ folder: String, _ realm: KerberosRealm?) throws -> String {
        var lines = [
            "[global]", "workgroup = BENCH", "netbios name = PEER", "server role = standalone server",
            "passdb backend = tdbsam:\(folder)/private/passdb.tdb", "interfaces = \(host)/8",
            "bind interfaces only = yes", "rpc start on demand helpers = no",
        ]
        if let realm {
            lines += [
                "realm = \(KerberosRealm.realm)", "kerberos method = dedicated keytab",
                "dedicated keytab file = FILE:\(realm.keytab)",
            ]
        }
        for (option, name) in [
            ("private dir", "private"), ("state directory", "state"), ("cache directory", "cache"),
            ("lock directory", "lock"), ("pid directory", "pid"), ("ncalrpc dir", "ncalrpc"),
        ] {
            let path = folder + "/" + name
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
            lines.append("\(option) = \(path)")
        }
        let path = folder + "/smb.conf"
        try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    func stop() {
        server.stop()
    }

    func initiator() throws -> any SecurityInitiator {
        try NTLMInitiator(domain: "PEER", user: "root", password: Self.password, targetName: "host/\(address)")
    }
}
