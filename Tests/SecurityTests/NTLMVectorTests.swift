import Testing

@testable import Security

/// The values of [MS-NLMP] 4.2.4, "NTLMv2 Authentication".
@Suite struct NTLMVectorTests {
    let user = NTLMName("User")
    let domain = NTLMName("Domain")
    let serverChallenge = hex("01 23 45 67 89 ab cd ef")
    let clientChallenge = hex("aa aa aa aa aa aa aa aa")
    let sessionKey = SecretBytes([UInt8](repeating: 0x55, count: 16))

    var responseKey: SecretBytes {
        get throws {
            try NTLMKeys.responseKey(ntHash: NTLMPassword.ntHash("Password"), user: user, domain: domain)
        }
    }

    // 4.2.4.1.3, with the proof before it as in 4.2.4.3.
    let temp = hex(
        """
        01 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 aa aa aa aa aa aa aa aa 00 00 00 00
        02 00 0c 00 44 00 6f 00 6d 00 61 00 69 00 6e 00
        01 00 0c 00 53 00 65 00 72 00 76 00 65 00 72 00
        00 00 00 00 00 00 00 00
        """)

    // 4.2.4.3.
    let challengeMessage = hex(
        """
        4e 54 4c 4d 53 53 50 00 02 00 00 00 0c 00 0c 00
        38 00 00 00 33 82 8a e2 01 23 45 67 89 ab cd ef
        00 00 00 00 00 00 00 00 24 00 24 00 44 00 00 00
        06 00 70 17 00 00 00 0f 53 00 65 00 72 00 76 00
        65 00 72 00 02 00 0c 00 44 00 6f 00 6d 00 61 00
        69 00 6e 00 01 00 0c 00 53 00 65 00 72 00 76 00
        65 00 72 00 00 00 00 00
        """)

    let authenticateMessage = hex(
        """
        4e 54 4c 4d 53 53 50 00 03 00 00 00 18 00 18 00
        6c 00 00 00 54 00 54 00 84 00 00 00 0c 00 0c 00
        48 00 00 00 08 00 08 00 54 00 00 00 10 00 10 00
        5c 00 00 00 10 00 10 00 d8 00 00 00 35 82 88 e2
        05 01 28 0a 00 00 00 0f 44 00 6f 00 6d 00 61 00
        69 00 6e 00 55 00 73 00 65 00 72 00 43 00 4f 00
        4d 00 50 00 55 00 54 00 45 00 52 00 86 c3 50 97
        ac 9c ec 10 25 54 76 4a 57 cc cc 19 aa aa aa aa
        aa aa aa aa 68 cd 0a b8 51 e5 1c 96 aa bc 92 7b
        eb ef 6a 1c 01 01 00 00 00 00 00 00 00 00 00 00
        00 00 00 00 aa aa aa aa aa aa aa aa 00 00 00 00
        02 00 0c 00 44 00 6f 00 6d 00 61 00 69 00 6e 00
        01 00 0c 00 53 00 65 00 72 00 76 00 65 00 72 00
        00 00 00 00 00 00 00 00 c5 da d2 54 4f c9 79 90
        94 ce 1c e9 0b c9 d0 3e
        """)

