import Foundation
import Testing

@testable import Security

/// Certificates of ours, judged by the openssl command.
@Suite struct CertificateTests {
    static let request = CertificateRequest(
        commonName: "cluster1", dnsNames: ["cluster1", "alpha.example.org"],
        // 2026-01-01 00:00:00 and 2036-01-01 00:00:00 UTC.
        notBefore: 1_767_225_600, notAfter: 2_082_758_400, keyBits: 2048)

    @Test func readsItsOwn() throws {
        let made = try CertifiedKey.selfSigned(Self.request)
        let summary = try #require(CertificateSummary(certificate: made.certificate))
        #expect(summary.commonName == "cluster1")
        #expect(summary.notBefore == Self.request.notBefore)
        #expect(summary.notAfter == Self.request.notAfter)
        #expect(summary.serialNumber.count == 32)
        #expect(summary.fingerprint.count == 32)
        #expect(made.belongsTogether == true)
        let other = try CertifiedKey.selfSigned(Self.request)
        #expect(CertificateSummary(certificate: other.certificate)?.serialNumber != summary.serialNumber)
        #expect(
            CertifiedKey(certificate: made.certificate, privateKey: other.privateKey).belongsTogether == false)
    }

    @Test func readsNothingElse() throws {
        let made = try CertifiedKey.selfSigned(Self.request)
        for octets in [[], [0x30], Array(made.certificate.dropLast()), made.certificate + [0]] as [[UInt8]] {
            #expect(CertificateSummary(certificate: octets) == nil)
            #expect(CertifiedKey(certificate: octets, privateKey: made.privateKey).belongsTogether == nil)
        }
        for octets in [[], [0x30], made.privateKey.bytes + [0], Array(made.privateKey.bytes.dropLast())] as [[UInt8]] {
            let mixed = CertifiedKey(certificate: made.certificate, privateKey: SecretBytes(octets))
            #expect(mixed.belongsTogether == nil)
        }
    }

    @Test func refusesWhatNoCertificateCanSay() {
        var request = Self.request
        request.commonName = String(repeating: "x", count: 65)
        #expect(throws: CryptographyError.self) { try CertifiedKey.selfSigned(request) }
        request = Self.request
        request.dnsNames = ["käse.example.org"]
        #expect(throws: CryptographyError.self) { try CertifiedKey.selfSigned(request) }
        // A name that would be two, were it taken for OpenSSL's language of extensions.
        request.dnsNames = ["a,DNS:b"]
        #expect(throws: Never.self) { try CertifiedKey.selfSigned(request) }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl"), "apt-get install openssl"))
    func opensslAgrees() throws {
        let made = try CertifiedKey.selfSigned(Self.request)
        let folder = FileManager.default.temporaryDirectory.appending(path: "certificate-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (certificate, key) = (folder.appending(path: "c.der"), folder.appending(path: "k.der"))
        try Data(made.certificate).write(to: certificate)
        try Data(made.privateKey.bytes).write(to: key)
        let text = try openssl("x509", "-inform", "DER", "-in", certificate.path, "-noout", "-text")
        for line in [
            "Version: 3 (0x2)", "Signature Algorithm: sha256WithRSAEncryption", "Issuer: CN = cluster1",
            "Subject: CN = cluster1", "Not Before: Jan  1 00:00:00 2026 GMT", "Not After : Jan  1 00:00:00 2036 GMT",
            "Public-Key: (2048 bit)", "CA:FALSE", "Digital Signature, Key Encipherment",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "DNS:cluster1, DNS:alpha.example.org",
        ] {
            #expect(text.contains(line), "\(line) in:\n\(text)")
        }
        let pem = folder.appending(path: "c.pem").path
        _ = try openssl("x509", "-inform", "DER", "-in", certificate.path, "-out", pem)
        #expect(
            try openssl("verify", "-CAfile", pem, "-purpose", "sslserver", "-no_check_time", pem).hasSuffix("OK\n"))
        let ofKey = try openssl("pkey", "-inform", "DER", "-in", key.path, "-pubout")
        #expect(try openssl("x509", "-in", pem, "-noout", "-pubkey") == ofKey)
    }

    /// OpenSSL would compute the public part of such a key, for as long as the key's author likes.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl"), "apt-get install openssl"))
    func leavesKeysAloneThatAreDearToRead() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "certificate-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (parameters, key) = (folder.appending(path: "p.pem").path, folder.appending(path: "k.der"))
        _ = try openssl(
            "genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", parameters)
        _ = try openssl("genpkey", "-paramfile", parameters, "-outform", "DER", "-out", key.path)
        let made = try CertifiedKey.selfSigned(Self.request)
        let foreign = CertifiedKey(
            certificate: made.certificate, privateKey: SecretBytes([UInt8](try Data(contentsOf: key))))
        #expect(foreign.belongsTogether == nil)
        // One that is cheap is read, and found not to belong.
        _ = try openssl("genpkey", "-algorithm", "ED25519", "-outform", "DER", "-out", key.path)
        let other = CertifiedKey(
            certificate: made.certificate, privateKey: SecretBytes([UInt8](try Data(contentsOf: key))))
        #expect(other.belongsTogether == false)
    }

    private func openssl(_ arguments: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let octets = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "openssl \(arguments)")
        return String(decoding: octets, as: UTF8.self)
    }
}
