import Testing

@testable import Security

/// Proofs that were made for somebody else and are relayed to us.
@Suite struct NTLMRelayTests {
    private func logOn(
        _ name: String?, policy: NTLMTargetPolicy = .ifNamed, names: [String] = [],
        to local: String = "192.0.2.2"
    ) async throws {
        _ = try await exchange(
            try Sample.initiator(targetName: name),
            Sample.acceptor(
                target: policy, targetNames: names, peer: SecurityPeer(address: "192.0.2.1", localAddress: local),
                world: NTLMWorld()))
    }

    // Windows, Samba and impacket name the service differently, but the host as they reached it, or as we named ourselves.
    @Test(arguments: [
        "RPCSS/node1", "host/NODE1", "cifs/node1.cluster.test", "RPCSS/node1.cluster.test:135", "host/192.0.2.2",
        "RPCSS/192.0.2.2:135/cluster.test", "node1.cluster.test.",
    ])
    func ourNamesAreRight(name: String) async throws {
        try await logOn(name)
        try await logOn(name, policy: .required)
    }

    @Test(arguments: ["RPCSS/node2", "cifs/node1.evil.test", "host/192.0.2.3", "host/localhost", "cifs/"])
    func othersAreNot(name: String) async throws {
        for policy in [NTLMTargetPolicy.ifNamed, .required] {
            await #expect(throws: SecurityError.logonDenied(.foreignTarget(name))) {
                try await logOn(name, policy: policy)
            }
        }
        try await logOn(name, policy: .any)
    }

    @Test func furtherNamesCanBeConfigured() async throws {
        try await logOn("host/alias.test", names: ["alias.test"])
        try await logOn("host/[2001:db8::1]:135", to: "2001:db8:0:0::1%eth0")
        try await logOn("host/localhost", to: "127.0.0.5")
        try await logOn("host/localhost", to: "::1")
    }

    @Test func aClientMayNameNobodyUnlessItHasTo() async throws {
        for name in [nil, ""] {
            try await logOn(name)
            await #expect(throws: SecurityError.logonDenied(.foreignTarget(""))) {
                try await logOn(name, policy: .required)
            }
        }
    }

    /// A client inside of TLS binds its proof to that channel; this connection has none.
    @Test func aProofForAChannelIsRefused() async throws {
        for (bindings, isRight) in [(0, true), (1, false)] {
            let negotiate = NTLMNegotiate(flags: NTLMFlags(rawValue: 0xE208_8237)).encoded
            let acceptor = Sample.acceptor(world: NTLMWorld())
            let challengeToken = try await acceptor.accept(negotiate).reply()
            let authenticate = try Forger.answer(challengeToken, negotiate: negotiate) { pairs in
                pairs[.channelBindings] = [UInt8](repeating: UInt8(bindings), count: 16)
            }
            if isRight {
                _ = try await acceptor.accept(authenticate)
            } else {
                await #expect(throws: SecurityError.logonDenied(.foreignTarget("a channel"))) {
                    try await acceptor.accept(authenticate)
                }
            }
        }
    }

    /// [MS-NLMP] 3.2.5.1.2: a name of which the client says that it proves nothing is as good as none.
    @Test func anUnverifiedNameIsNone() async throws {
        for (policy, isRight) in [(NTLMTargetPolicy.ifNamed, true), (.required, false)] {
            let negotiate = NTLMNegotiate(flags: NTLMFlags(rawValue: 0xE208_8237)).encoded
            let acceptor = Sample.acceptor(target: policy, world: NTLMWorld())
            let challengeToken = try await acceptor.accept(negotiate).reply()
            let authenticate = try Forger.answer(challengeToken, negotiate: negotiate) { pairs in
                pairs.flags.insert(.unverifiedTarget)
                pairs[.targetName] = NTLMName("cifs/elsewhere").octets
            }
            if isRight {
                _ = try await acceptor.accept(authenticate)
            } else {
                await #expect(throws: SecurityError.self) { try await acceptor.accept(authenticate) }
            }
        }
    }
}

/// A client whose attributes are the test's to choose; its proof is right.
enum Forger {
    static func answer(
        _ challengeToken: [UInt8], negotiate: [UInt8], _ alter: (inout AVPairs) -> Void
    ) throws -> [UInt8] {
        let challenge = try NTLMChallenge(challengeToken)
        var pairs = challenge.targetInfo
        pairs.flags.insert(.integrityCode)
        alter(&pairs)
        var blob: [UInt8] = [1, 1, 0, 0, 0, 0, 0, 0]
        blob.appendLittleEndian(try #require(challenge.targetInfo.timestamp))
        blob += [UInt8](repeating: 7, count: 8) + [0, 0, 0, 0] + pairs.encoded + [0, 0, 0, 0]
        let (domain, user) = (NTLMName("CLUSTER"), NTLMName(Sample.user))
        let key = try NTLMKeys.responseKey(ntHash: NTLMPassword.ntHash(Sample.password), user: user, domain: domain)
        let proof = try NTLMKeys.proof(responseKey: key, serverChallenge: challenge.serverChallenge, blob: blob)
        let exchangeKey = try NTLMKeys.sessionBaseKey(responseKey: key, proof: proof)
        let sessionKey = SecretBytes([UInt8](repeating: 9, count: 16))
        var message = NTLMAuthenticate(
            flags: challenge.flags, lmResponse: [UInt8](repeating: 0, count: 24), ntResponse: proof + blob,
            domain: domain, user: user, workstation: NTLMName("CLIENT"),
            encryptedSessionKey: try NTLMKeys.rc4(key: exchangeKey, sessionKey).bytes,
            integrityCode: [UInt8](repeating: 0, count: 16))
        message.integrityCode = try NTLMKeys.integrityCode(
            sessionKey: sessionKey, negotiate: negotiate, challenge: challengeToken, authenticate: message.encoded)
        return message.encoded
    }
}
