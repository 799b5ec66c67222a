import Foundation
import Testing

@testable import Security

/// Exchanges recorded from other implementations, with our challenge (``Sample/serverChallenge``, ``Sample/time``) fixed.
@Suite struct NTLMInteropTests {
    // impacket 0.13.1 on Python 3.11. With `challenge` being the message below, `random.seed(1)`, and the calls
    //     t1 = ntlm.getNTLMSSPType1('', '', signingRequired=True)
    //     t3, key = ntlm.getNTLMSSPType3(t1, challenge, 'alice', 'Passw0rd!', 'CLUSTER')
    // The challenge itself was put together with `struct`, not by us. impacket sends neither a MIC nor a version.
    private enum Impacket {
        static let negotiate = hex(
            """
            4e544c4d5353500001000000358288e000000000000000000000000000000000
            """)
        static let challenge = hex(
            """
            4e544c4d53535000020000000e000e0038000000358289e00123456789abcdef00000000000000007400740046000000
            000000000000000043004c005500530054004500520002000e0043004c005500530054004500520001000a004e004f00
            4400450031000400180063006c00750073007400650072002e007400650073007400030024006e006f00640065003100
            2e0063006c00750073007400650072002e007400650073007400070008000080209bcb82d80100000000
            """)
        static let authenticate = hex(
            """
            4e544c4d53535000030000001800180058000000d200d200700000000e000e00400000000a000a004e00000000000000
            580000001000100042010000358288e043004c005500530054004500520061006c0069006300650042e9da7407227ebc
            4f345c215022e8b9384153504d346737d380a8ac5379ca1a3ea37bbc006045c101010000000000000080209bcb82d801
            384153504d3467370000000002000e0043004c005500530054004500520001000a004e004f0044004500310004001800
            63006c00750073007400650072002e007400650073007400030024006e006f006400650031002e0063006c0075007300
            7400650072002e007400650073007400070008000080209bcb82d80109002e0063006900660073002f006e006f006400
            650031002e0063006c00750073007400650072002e007400650073007400000000008cf9b20828e914a63e2a323d0b49
            170a
            """)
        // Signed and sealed as impacket's rpcrt.py does it, in this order: ntlm.SEAL twice and ntlm.SIGN once with the client's
        // keys, ntlm.SEAL and ntlm.SIGN with the server's; over 24 header octets, 16 of stub, 8 of trailer.
        static let clientSealed: [(body: String, signature: String)] = [
            ("45226f7246a3710e2592c6f7b9be1f4b", "010000002ce6e2aca39f921500000000"),
            ("79b9e4cbed00f3587c1082e2e0211fea", "01000000cfd2b7368a54816401000000"),
        ]
        static let clientSigned = "01000000fc75c646323af83a02000000"
        static let serverSealed = (
            body: "825a528a7b09f02c09e799bbb118e9c3", signature: "01000000391b8c3fc5bfcc0100000000"
        )
        static let serverSigned = "01000000825ce9886db502fe01000000"
    }

