import Foundation

/// A Kerberos realm for one run: MIT's krb5kdc in a folder, on a loopback port, with one service and one user, who has his ticket.
///
/// Nothing of this host's own Kerberos is read or written.
struct KerberosRealm {
    static let realm = "BENCH.TEST"
    static let host = "node.bench.test"
    /// Samba's server looks for a system user of this name; this one exists everywhere.
    static let user = "root"

    private static let password = "N0t-a-secret"
    private static let address = "127.0.0.1"
    private static let server = "/usr/sbin/krb5kdc"
    private static let database = "/usr/sbin/kdb5_util"
    private static let administration = "/usr/sbin/kadmin.local"
    private static let logon = "/usr/bin/kinit"

    /// What a program that is to find the realm, and the user's ticket, has in its environment.
    let environment: [String: String]
    /// The service's keys.
    let keytab: String
    private let program: Program

    /// Why there can be no realm here; nil if there can.
    static var obstacle: String? {
        for (path, package) in [
            (server, "krb5-kdc"), (database, "krb5-kdc"), (administration, "krb5-admin-server"), (logon, "krb5-user"),
        ] where !FileManager.default.isExecutableFile(atPath: path) {
            return "\(path) is not installed (Debian's \(package) package)"
        }
        return nil
    }

    static func start(in folder: String) async throws -> KerberosRealm {
        let port = try Port.free(on: address)
        let files = ["krb5.conf": clients(port), "kdc.conf": services(port, folder)]
        for (name, text) in files {
            try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
        }
        let environment = [
            "KRB5_CONFIG": folder + "/krb5.conf", "KRB5_KDC_PROFILE": folder + "/kdc.conf",
            "KRB5RCACHENAME": "file2:\(folder)/replay", "KRB5CCNAME": "FILE:\(folder)/ccache",
        ]
        let keytab = folder + "/services.keytab"
        func run(_ program: String, _ arguments: [String], input: String = "") throws {
            try Program.run(
                program, arguments, input: input, log: folder + "/preparation.log", environment: environment)
        }
        try run(database, ["create", "-s", "-P", "master", "-r", realm])
        for query in [
            "addprinc -pw \(password) \(user)@\(realm)",
            // Its tickets say nothing of groups: outside of a domain, Samba's server refuses those that do.
            "addprinc -randkey +no_auth_data_required host/\(host)@\(realm)",
            "ktadd -k \(keytab) -norandkey host/\(host)@\(realm)",
        ] {
            try run(administration, ["-r", realm, "-q", query])
        }
        let log = folder + "/kdc.log"
        let program = try Program(server, ["-n", "-r", realm], log: log, environment: environment)
        do {
            _ = try await Port.wait(for: port, on: address, of: program, log: log)
            try run(logon, ["\(user)@\(realm)"], input: password + "\n")
        } catch {
            program.stop()
            throw error
        }
        return KerberosRealm(environment: environment, keytab: keytab, program: program)
    }

    /// What makes the daemon the realm's service, and the user its administrator.
    var daemonArguments: [String] {
        [
            "--fqdn", Self.host, "--kerberos-keytab", keytab, "--kerberos-administrators",
            "\(Self.user)@\(Self.realm)",
        ]
    }

    func stop() {
        program.stop()
    }

    private static func clients(_ port: UInt16) -> String {
        """
        [libdefaults]
            default_realm = \(realm)
            dns_lookup_kdc = false
            dns_lookup_realm = false
            dns_canonicalize_hostname = false
            rdns = false
            udp_preference_limit = 1
        [realms]
            \(realm) = {
                kdc = \(address):\(port)
            }
        [domain_realm]
            .\(realm.lowercased()) = \(realm)
            \(realm.lowercased()) = \(realm)

        """
    }

    private static func services(_ port: UInt16, _ folder: String) -> String {
        """
        [kdcdefaults]
            kdc_listen = \(address):\(port)
            kdc_tcp_listen = \(address):\(port)
        [realms]
            \(realm) = {
                database_name = \(folder)/principal
                key_stash_file = \(folder)/stash
                acl_file = \(folder)/acl
                master_key_type = aes256-cts-hmac-sha1-96
                supported_enctypes = aes256-cts-hmac-sha1-96:normal
            }
        [logging]
            kdc = FILE:\(folder)/requests.log

        """
    }
}
