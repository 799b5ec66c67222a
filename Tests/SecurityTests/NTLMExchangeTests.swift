import Testing

@testable import Security

@Suite struct NTLMExchangeTests {
    @Test(arguments: [NTLMProvider.IntegrityCodePolicy.required, .whenPromised])
    func bothSidesAgree(policy: NTLMProvider.IntegrityCodePolicy) async throws {
        let (client, server) = try await exchange(Sample.initiator(), Sample.acceptor(integrityCode: policy))
        #expect(server.isExchangeProtected)
        #expect(server.identity.description == "CLUSTER\\alice")
        #expect(server.identity.sid == "S-1-5-21-1-2-3-1000")
        #expect(server.targetName == "RPCSS/node1" && server.workstation == "CLIENT")
        #expect(client.identity.user == "alice")
        let plain = [UInt8](0..<64)
        for (sender, receiver) in [(client, server), (server, client), (client, server)] {
            var message = plain
            let signature = try sender.protect(&message, body: 24..<56, level: .packetPrivacy)
            #expect(message != plain)
            #expect(Array(message[..<24]) == Array(plain[..<24]) && Array(message[56...]) == Array(plain[56...]))
            try receiver.unprotect(&message, body: 24..<56, authValue: signature[...], level: .packetPrivacy)
            #expect(message == plain)
        }
    }