    // Samba 4.17.12: `gensec.Security.start_client` of its Python bindings, with FEATURE_SEAL and FEATURE_DCE_STYLE, mechanism
    // "ntlmssp", workstation "CLIENT"; then wrap(b'first message'), sign_packet of the message above, wrap(b'third message').
    private enum Samba {
        static let negotiate = hex(
            """
            4e544c4d53535000010000003582086200000000280000000000000028000000060100000000000f
            """)
        static let challenge = hex(
            """
            4e544c4d53535000020000000e000e0038000000358289620123456789abcdef00000000000000007400740046000000
            0a0000000000000f43004c005500530054004500520002000e0043004c005500530054004500520001000a004e004f00
            4400450031000400180063006c00750073007400650072002e007400650073007400030024006e006f00640065003100
            2e0063006c00750073007400650072002e007400650073007400070008000080209bcb82d80100000000
            """)
        static let authenticate = hex(
            """
            4e544c4d5353500003000000180018005800000008010801700000000e000e00780100000a000a00860100000c000c00
            90010000100010009c01000035820862060100000000000ff3824a5c6781703c767cc113ecdb40a20000000000000000
            0000000000000000000000000000000040f26a9f6384be4a5e98e6b2e3bc716601010000000000000080209bcb82d801
            669502e2912383b60000000002000e0043004c005500530054004500520001000a004e004f0044004500310004001800
            63006c00750073007400650072002e007400650073007400030024006e006f006400650031002e0063006c0075007300
            7400650072002e007400650073007400070008000080209bcb82d8010600040002000000080030003000000000000000
            0000000000000000e3e1bfe76d50f59e1405089f88b3c3e22459f0b1123c097a79e35133dacf60290a00100000000000
            0000000000000000000000000900140068006f00730074002f006e006f006400650031000000000043004c0055005300
            54004500520061006c0069006300650043004c00490045004e00540001af866413e6e79fca19ada7b36bce67
            """)
        // wrap() puts the signature before the sealed message.
        static let first = hex("010000008b8006426096729c000000003276f5ccfb49fd06027c605884")
        static let second = hex("010000007edf3fdc1d13f29d01000000")
        static let third = hex("010000003fc9d465849b81c802000000caac5d5cb15714286ff0187206")
    }

    private static let head = [UInt8](0..<24)
    private static let body = Array("0123456789abcdef".utf8)
    private static let tail = [UInt8](0..<8)
    private static let range = 24..<40

