import ArgumentParser
import Foundation
import Security

/// `clusprep setup keytab`: what to ask the domain for, so that clients can log on by Kerberos.
struct KeytabCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keytab",
        abstract: "Prints what to ask the domain for, so that clients can log on by Kerberos; or checks a keytab.",
        discussion: """
            Nothing is changed, neither here nor in the domain.

              clusprep setup keytab --fqdn beta.example.com --realm EXAMPLE.COM
              clusprep setup keytab --check /etc/clusprep.keytab --fqdn beta.example.com

            The exit status is 0, or 1 where the keytab that was checked is not good for this node.
            """)

    @Option(
        help: ArgumentHelp(
            "The node's full name, by which clients call it; this host's if left out.", valueName: "name"))
    var fqdn: String?

    @Option(help: ArgumentHelp("The Kerberos realm; the domain's name in capitals if left out.", valueName: "realm"))
    var realm: String?

    @Option(help: ArgumentHelp("Look into this keytab, and say what it lacks.", valueName: "file"))
    var check: String?

    @Flag(help: "With --check: count RC4 keys, too.")
    var allowRC4 = false

    func validate() throws {
        guard plan != nil else {
            throw ValidationError("--fqdn needs the node's full name, such as beta.example.com")
        }
        guard check != nil || !allowRC4 else { throw ValidationError("--allow-rc4 needs --check FILE") }
    }

    func run() throws {
        guard let plan else { throw ExitCode.failure }
        guard let check else {
            print(plan.request)
            return
        }
        let entries: [KerberosKeytab.Entry]
        do {
            entries = try KerberosKeytab(path: check, allowsRC4: allowRC4).entries
        } catch {
            Terminal.complain("\(error)")
            throw ExitCode.failure
        }
        for entry in entries { print("\(entry.principal)  version \(entry.version)  \(entry.type)") }
        let missing = plan.missing(from: entries)
        guard missing.isEmpty else {
            Terminal.complain("no usable keys of \(missing.joined(separator: ", "))")
            throw ExitCode.failure
        }
    }

    /// Nil where the node's name has no domain and no realm was given.
    private var plan: KeytabPlan? {
        KeytabPlan(fqdn: fqdn ?? ProcessInfo.processInfo.hostName, realm: realm)
    }
}

/// The principals that a node needs, and how the domain makes them.
struct KeytabPlan: Equatable {
    let fqdn: String
    let realm: String

    /// - Parameter realm: nil for the name's domain in capitals.
    init?(fqdn: String, realm: String?) {
        let name = fqdn.lowercased()
        let allowed = name.unicodeScalars.allSatisfy { scalar in
            ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar) || "-._".unicodeScalars.contains(scalar)
        }
        let domain = name.drop { $0 != "." }.dropFirst()
        guard allowed, !name.hasPrefix("."), !domain.isEmpty || realm != nil else { return nil }
        self.fqdn = name
        self.realm = realm ?? domain.uppercased()
    }

    /// The node's name up to the first dot.
    var host: String { String(fqdn.prefix { $0 != "." }) }

    /// What clients ask for: Windows' DCOM for RPCSS, Samba, impacket and clusprep for host.
    var principals: [String] { ["host/\(fqdn)", "RPCSS/\(fqdn)"].map { "\($0)@\(realm)" } }

    /// Those without which clients that ask for them are refused. In a Windows domain a ticket for RPCSS is one for host (the
    /// alias is the domain's: sPNMappings), with the same key.
    func missing(from entries: [KerberosKeytab.Entry]) -> [String] {
        let names = entries.map { $0.principal.lowercased() }
        return principals.filter { !names.contains($0.lowercased()) }
    }

    /// What to ask the domain for.
    var request: String {
        """
        \(fqdn) needs these principals, all with the same account or key:

          \(principals.joined(separator: "\n  "))

        with keys of the types aes256-cts-hmac-sha1-96 and aes128-cts-hmac-sha1-96 (and those with SHA-2, where the domain has \
        them), but not of RC4.

        Active Directory, in PowerShell as a domain administrator; the account may be a user or the node's computer account:

          New-ADUser svc-\(host) -AccountPassword (Read-Host -AsSecureString) -Enabled $true -KerberosEncryptionType AES128,AES256
          setspn -S host/\(fqdn) svc-\(host)
          setspn -S RPCSS/\(fqdn) svc-\(host)
          ktpass /princ host/\(fqdn)@\(realm) /mapuser svc-\(host) /crypto AES256-SHA1 /ptype KRB5_NT_PRINCIPAL /pass * /out clusprep.keytab
          ktpass /princ RPCSS/\(fqdn)@\(realm) /mapuser svc-\(host) /crypto AES256-SHA1 /ptype KRB5_NT_PRINCIPAL /pass * /in clusprep.keytab /out clusprep.keytab -setupn -setpass

        Active Directory, on the node where it has joined by adcli:

          adcli update --service-name=host --service-name=RPCSS --host-keytab=/etc/clusprep.keytab

        Samba, on a domain controller:

          samba-tool user create svc-\(host) --random-password
          samba-tool spn add host/\(fqdn) svc-\(host)
          samba-tool spn add RPCSS/\(fqdn) svc-\(host)
          samba-tool domain exportkeytab clusprep.keytab --principal=host/\(fqdn)@\(realm)
          samba-tool domain exportkeytab clusprep.keytab --principal=RPCSS/\(fqdn)@\(realm)

        MIT Kerberos, in kadmin:

          addprinc -randkey -e aes256-cts:normal,aes128-cts:normal host/\(fqdn)
          addprinc -randkey -e aes256-cts:normal,aes128-cts:normal RPCSS/\(fqdn)
          ktadd -k clusprep.keytab host/\(fqdn) RPCSS/\(fqdn)

        Then, on the node:

          install -m 600 clusprep.keytab /etc/clusprep.keytab
          clusprep setup keytab --check /etc/clusprep.keytab --fqdn \(fqdn) --realm \(realm)
          clusprepd --kerberos-keytab /etc/clusprep.keytab --kerberos-administrators admin@\(realm) ...
        """
    }
}