    @Test func theProviderMakesFreshChallenges() async throws {
        let provider = NTLMProvider(environment: Sample.environment, users: SampleDirectory())
        #expect(provider.authenticationType == .ntlm)
        let negotiate = try await Sample.initiator().initiate(nil).reply()
        let first = try NTLMChallenge(
            try await provider.makeAcceptor(for: SecurityPeer(address: "192.0.2.1")).accept(negotiate).reply())
        let second = try NTLMChallenge(
            try await provider.makeAcceptor(for: SecurityPeer(address: "192.0.2.1")).accept(negotiate).reply())
        #expect(first.serverChallenge != second.serverChallenge)
        #expect(first.targetInfo.timestamp != nil)
        #expect(
            first.flags.isSuperset(of: NTLMFlags.indispensable.union([.sign, .seal, .targetInfo, .targetTypeDomain])))
    }

    @Test func aNodeWithoutADomainNamesItself() async throws {
        let alone = NTLMEnvironment(
            netbiosComputerName: "NODE1", netbiosDomainName: "NODE1", dnsComputerName: "node1", dnsDomainName: "node1")
        let acceptor = Sample.acceptor(environment: alone)
        let challenge = try NTLMChallenge(try await acceptor.accept(Sample.initiator().initiate(nil).reply()).reply())
        #expect(challenge.flags.contains(.targetTypeServer) && !challenge.flags.contains(.targetTypeDomain))
        #expect(challenge.targetName == NTLMName("NODE1"))
    }

    // MARK: - Names

    @Test(arguments: [
        ("CLUSTER", "alice"), ("cluster", "ALICE"), ("NODE1", "alice"), ("node1.cluster.test", "alice"),
        ("cluster.test", "Alice"), ("", "alice"), (".", "alice"), ("", "alice@cluster.test"), ("", "alice@CLUSTER"),
        (".", "alice@node1"),
    ])
    func ownNames(domain: String, user: String) async throws {
        let (_, server) = try await exchange(Sample.initiator(domain: domain, user: user), Sample.acceptor())
        #expect(server.identity.user == "alice" && server.identity.domain == "CLUSTER")
    }

    @Test(arguments: [
        ("OTHER", "alice"), ("NODE2", "alice"), ("", "alice@other.test"), ("CLUSTER", "alice@cluster.test"),
        ("CLUSTER", "bob"), ("", "@cluster.test"), ("..", "alice"),
    ])
    func foreignNames(domain: String, user: String) async throws {
        await #expect(throws: SecurityError.logonDenied(.unknownUser)) {
            try await exchange(Sample.initiator(domain: domain, user: user), Sample.acceptor())
        }
    }

    // [MS-NLMP] 3.2.5.1.2: clients that leave the domain out of the key are served.
    @Test func theDomainMayBeMissingFromTheKey() async throws {
        let (_, server) = try await exchange(
            Sample.initiator(domain: ""), Sample.acceptor(integrityCode: .whenPromised),
            authenticate: { token in
                // The MIC covers the name: take the promise away and make the proof again.
                try rewritten(token, dropPromise: true) { $0.domain = NTLMName("CLUSTER") }
            })
        #expect(server.identity.user == "alice")
    }

    // MARK: - Refusals

    @Test func aWrongPassword() async throws {
        await #expect(throws: SecurityError.logonDenied(.wrongPassword)) {
            try await exchange(Sample.initiator(password: "passw0rd!"), Sample.acceptor())
        }
    }

    @Test func aDisabledAccount() async throws {
        await #expect(throws: SecurityError.logonDenied(.disabledUser)) {
            try await exchange(Sample.initiator(user: "mallory"), Sample.acceptor())
        }
        // Whose wrong password is still only that.
        await #expect(throws: SecurityError.logonDenied(.wrongPassword)) {
            try await exchange(Sample.initiator(user: "mallory", password: "x"), Sample.acceptor())
        }
    }

    @Test func aDirectoryThatDoesNotAnswer() async throws {
        await #expect(throws: SecurityError.directoryUnavailable("Unreachable()")) {
            try await exchange(Sample.initiator(), Sample.acceptor(users: SampleDirectory(isReachable: false)))
        }
    }

    @Test func aReplayedProof() async throws {
        let initiator = try Sample.initiator()
        let provider = NTLMProvider(environment: Sample.environment, users: SampleDirectory())
        let negotiate = try await initiator.initiate(nil).reply()
        let first = provider.makeAcceptor(for: SecurityPeer(address: "192.0.2.1"))
        let challenge = try await first.accept(negotiate).reply()
        let authenticate = try #require(try await initiator.initiate(challenge).completed().reply)
        _ = try await first.accept(authenticate)
        // Not twice to one acceptor …
        await #expect(throws: SecurityError.unexpectedToken("the exchange has ended")) {
            try await first.accept(authenticate)
        }
        // … and not to another one, whose challenge it does not answer.
        let second = provider.makeAcceptor(for: SecurityPeer(address: "192.0.2.1"))
        _ = try await second.accept(negotiate)
        await #expect(throws: SecurityError.logonDenied(.wrongPassword)) { try await second.accept(authenticate) }
    }

    @Test func aSecondTryAfterAFailure() async throws {
        let initiator = try Sample.initiator()
        let acceptor = Sample.acceptor()
        let challenge = try await acceptor.accept(try await initiator.initiate(nil).reply()).reply()
        let authenticate = try #require(try await initiator.initiate(challenge).completed().reply)
        await #expect(throws: SecurityError.self) { try await acceptor.accept(Array(authenticate.dropLast())) }
        await #expect(throws: SecurityError.unexpectedToken("the exchange has ended")) {
            try await acceptor.accept(authenticate)
        }
    }

    @Test func tokensOutOfOrder() async throws {
        let negotiate = try await Sample.initiator().initiate(nil).reply()
        let acceptor = Sample.acceptor()
        _ = try await acceptor.accept(negotiate)
        await #expect(throws: SecurityError.self) { try await acceptor.accept(negotiate) }
        await #expect(throws: SecurityError.self) { try await Sample.acceptor().accept([]) }
        let initiator = try Sample.initiator()
        await #expect(throws: SecurityError.unexpectedToken("the client speaks first")) {
            try await initiator.initiate([1])
        }
        await #expect(throws: SecurityError.unexpectedToken("the exchange has ended")) {
            try await initiator.initiate(nil)
        }
    }

    @Test func anAnonymousClient() async throws {
        await #expect(throws: SecurityError.logonDenied(.anonymous)) {
            try await exchange(
                Sample.initiator(), Sample.acceptor(),
                authenticate: { _ in
                    var message = emptyMessage
                    message.lmResponse = [0]
                    return message.encoded
                })
        }
        await #expect(throws: SecurityError.logonDenied(.anonymous)) {
            try await exchange(
                Sample.initiator(), Sample.acceptor(),
                authenticate: { token in try rewritten(token, dropPromise: true) { $0.flags.insert(.anonymous) } })
        }
    }

    @Test(arguments: [0, 24]) func anObsoleteResponse(length: Int) async throws {
        await #expect(throws: SecurityError.logonDenied(.obsoleteResponse)) {
            try await exchange(
                Sample.initiator(), Sample.acceptor(),
                authenticate: { _ in
                    var message = emptyMessage
                    message.user = NTLMName("alice")
                    message.lmResponse = [UInt8](repeating: 1, count: 24)
                    message.ntResponse = [UInt8](repeating: 1, count: length)
                    return message.encoded
                })
        }
    }

    private var emptyMessage: NTLMAuthenticate {
        NTLMAuthenticate(
            flags: NTLMFlags.indispensable.union([.sign, .seal]), lmResponse: [], ntResponse: [], domain: NTLMName(""),
            user: NTLMName(""), workstation: NTLMName(""), encryptedSessionKey: [UInt8](repeating: 0, count: 16),
            integrityCode: nil)
    }

    @Test func aPromisedIntegrityCodeThatIsMissing() async throws {
        // Zeroes in its place, and a message that has no place for it.
        await #expect(throws: SecurityError.logonDenied(.missingIntegrityCode)) {
            try await exchange(
                Sample.initiator(), Sample.acceptor(),
                authenticate: { token in
                    try rewritten(token) { $0.integrityCode = [UInt8](repeating: 0, count: 16) }
                })
        }
        await #expect(throws: SecurityError.logonDenied(.missingIntegrityCode)) {
            try await exchange(
                Sample.initiator(), Sample.acceptor(),
                authenticate: { token in try rewritten(token) { $0.integrityCode = nil } })
        }
    }

    @Test func aWrongIntegrityCode() async throws {
        await #expect(throws: SecurityError.logonDenied(.wrongIntegrityCode)) {
            try await exchange(
                Sample.initiator(), Sample.acceptor(),
                authenticate: { token in try rewritten(token) { $0.workstation = NTLMName("OTHER") } })
        }
    }

    @Test func weakKeysAreRefused() async throws {
        for weak in [NTLMFlags.unicode, .extendedSessionSecurity, .key128, .keyExchange] {
            // In the offer, on the server's side.
            await #expect(throws: SecurityError.self) {
                try await Sample.acceptor().accept(
                    NTLMNegotiate(flags: NTLMFlags.indispensable.subtracting(weak)).encoded)
            }
            // In the choice, on the client's side.
            let initiator = try Sample.initiator()
            _ = try await initiator.initiate(nil)
            let challenge = NTLMChallenge(
                flags: NTLMFlags.indispensable.union([.sign, .seal, .targetInfo]).subtracting(weak),
                serverChallenge: Sample.serverChallenge, targetName: NTLMName("X"),
                targetInfo: Sample.environment.targetInfo)
            await #expect(throws: SecurityError.self) { try await initiator.initiate(challenge.encoded) }
            // And in the last word, where only the MIC would tell.
            await #expect(throws: SecurityError.self) {
                try await exchange(
                    Sample.initiator(), Sample.acceptor(),
                    authenticate: { token in try rewritten(token, dropPromise: true) { $0.flags.remove(weak) } })
            }
        }
    }

    @Test func aServerThatDoesNotNameItselfIsRefused() async throws {
        let initiator = try Sample.initiator()
        _ = try await initiator.initiate(nil)
        let challenge = NTLMChallenge(
            flags: NTLMFlags.indispensable.union([.sign, .seal]), serverChallenge: Sample.serverChallenge,
            targetName: NTLMName("X"), targetInfo: AVPairs())
        await #expect(throws: SecurityError.unacceptable("the server does not name itself")) {
            try await initiator.initiate(challenge.encoded)
        }
    }

    @Test func aSessionKeyOfTheWrongLength() async throws {
        await #expect(throws: SecurityError.self) {
            try await exchange(
                Sample.initiator(), Sample.acceptor(),
                authenticate: { token in try rewritten(token, dropPromise: true) { $0.encryptedSessionKey.removeLast() }
                })
        }
    }

    /// What a client that knows the password, but answers to something else, would send.
    @Test func anAnswerToAnotherChallenge() async throws {
        for identifier in [
            AVPairs.Identifier.netbiosComputerName, .netbiosDomainName, .dnsComputerName, .dnsDomainName, .timestamp,
        ] {
            await #expect(throws: SecurityError.logonDenied(.foreignChallenge)) {
                try await exchange(
                    Sample.initiator(), Sample.acceptor(),
                    authenticate: { token in
                        try rewritten(token, dropPromise: true) { pairs in
                            pairs[identifier]?[0] ^= 1
                        }
                    })
            }
        }
        // The two that must be there, and one that may be left out.
        for (identifier, isNeeded) in [
            (AVPairs.Identifier.netbiosComputerName, true), (.netbiosDomainName, true), (.dnsDomainName, false),
        ] {
            let result = await Result {
                try await exchange(
                    Sample.initiator(), Sample.acceptor(),
                    authenticate: { token in
                        try rewritten(token, dropPromise: true) { pairs in pairs[identifier] = nil }
                    })
            }
            #expect((try? result.get()) == nil ? isNeeded : !isNeeded)
        }
    }

    @Test func aStaleAnswer() async throws {
        // Without our timestamp in it, the response's own time decides: the last moment is good, the next one is not.
        for (distance, isFresh) in [
            (NTLMAcceptor.maximumLifetime, true), (NTLMAcceptor.maximumLifetime + 1, false),
        ] {
            let result = await Result {
                try await exchange(
                    Sample.initiator(), Sample.acceptor(),
                    authenticate: { token in
                        try rewritten(token, dropPromise: true, time: Sample.time - distance) { pairs in
                            pairs.timestamp = nil
                        }
                    })
            }
            switch result {
            case .success: #expect(isFresh)
            case .failure(let error): #expect(!isFresh && error as? SecurityError == .logonDenied(.staleResponse))
            }
        }
    }
}