    @Test func impacketLogsOn() async throws {
        let log = EventLog()
        let acceptor = Sample.acceptor(observer: log.append)
        #expect(try await acceptor.accept(Impacket.negotiate).reply() == Impacket.challenge)
        let context = try await acceptor.accept(Impacket.authenticate).completed().context
        #expect(context.identity.user == "alice" && context.identity.domain == "CLUSTER")
        #expect(context.identity.isAdministrator && !context.identity.isAnonymous)
        #expect(context.targetName == "cifs/node1.cluster.test")
        // It sends no MIC, which is let pass by default, but never silently.
        #expect(!context.isExchangeProtected)
        #expect(log.events == [.acceptedWithoutIntegrityCode(context.identity, workstation: "")])

        for (body, signature) in Impacket.clientSealed {
            var message = Self.head + hex(body) + Self.tail
            try context.unprotect(&message, body: Self.range, authValue: hex(signature)[...], level: .packetPrivacy)
            #expect(message == Self.head + Self.body + Self.tail)
        }
        var message = Self.head + Self.body + Self.tail
        try context.unprotect(
            &message, body: Self.range, authValue: hex(Impacket.clientSigned)[...], level: .packetIntegrity)

        let sealed = try context.protect(&message, body: Self.range, level: .packetPrivacy)
        #expect(message == Self.head + hex(Impacket.serverSealed.body) + Self.tail)
        #expect(sealed == hex(Impacket.serverSealed.signature))
        message = Self.head + Self.body + Self.tail
        #expect(
            try context.protect(&message, body: Self.range, level: .packetIntegrity) == hex(Impacket.serverSigned))
        #expect(message == Self.head + Self.body + Self.tail)
    }

    @Test func impacketIsRefusedWhereTheIntegrityCodeIsRequired() async throws {
        let log = EventLog()
        let acceptor = Sample.acceptor(integrityCode: .required, observer: log.append)
        _ = try await acceptor.accept(Impacket.negotiate)
        await #expect(throws: SecurityError.logonDenied(.missingIntegrityCode)) {
            try await acceptor.accept(Impacket.authenticate)
        }
        #expect(
            log.events == [
                .refused(
                    domain: "CLUSTER", user: "alice", workstation: "", .logonDenied(.missingIntegrityCode))
            ])
    }

    @Test(arguments: [NTLMProvider.IntegrityCodePolicy.required, .whenPromised])
    func sambaLogsOn(policy: NTLMProvider.IntegrityCodePolicy) async throws {
        let log = EventLog()
        let acceptor = Sample.acceptor(integrityCode: policy, observer: log.append)
        #expect(try await acceptor.accept(Samba.negotiate).reply() == Samba.challenge)
        let context = try await acceptor.accept(Samba.authenticate).completed().context
        #expect(context.isExchangeProtected)
        #expect(context.workstation == "CLIENT")
        #expect(context.targetName == "host/node1")
        #expect(log.events == [.accepted(context.identity, workstation: "CLIENT")])

        var message = Array(Samba.first[16...])
        try context.unprotect(
            &message, body: 0..<message.count, authValue: Samba.first[..<16], level: .packetPrivacy)
        #expect(message == Array("first message".utf8))
        message = Self.head + Self.body + Self.tail
        try context.unprotect(&message, body: Self.range, authValue: Samba.second[...], level: .packetIntegrity)
        message = Array(Samba.third[16...])
        try context.unprotect(
            &message, body: 0..<message.count, authValue: Samba.third[..<16], level: .packetPrivacy)
        #expect(message == Array("third message".utf8))
    }

    // Without the MIC nobody could tell; with it, no octet of the exchange can be changed on the way.
    @Test func noOctetOfSambasTokensCanBeAltered() async throws {
        for index in Samba.negotiate.indices {
            let acceptor = Sample.acceptor()
            var altered = Samba.negotiate
            altered[index] ^= 0x10
            await #expect(throws: SecurityError.self, "NEGOTIATE, octet \(index)") {
                _ = try await acceptor.accept(altered)
                _ = try await acceptor.accept(Samba.authenticate)
            }
        }
        for index in Samba.authenticate.indices {
            let acceptor = Sample.acceptor()
            _ = try await acceptor.accept(Samba.negotiate)
            var altered = Samba.authenticate
            altered[index] ^= 0x01
            await #expect(throws: SecurityError.self, "AUTHENTICATE, octet \(index)") {
                try await acceptor.accept(altered)
            }
        }
    }

    // The program that Samba brings for other servers' use; it knows the one account that its command line names.
    private static let ntlmAuth = "/usr/bin/ntlm_auth"

    /// Runs our initiator against Samba's acceptor.
    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: ntlmAuth), "install winbind"),
        arguments: [true, false])
    func sambaAcceptsUs(isPasswordRight: Bool) async throws {
        let process = Process()
        process.executableURL = URL(filePath: Self.ntlmAuth)
        process.arguments = [
            "--helper-protocol=squid-2.5-ntlmssp", "--username=\(Sample.user)", "--domain=CLUSTER",
            "--password=\(Sample.password)", "--option=netbios name=SERVER", "--debuglevel=0",
        ]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { process.waitUntilExit() }
        defer { try? input.fileHandleForWriting.close() }
        func ask(_ verb: String, _ token: [UInt8]) throws -> [Substring] {
            try input.fileHandleForWriting.write(
                contentsOf: Data("\(verb) \(Data(token).base64EncodedString())\n".utf8))
            var line: [UInt8] = []
            while let octet = try output.fileHandleForReading.read(upToCount: 1)?.first, octet != 0x0A {
                line.append(octet)
            }
            return String(decoding: line, as: UTF8.self).split(separator: " ")
        }

        let initiator = try Sample.initiator(password: isPasswordRight ? Sample.password : "wrong")
        let answer = try ask("YR", try await initiator.initiate(nil).reply())
        try #require(answer.count == 2 && answer[0] == "TT", "\(answer)")
        let challenge = try #require(Data(base64Encoded: String(answer[1])))
        let (reply, _) = try await initiator.initiate([UInt8](challenge)).completed()
        let verdict = try ask("KK", try #require(reply))
        #expect(verdict.first == (isPasswordRight ? "AF" : "NA"), "\(verdict)")
    }
}
