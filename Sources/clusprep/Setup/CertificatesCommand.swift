import ArgumentParser
import ClusterEngine
import ClusterProtocols
import Foundation
import Security

/// `clusprep setup certificates`.
struct CertificatesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificates", abstract: "Shows, makes, imports and exports a node's cluster certificates.",
        discussion: """
              clusprep setup certificates generate --type cluster-schannel --install
              clusprep setup certificates export --type cluster-schannel --certificate cluster.pem
              openssl x509 -in cluster.pem -noout -text
            """,
        subcommands: [Show.self, Generate.self, Import.self, Export.self], defaultSubcommand: Show.self)

    /// Which certificate.
    struct Kind: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                """
                Which certificate: untyped, cluster-schannel, clusterset-schannel, cluster-pku2u or clusterset-pku2u.
                """, valueName: "type"))
        var type = ClusterCertificateKind.untyped
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Lists the certificates that a node has.",
            discussion: "  clusprep setup certificates show --json")

        @Flag(help: "Print JSON: an object with the number of its schema and the list of certificates.")
        var json = false

        @OptionGroup var place: SetupNodeOptions

        func run() async throws {
            struct Listing: Encodable {
                var schema = 1
                var certificates: [CertificateEntry]
            }
            let entries = try await place.with { try await CertificateEntry.all(of: $0) }
            let terminal = Terminal.standardOutput
            if json {
                terminal.line(try Listing(certificates: entries).prettyJSON())
            } else {
                CertificateEntry.table(entries).forEach { terminal.line($0) }
            }
        }
    }

    struct Generate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "generate", abstract: "Makes a new certificate with a new private key.",
            discussion: """
                  clusprep setup certificates generate --certificate cluster.pem --key cluster.key

                The node keeps it only with --install, in place of the one before.
                """)

        @OptionGroup var kind: Kind

        @Flag(help: "Configure it on the node.")
        var install = false

        @OptionGroup var files: OutputFiles
        @OptionGroup var place: SetupNodeOptions

        func validate() throws {
            guard install || files.key != nil else {
                throw ValidationError("the new private key would be lost: give --key FILE or --install")
            }
        }

        func run() async throws {
            let kind = kind.type
            let made = try await place.with { node in
                var made = try await node.makeCertificate(kind)
                if install {
                    made.secret = try await node.certificate(kind)?.secret ?? made.secret
                    try await node.setCertificate(made, kind)
                }
                return made
            }
            try files.write(made)
            Terminal.standardOutput.line(CertificateEntry(made, kind).fingerprint)
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Configures a certificate and its private key from files.",
            discussion: """
                  clusprep setup certificates import --type cluster-schannel --certificate cluster.pem --key cluster.key

                PEM or DER; the key as PKCS #8, not encrypted. With --secret the cluster secret that goes with it is read from \
                standard input; without, it stays the one that is there.
                """)

        @OptionGroup var kind: Kind

        @Option(help: ArgumentHelp("The certificate.", valueName: "file"))
        var certificate: String

        @Option(help: ArgumentHelp("Its private key.", valueName: "file"))
        var key: String

        @Flag(help: "Read the cluster secret, of at most 32 characters, from standard input.")
        var secret = false

        @OptionGroup var place: SetupNodeOptions

        func run() async throws {
            var octets = ClusterCertificateOctets(
                certificate: try Self.read(certificate, PEM.certificate),
                privateKey: try Self.read(key, PEM.privateKey), secret: [])
            let kind = kind.type
            try await place.with { node in
                if secret {
                    octets.secret = Array(try SecretInput.read().utf16)
                    guard octets.secret.count <= ClusterCertificateOctets.secretLimit else {
                        throw CommandFailure("the cluster secret of a certificate has 32 characters at most")
                    }
                } else {
                    octets.secret = try await node.certificate(kind)?.secret ?? []
                }
                try await node.setCertificate(octets, kind)
            }
            Terminal.standardOutput.line(CertificateEntry(octets, kind).fingerprint)
        }

        private static func read(_ path: String, _ label: String) throws -> [UInt8] {
            let limit =
                label == PEM.certificate ? ClusterCertificateOctets.certificateLimit : ClusterCertificateOctets.keyLimit
            guard let file = FileManager.default.contents(atPath: path) else {
                throw CommandFailure("cannot read \(path)")
            }
            guard let octets = PEM.octets(in: file, label: label), !octets.isEmpty else {
                throw CommandFailure("there is no \(label) in \(path)")
            }
            guard octets.count <= limit else {
                throw CommandFailure("\(path) has \(octets.count) octets; the protocol has room for \(limit)")
            }
            return octets
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Writes a certificate that a node has to files.",
            discussion: """
                  clusprep setup certificates export --type cluster-schannel > cluster.pem

                Without --certificate and --key the certificate goes to standard output. Files are closed to others.
                """)

        @OptionGroup var kind: Kind
        @OptionGroup var files: OutputFiles
        @OptionGroup var place: SetupNodeOptions

        func run() async throws {
            let kind = kind.type
            guard let found = try await place.with({ try await $0.certificate(kind) }) else {
                Terminal.complain("no certificate \(kind.rawValue) was ever configured")
                throw SetupCommand.missingStatus
            }
            try files.write(found)
            guard files.certificate == nil, files.key == nil else { return }
            Terminal.write(OutputFiles.contents(found.certificate, PEM.certificate, found))
        }
    }

    /// Where a certificate and its key go.
    struct OutputFiles: ParsableArguments {
        @Option(help: ArgumentHelp("Write the certificate to this file, as PEM.", valueName: "file"))
        var certificate: String?

        @Option(help: ArgumentHelp("Write the private key to this file, as PEM, not encrypted.", valueName: "file"))
        var key: String?

        func write(_ octets: ClusterCertificateOctets) throws {
            if let key { try PEM.write(Self.contents(octets.privateKey, PEM.privateKey, octets), to: key) }
            if let certificate {
                try PEM.write(Self.contents(octets.certificate, PEM.certificate, octets), to: certificate)
            }
        }

        /// PEM for what is X.509 and PKCS #8; another system's form stays as it is.
        static func contents(_ octets: [UInt8], _ label: String, _ whole: ClusterCertificateOctets) -> Data {
            let pair = CertifiedKey(certificate: whole.certificate, privateKey: SecretBytes(whole.privateKey))
            let isPlain =
                label == PEM.certificate
                ? CertificateSummary(certificate: octets) != nil : pair.belongsTogether == true
            return isPlain ? Data(PEM.text(octets, label: label).utf8) : Data(octets)
        }
    }
}

