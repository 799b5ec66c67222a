import Testing

@testable import Security

@Suite struct NTLMSecurityContextTests {
    private func pair(
        flags: NTLMFlags = [.sign, .seal]
    ) throws -> (client: NTLMSecurityContext, server: NTLMSecurityContext) {
        let key = SecretBytes([UInt8](1...16))
        let identity = ClientIdentity(domain: "D", user: "u", sid: "", isAdministrator: false)
        func make(isClient: Bool) throws -> NTLMSecurityContext {
            try NTLMSecurityContext(
                identity: identity, workstation: "", targetName: nil, isExchangeProtected: true, sessionKey: key,
                flags: flags, isClient: isClient)
        }
        return (try make(isClient: true), try make(isClient: false))
    }

    private let plain = [UInt8](0..<80)
    private let body = 24..<72

    @Test func lengthsOfSignatures() throws {
        let (client, _) = try pair()
        #expect(
            AuthenticationLevel.allCases.map { client.signatureLength(for: $0) } == [0, 0, 16, 16, 16, 16])
    }

    @Test(arguments: AuthenticationLevel.allCases) func everyLevelBothWays(level: AuthenticationLevel) throws {
        let (client, server) = try pair()
        for (sender, receiver) in [(client, server), (server, client), (server, client), (client, server)] {
            var message = plain
            let signature = try sender.protect(&message, body: body, level: level)
            #expect(signature.count == sender.signatureLength(for: level))
            #expect((message == plain) == (level != .packetPrivacy))
            try receiver.unprotect(&message, body: body, authValue: signature[...], level: level)
            #expect(message == plain)
        }
    }

    @Test func anEmptyBody() throws {
        let (client, server) = try pair()
        var message = plain
        let signature = try client.protect(&message, body: 24..<24, level: .packetPrivacy)
        #expect(message == plain)
        try server.unprotect(&message, body: 24..<24, authValue: signature[...], level: .packetPrivacy)
    }

    @Test(arguments: [AuthenticationLevel.packetIntegrity, .packetPrivacy])
    func everyAlteredOctetIsFound(level: AuthenticationLevel) throws {
        for index in 0..<(80 + 16) {
            let (client, server) = try pair()
            var message = plain
            var signature = try client.protect(&message, body: body, level: level)
            if index < 80 { message[index] ^= 1 } else { signature[index - 80] ^= 1 }
            #expect(throws: SecurityError.messageAltered, "octet \(index)") {
                try server.unprotect(&message, body: body, authValue: signature[...], level: level)
            }
            // No plaintext, altered or not, comes out.
            #expect(message[body].allSatisfy { $0 == 0 })
        }
    }

    @Test func signaturesOfOtherLengthsAreRefused() throws {
        for length in [0, 15, 17] {
            let (client, server) = try pair()
            var message = plain
            let signature = try client.protect(&message, body: body, level: .packetIntegrity) + [0]
            #expect(throws: SecurityError.messageAltered) {
                try server.unprotect(&message, body: body, authValue: signature.prefix(length), level: .packetIntegrity)
            }
        }
    }

    @Test func messagesOutOfOrderAreRefused() throws {
        let (client, server) = try pair()
        var first = plain
        let firstSignature = try client.protect(&first, body: body, level: .packetPrivacy)
        var second = plain
        let secondSignature = try client.protect(&second, body: body, level: .packetPrivacy)
        #expect(first != second && firstSignature != secondSignature)
        var copy = second
        #expect(throws: SecurityError.messageAltered) {
            try server.unprotect(&copy, body: body, authValue: secondSignature[...], level: .packetPrivacy)
        }
        // That direction is dead now, even for what would have been right …
        copy = first
        #expect(throws: SecurityError.contextUnusable) {
            try server.unprotect(&copy, body: body, authValue: firstSignature[...], level: .packetPrivacy)
        }
        #expect(copy[body].allSatisfy { $0 == 0 })
        // … but the other one can still say goodbye.
        var fault = plain
        let faultSignature = try server.protect(&fault, body: body, level: .packetPrivacy)
        try client.unprotect(&fault, body: body, authValue: faultSignature[...], level: .packetPrivacy)
    }

    @Test func aRepeatedMessageIsRefused() throws {
        let (client, server) = try pair()
        var message = plain
        let signature = try client.protect(&message, body: body, level: .packetIntegrity)
        try server.unprotect(&message, body: body, authValue: signature[...], level: .packetIntegrity)
        #expect(throws: SecurityError.messageAltered) {
            try server.unprotect(&message, body: body, authValue: signature[...], level: .packetIntegrity)
        }
    }

    @Test func onesOwnMessageIsRefused() throws {
        let (client, _) = try pair()
        var message = plain
        let signature = try client.protect(&message, body: body, level: .packetIntegrity)
        #expect(throws: SecurityError.messageAltered) {
            try client.unprotect(&message, body: body, authValue: signature[...], level: .packetIntegrity)
        }
    }

    @Test func onlyWhatWasAgreedOn() throws {
        var message = plain
        let neither = try pair(flags: []).client
        #expect(throws: SecurityError.unsupportedLevel(.packetIntegrity)) {
            try neither.protect(&message, body: body, level: .packetIntegrity)
        }
        #expect(try neither.protect(&message, body: body, level: .connect).isEmpty)
        let signing = try pair(flags: [.sign]).client
        #expect(throws: SecurityError.unsupportedLevel(.packetPrivacy)) {
            try signing.protect(&message, body: body, level: .packetPrivacy)
        }
        #expect(try signing.protect(&message, body: body, level: .packetIntegrity).count == 16)
    }
}