extension Result where Failure == any Error {
    /// The outcome of something asynchronous.
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

/// Reads an AUTHENTICATE message, changes it, and writes it again.
///
/// - Parameter dropPromise: whether to take the promise of a MIC out of the response, and to make the proof anew.
private func rewritten(
    _ token: [UInt8], dropPromise: Bool = false, _ change: (inout NTLMAuthenticate) -> Void
) throws -> [UInt8] {
    let original = try NTLMAuthenticate(token)
    var message =
        dropPromise ? try NTLMAuthenticate(try rewritten(token, dropPromise: true) { (_: inout AVPairs) in }) : original
    change(&message)
    return message.encoded
}

/// Reads an AUTHENTICATE message, changes the client's attributes, makes the proof and the key anew, and writes it again
/// without a MIC.
private func rewritten(
    _ token: [UInt8], dropPromise: Bool, time: UInt64? = nil, _ change: (inout AVPairs) -> Void
) throws -> [UInt8] {
    var message = try NTLMAuthenticate(token)
    let response = try NTLMv2Response(message.ntResponse)
    var pairs = response.pairs
    if dropPromise { pairs.flags.remove(.integrityCode) }
    change(&pairs)
    var blob = Array(response.blob[..<28])
    if let time {
        var octets: [UInt8] = []
        octets.appendLittleEndian(time)
        blob.replaceSubrange(8..<16, with: octets)
    }
    blob += pairs.encoded
    let hash = try NTLMPassword.ntHash(Sample.password)
    let key = try NTLMKeys.responseKey(ntHash: hash, user: message.user, domain: message.domain)
    message.ntResponse =
        try NTLMKeys.proof(responseKey: key, serverChallenge: Sample.serverChallenge, blob: blob) + blob
    message.integrityCode = nil
    return message.encoded
}
