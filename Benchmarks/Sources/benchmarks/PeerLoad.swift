import Foundation

/// The daemon and Samba's server under the same clients, in turns: python3-samba, each client a process of its own.
struct PeerLoad {
    let duration: Duration
    let rounds: Int
    let folder: String

    /// How calls are protected, and by whom.
    private struct Protection {
        let name: String
        /// As Samba's bindings say it.
        let options: String
        /// Nil for the servers' own accounts.
        var realm: KerberosRealm?

        static let own = [
            Protection(name: "plain", options: ""), Protection(name: "signed", options: ",sign"),
            Protection(name: "sealed", options: ",seal"),
        ]

        static func sealed(_ realm: KerberosRealm) -> Protection {
            Protection(
                name: "sealed Kerberos", options: ",krb5,seal,target_hostname=\(KerberosRealm.host)", realm: realm)
        }
    }

    /// What one run of the clients told.
    private struct Sample: Decodable {
        let calls: Double
        let microseconds: Double
        /// Of these, those in the kernel.
        let kernel: Double
    }

    private static let processCounts = [1, 8, 32]
    /// The octets of a sealed request and of its response.
    private static let sizes = (request: 48, response: 64)
    private static let python = "/usr/bin/python3"
    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Clients/management_load.py").path

    /// Why it cannot be measured here; nil if it can.
    static func obstacle(in folder: String) -> String? {
        if let reason = SambaServer.obstacle { return reason }
        do {
            try Program.run(
                python, [script, "version", "0", "0", "", "", "0"], input: "\n", log: folder + "/client.log")
            return nil
        } catch {
            return "its Python modules cannot be loaded (Debian's python3-samba package)"
        }
    }

    func run() async throws -> Report {
        var report = Report(rounds: rounds, seconds: duration.seconds)
        report.columns = [ClusPrepDaemon.name, SambaServer.name]
        if let reason = Self.obstacle(in: folder) {
            report.note("Samba was left out: \(reason).")
            return report
        }
        try await measure(Protection.own, nil, &report)
        if let reason = KerberosRealm.obstacle {
            report.note("Kerberos was left out: \(reason).")
        } else {
            let realm = try await KerberosRealm.start(in: subfolder("realm"))
            defer { realm.stop() }
            try await measure([.sealed(realm)], realm, &report)
        }
        try measureFloor(&report)
        report.note(
            "Calls are rpc_mgmt_is_server_listening by python3-samba, \(rounds) rounds in turns; behind a ratio, the least and "
                + "the greatest of a single round. Kerberos is with AES-256 and SHA-1. The floor sends "
                + "\(Self.sizes.request) octets and gets \(Self.sizes.response) back, between threads that do nothing "
                + "else; its time is that of the answering thread.")
        return report
    }

    private func subfolder(_ name: String) throws -> String {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// Both servers, with a realm's keys if there is one.
    private func measure(
        _ protections: [Protection], _ realm: KerberosRealm?, _ report: inout Report
    ) async throws {
        let suffix = realm == nil ? "" : "-kerberos"
        let daemon = try await ClusPrepDaemon.start(in: subfolder(ClusPrepDaemon.name + suffix), realm: realm)
        defer { daemon.stop() }
        let samba = try await SambaServer.start(in: subfolder(SambaServer.name + suffix), realm: realm)
        defer { samba.stop() }
        for protection in protections {
            for count in Self.processCounts {
                try measure(protection, count, daemon, samba, &report)
            }
        }
    }

    private func measure(
        _ protection: Protection, _ count: Int, _ daemon: ClusPrepDaemon, _ samba: SambaServer,
        _ report: inout Report
    ) throws {
        var own: [Sample] = []
        var peer: [Sample] = []
        for _ in 0..<rounds {
            own.append(try sample(daemon, protection, count))
            peer.append(try sample(samba, protection, count))
        }
        let label = "\(protection.name), \(count) \(count == 1 ? "client" : "clients")"
        for (name, samples) in [(ClusPrepDaemon.name, own), (SambaServer.name, peer)] {
            report.set(label, name, .calls, Statistics.median(samples.map(\.calls)))
            report.set(
                "\(label): the server's time", name, .microseconds, Statistics.median(samples.map(\.microseconds)))
            report.set(
                "\(label): of it in the kernel", name, .microseconds, Statistics.median(samples.map(\.kernel)))
        }
        report.set(label, ratios: zip(own, peer).map { $0.calls / $1.calls })
        report.set("\(label): the server's time", ratios: zip(own, peer).map { $0.microseconds / $1.microseconds })
    }

    private func sample(_ subject: any PeerSubject, _ protection: Protection, _ count: Int) throws -> Sample {
        let log = folder + "/client.log"
        let binding = "ncacn_ip_tcp:\(subject.address)[\(subject.port)\(protection.options)]"
        // With a realm, there is a ticket instead of a password.
        let account =
            protection.realm == nil
            ? subject.account : (domain: KerberosRealm.realm, user: KerberosRealm.user, password: "")
        try Program.run(
            Self.python,
            [
                Self.script, binding, "\(count)", "\(duration.seconds)", account.domain, account.user,
                "\(subject.processes.root)",
            ], input: account.password + "\n", log: log, environment: protection.realm?.environment ?? [:])
        let output = try String(contentsOfFile: log, encoding: .utf8)
        guard let line = output.split(separator: "\n").last else { throw BenchmarkFailure("the clients said nothing") }
        return try JSONDecoder().decode(Sample.self, from: Data(line.utf8))
    }

    private func measureFloor(_ report: inout Report) throws {
        for count in Self.processCounts {
            let results = try (0..<rounds).map { _ in
                try PingPong.run(
                    for: duration, request: Self.sizes.request, response: Self.sizes.response, pairs: count)
            }
            let label = "TCP ping-pong, \(count) \(count == 1 ? "pair" : "pairs")"
            report.set(label, .machine, Statistics.median(results.map(\.rounds)))
            report.set(
                "\(label): the answering thread's time", .microseconds, Statistics.median(results.map(\.microseconds)))
        }
    }
}

/// A server with one user, whom a foreign client can be told of.
protocol PeerSubject: Subject {
    var account: (domain: String, user: String, password: String) { get }
}
