import Testing

@testable import Security

@Suite struct KerberosSecurityContextTests {
    private static let body = [UInt8](0..<64)
    private static let levels: [AuthenticationLevel] = [.packet, .packetIntegrity, .packetPrivacy]

    /// AES: token header 16, checksum 12, 16 or 24; sealed also a confounder of 16, an extra count of 16 and the header's copy of 16
    /// (RFC 4121 4.2.4 and 4.2.6, [MS-KILE] 3.4.5.4.1). RC4: framing 13, header 8, number 8, checksum 8, sealed also a confounder of 8
    /// (RFC 4757 7.2 and 7.3).
    @Test(arguments: [
        (KerberosService.aes128SHA1, 28, 76), (.aes256SHA1, 28, 76), (.aes128SHA2, 32, 80), (.aes256SHA2, 40, 88),
        (.rc4, 37, 45),
    ])
    func lengths(service: KerberosService, signed: Int, sealed: Int) async throws {
        let (client, server) = try await KerberosRealm().exchange(service)
        for context in [client, server] {
            #expect(context.signatureLength(for: .connect) == 0)
            #expect(context.signatureLength(for: .packet) == signed)
            #expect(context.signatureLength(for: .packetIntegrity) == signed)
            #expect(context.signatureLength(for: .packetPrivacy) == sealed)
        }
    }

    @Test(arguments: KerberosService.types, [true, false])
    func bothWays(service: KerberosService, signsHeader: Bool) async throws {
        let (client, server) = try await KerberosRealm().exchange(service)
        for level in Self.levels {
            for length in [0, 16, 48, 5808] {
                for (sender, receiver) in [(client, server), (server, client), (client, server)] {
                    let body = [UInt8](repeating: 7, count: length)
                    var pdu = KerberosPDU(
                        body: body, signature: sender.signatureLength(for: level), signsHeader: signsHeader)
                    let before = pdu.octets
                    try pdu.protect(sender, level)
                    #expect(pdu.octets[..<24] == before[..<24])
                    let sealed = level == .packetPrivacy && length > 0
                    #expect((pdu.body == body) != sealed)
                    try pdu.unprotect(receiver, level)
                    #expect(pdu.body == body)
                }
            }
        }
    }

    /// One octet changed: of the header and the trailer it counts only where they are signed.
    @Test(arguments: KerberosService.types) func alterations(service: KerberosService) async throws {
        let realm = try KerberosRealm()
        for level in [AuthenticationLevel.packetIntegrity, .packetPrivacy] {
            for signsHeader in [true, false] {
                let places = [("header", 3), ("body", 24 + 5), ("trailer", 24 + 64 + 2), ("token", 24 + 64 + 8 + 24)]
                for (place, offset) in places {
                    let (client, server) = try await realm.exchange(service)
                    var pdu = KerberosPDU(
                        body: Self.body, signature: client.signatureLength(for: level), signsHeader: signsHeader)
                    try pdu.protect(client, level)
                    pdu.octets[offset] ^= 1
                    if signsHeader || place == "body" || place == "token" {
                        #expect(throws: SecurityError.messageAltered, "\(place) at \(level)") {
                            try pdu.unprotect(server, level)
                        }
                        #expect(pdu.body == [UInt8](repeating: 0, count: Self.body.count))
                    } else {
                        try pdu.unprotect(server, level)
                        #expect(pdu.body == Self.body)
                    }
                }
            }
        }
    }

    /// What was sent twice, left out, or swapped; and after it nothing is taken any more.
    @Test(arguments: KerberosService.types, [AuthenticationLevel.packetIntegrity, .packetPrivacy])
    func orderCounts(service: KerberosService, level: AuthenticationLevel) async throws {
        let realm = try KerberosRealm()
        func message(_ context: KerberosSecurityContext) throws -> KerberosPDU {
            var pdu = KerberosPDU(body: Self.body, signature: context.signatureLength(for: level))
            try pdu.protect(context, level)
            return pdu
        }
        for isReplay in [true, false] {
            let (client, server) = try await realm.exchange(service)
            var first = try message(client)
            let copy = first
            var second = try message(client)
            var wrong = isReplay ? copy : second
            if isReplay { try first.unprotect(server, level) }
            #expect(throws: SecurityError.messageAltered) { try wrong.unprotect(server, level) }
            #expect(wrong.body == [UInt8](repeating: 0, count: Self.body.count))
            #expect(throws: SecurityError.contextUnusable) { try second.unprotect(server, level) }
            // The other direction still works.
            var fault = try message(server)
            try fault.unprotect(client, level)
            #expect(fault.body == Self.body)
        }
    }

    @Test func aSealedMessageIsNoSignedOne() async throws {
        let realm = try KerberosRealm()
        let (client, server) = try await realm.exchange()
        var pdu = KerberosPDU(body: Self.body, signature: client.signatureLength(for: .packetIntegrity))
        try pdu.protect(client, .packetIntegrity)
        #expect(throws: SecurityError.messageAltered) { try pdu.unprotect(server, .packetPrivacy) }
    }

    /// A client's own message, sent back to it.
    @Test func aReflectedMessage() async throws {
        let (client, _) = try await KerberosRealm().exchange()
        var pdu = KerberosPDU(body: Self.body, signature: client.signatureLength(for: .packetPrivacy))
        try pdu.protect(client, .packetPrivacy)
        #expect(throws: SecurityError.messageAltered) { try pdu.unprotect(client, .packetPrivacy) }
    }

    @Test(arguments: [0, 1, 15, 27, 75, 77]) func wrongTokenLengths(length: Int) async throws {
        let (_, server) = try await KerberosRealm().exchange()
        for level in Self.levels {
            var pdu = KerberosPDU(body: Self.body, signature: length)
            #expect(throws: SecurityError.self) { try pdu.unprotect(server, level) }
        }
    }

    @Test(arguments: KerberosService.types) func codesOverANegotiation(service: KerberosService) async throws {
        let (client, server) = try await KerberosRealm().exchange(service)
        let list = [UInt8]("mechanisms".utf8)
        try server.verify(try client.integrityCode(over: list), over: list)
        try client.verify(try server.integrityCode(over: list), over: list)
        // They count as messages, and messages go on behind them.
        var pdu = KerberosPDU(body: Self.body, signature: client.signatureLength(for: .packetPrivacy))
        try pdu.protect(client, .packetPrivacy)
        try pdu.unprotect(server, .packetPrivacy)
        #expect(pdu.body == Self.body)
        let (other, third) = try await KerberosRealm().exchange(service)
        let code = try other.integrityCode(over: list)
        #expect(throws: SecurityError.messageAltered) { try third.verify(code, over: list + [0]) }
    }
}