/// A certificate that a node has, for people and programs.
struct CertificateEntry: Encodable, Equatable {
    /// Which one it is.
    var type: String
    /// Missing, like the times, where the certificate has a form of another system's.
    var commonName: String?
    var notBefore: String?
    var notAfter: String?
    /// SHA-256 in hexadecimal digits; "-" where the certificate has a form of another system's.
    var fingerprint: String
    var hasKey: Bool
    var hasSecret: Bool

    init(_ octets: ClusterCertificateOctets, _ kind: ClusterCertificateKind) {
        let summary = CertificateSummary(certificate: octets.certificate)
        type = kind.rawValue
        commonName = summary?.commonName
        notBefore = summary.map { Self.text($0.notBefore) }
        notAfter = summary.map { Self.text($0.notAfter) }
        fingerprint = summary.map { hexDigits($0.fingerprint) } ?? "-"
        hasKey = !octets.privateKey.isEmpty
        hasSecret = !octets.secret.isEmpty
    }

    static func all(of node: any SetupNode) async throws -> [CertificateEntry] {
        var entries: [CertificateEntry] = []
        for kind in ClusterCertificateKind.allCases {
            if let octets = try await node.certificate(kind) { entries.append(CertificateEntry(octets, kind)) }
        }
        return entries
    }

    static func table(_ entries: [CertificateEntry]) -> [String] {
        var table = TextTable("TYPE", "NAME", "GOOD UNTIL", "SHA-256")
        for entry in entries {
            table.add([
                entry.type, Terminal.printable(entry.commonName ?? "(another system's form)"), entry.notAfter ?? "",
                String(entry.fingerprint.prefix(16)),
            ])
        }
        return table.lines
    }

    /// A time as RFC 3339 has it, in UTC.
    static func text(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
    }
}