    // 4.2.2.1.2.
    @Test func ntowfv1() throws {
        #expect(
            try NTLMPassword.ntHash("Password").bytes == hex("a4 f4 9c 40 65 10 bd ca b6 82 4e e7 c3 0f d8 52"))
    }

    // 4.2.4.1.1.
    @Test func ntowfv2() throws {
        #expect(try responseKey.bytes == hex("0c 86 8a 40 3b fd 7a 93 a3 00 1e f2 2e f0 2e 3f"))
    }

    // 4.2.4.2.1.
    @Test func lmv2Response() throws {
        let response = try NTLMKeys.proof(
            responseKey: responseKey, serverChallenge: serverChallenge, blob: clientChallenge)
        #expect(response == hex("86 c3 50 97 ac 9c ec 10 25 54 76 4a 57 cc cc 19"))
    }

    // 4.2.4.2.2 and 4.2.4.1.2.
    @Test func ntlmv2ResponseAndSessionBaseKey() throws {
        let proof = try NTLMKeys.proof(responseKey: responseKey, serverChallenge: serverChallenge, blob: temp)
        #expect(proof == hex("68 cd 0a b8 51 e5 1c 96 aa bc 92 7b eb ef 6a 1c"))
        #expect(
            try NTLMKeys.sessionBaseKey(responseKey: responseKey, proof: proof).bytes
                == hex("8d e4 0c ca db c1 4a 82 f1 5c b0 ad 0d e9 5c a3"))
    }

    // 4.2.4.2.3.
    @Test func encryptedSessionKey() throws {
        let baseKey = SecretBytes(hex("8d e4 0c ca db c1 4a 82 f1 5c b0 ad 0d e9 5c a3"))
        #expect(
            try NTLMKeys.rc4(key: baseKey, sessionKey).bytes
                == hex("c5 da d2 54 4f c9 79 90 94 ce 1c e9 0b c9 d0 3e"))
    }

    // 4.2.4.4.
    @Test func signingAndSealingKeys() throws {
        #expect(
            try NTLMKeys.sealingKey(sessionKey, .clientToServer).bytes
                == hex("59 f6 00 97 3c c4 96 0a 25 48 0a 7c 19 6e 4c 58"))
        #expect(
            try NTLMKeys.signingKey(sessionKey, .clientToServer).bytes
                == hex("47 88 dc 86 1b 47 82 f3 5d 43 fd 98 fe 1a 2d 39"))
    }

    // 4.2.4.4: the whole message is the body.
    @Test func wrappedMessage() throws {
        let context = try NTLMSecurityContext(
            identity: ClientIdentity(domain: "Domain", user: "User", sid: "", isAdministrator: false), workstation: "",
            targetName: nil, isExchangeProtected: false, sessionKey: sessionKey, flags: [.sign, .seal], isClient: true)
        var message = NTLMName("Plaintext").octets
        let signature = try context.protect(&message, body: 0..<message.count, level: .packetPrivacy)
        #expect(message == hex("54 e5 01 65 bf 19 36 dc 99 60 20 c1 81 1b 0f 06 fb 5f"))
        #expect(signature == hex("01 00 00 00 7f b3 8e c5 c5 5d 49 76 00 00 00 00"))
    }

    @Test func challengeMessageIsRead() throws {
        let message = try NTLMChallenge(challengeMessage)
        #expect(message.flags.rawValue == 0xE28A_8233)
        #expect(message.serverChallenge == serverChallenge)
        #expect(message.targetName == NTLMName("Server"))
        #expect(message.targetInfo[.netbiosDomainName] == NTLMName("Domain").octets)
        #expect(message.targetInfo[.netbiosComputerName] == NTLMName("Server").octets)
        #expect(message.targetInfo.timestamp == nil)
        // Written again, only the version differs, which is ours.
        var written = message.encoded
        written.replaceSubrange(48..<56, with: challengeMessage[48..<56])
        #expect(written == challengeMessage)
    }

    @Test func authenticateMessageIsRead() throws {
        let message = try NTLMAuthenticate(authenticateMessage)
        #expect(message.user == user && message.domain == domain && message.workstation == NTLMName("COMPUTER"))
        #expect(message.flags.rawValue == 0xE288_8235)
        #expect(message.integrityCode == nil)
        #expect(message.encryptedSessionKey == hex("c5 da d2 54 4f c9 79 90 94 ce 1c e9 0b c9 d0 3e"))
        let response = try NTLMv2Response(message.ntResponse)
        #expect(response.blob == temp)
        #expect(response.timestamp == 0)
        // Written again, only the version differs, which is ours.
        var written = message.encoded
        written.replaceSubrange(64..<72, with: authenticateMessage[64..<72])
        #expect(written == authenticateMessage)
    }

    @Test func capitalsAreThoseOfWindows() {
        #expect(NTLMName("aZ09-é").uppercased == NTLMName("AZ09-É"))
        #expect(NTLMName("ßıÿ").uppercased == NTLMName("ßıŸ"))
        #expect(NTLMName("жω").uppercased == NTLMName("ЖΩ"))
        // Half a character stays half a character.
        #expect(NTLMName(units: [0xD801, 0x61]).uppercased == NTLMName(units: [0xD801, 0x41]))
    }
}
