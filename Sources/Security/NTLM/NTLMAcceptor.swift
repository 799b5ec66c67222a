/// The server's half of an NTLM exchange ([MS-NLMP] 3.2.5.1).
///
/// Its challenge is made for it alone and taken back with the first answer, whatever that is: a recorded answer fits no
/// other acceptor, and this one takes no second.
actor NTLMAcceptor: SecurityAcceptor {
    /// How far a response's own time may be from ours where the client did not repeat our timestamp (MaxLifetime in
    /// [MS-NLMP] 3.1.1.1; Windows' default of today, 36 hours, leaves room for wrong time zones).
    static let maximumLifetime = 36 * 3600 * FileTime.second

    private enum State {
        case ready
        case challenged(Challenged)
        case finished
    }

    /// What the last token is checked against.
    private struct Challenged {
        var negotiateToken: [UInt8]
        var challengeToken: [UInt8]
        var challenge: NTLMChallenge
    }

    private let policy: NTLMPolicy
    private let peer: SecurityPeer
    private let world: NTLMWorld
    private var state = State.ready

    init(policy: NTLMPolicy, peer: SecurityPeer, world: NTLMWorld) {
        self.policy = policy
        self.peer = peer
        self.world = world
    }

    private var environment: NTLMEnvironment { policy.environment }

    func accept(_ token: [UInt8]) async throws(SecurityError) -> SecurityStep {
        // Taken before any await: a second token that comes meanwhile finds the exchange finished.
        let current = state
        state = .finished
        switch current {
        case .ready:
            let challenged = try challenge(token)
            state = .challenged(challenged)
            return .continueNeeded(reply: challenged.challengeToken)
        case .challenged(let challenged):
            return .complete(reply: nil, context: try await verify(token, challenged))
        case .finished:
            throw .unexpectedToken("the exchange has ended")
        }
    }

    // MARK: - The challenge

    private static let supported: NTLMFlags = [
        .unicode, .sign, .seal, .extendedSessionSecurity, .key128, .key56, .keyExchange, .version,
    ]

    private func challenge(_ token: [UInt8]) throws(SecurityError) -> Challenged {
        let offer = try NTLMNegotiate(token).flags
        guard offer.isSuperset(of: .indispensable) else {
            throw .unacceptable("the client offers \(offer), at least \(NTLMFlags.indispensable) needed")
        }
        var flags = offer.intersection(Self.supported)
        flags.formUnion([.requestTarget, .ntlm, .alwaysSign, .targetInfo])
        flags.insert(environment.isDomainMember ? .targetTypeDomain : .targetTypeServer)
        var info = environment.targetInfo
        info.timestamp = world.fileTime()
        let name = environment.isDomainMember ? environment.netbiosDomainName : environment.netbiosComputerName
        let challenge = NTLMChallenge(
            flags: flags, serverChallenge: try random(8), targetName: NTLMName(name), targetInfo: info)
        return Challenged(negotiateToken: token, challengeToken: challenge.encoded, challenge: challenge)
    }

    private func random(_ count: Int) throws(SecurityError) -> [UInt8] {
        try cryptographic { () throws(CryptographyError) in try world.random(count) }
    }

    // MARK: - The proof

    private func verify(_ token: [UInt8], _ challenged: Challenged) async throws(SecurityError) -> NTLMSecurityContext {
        let message = try NTLMAuthenticate(token)
        let workstation = message.workstation.text
        do throws(SecurityError) {
            let context = try await throttled(message, token: token, challenged)
            policy.observer?(
                context.isExchangeProtected
                    ? .accepted(context.identity, workstation: workstation)
                    : .acceptedWithoutIntegrityCode(context.identity, workstation: workstation))
            return context
        } catch {
            policy.observer?(
                .refused(
                    domain: message.domain.text, user: message.user.text, workstation: workstation, error))
            throw error
        }
    }

    /// Waits for the user's and the address' turn, and tells how it went.
    private func throttled(
        _ message: NTLMAuthenticate, token: [UInt8], _ challenged: Challenged
    ) async throws(SecurityError) -> NTLMSecurityContext {
        guard let throttle = policy.throttle, !message.isAnonymous else {
            return try await authenticate(message, token: token, challenged)
        }
        // One account has several names, but one counter.
        let name =
            environment.account(domain: message.domain, user: message.user)
            ?? "\(message.domain.text)\\\(message.user.text)"
        let attempt = try await throttle.admit(user: name, address: peer.address)
        do throws(SecurityError) {
            let context = try await authenticate(message, token: token, challenged)
            throttle.succeeded(attempt)
            return context
        } catch {
            if case .logonDenied = error { throttle.failed(attempt) } else { throttle.abandoned(attempt) }
            throw error
        }
    }

    /// Checks everything, always: which of the checks failed must not show in how long it took. So nothing in here returns
    /// early, an unknown user is checked against a hash that nobody's password has, and a response that is no NTLMv2
    /// response is replaced by one that cannot be right.
    private func authenticate(
        _ message: NTLMAuthenticate, token: [UInt8], _ challenged: Challenged
    ) async throws(SecurityError) -> NTLMSecurityContext {
        let challenge = challenged.challenge
        var verdict = Verdict()
        let agreed = message.flags.intersection(challenge.flags)
        verdict.require(
            agreed.isSuperset(of: .indispensable),
            .unacceptable("the client chose \(message.flags), at least \(NTLMFlags.indispensable) needed"))

        verdict.require(!message.isAnonymous, .logonDenied(.anonymous))
        // An NTLMv1 response has 24 octets; an LM-only client sends none at all.
        verdict.require(message.ntResponse.count > 24, .logonDenied(.obsoleteResponse))
        let response: NTLMv2Response
        do throws(SecurityError) {
            response = try NTLMv2Response(message.ntResponse)
        } catch {
            verdict.require(false, error)
            response = try impossibleResponse()
        }

        // A domain counts what it is asked for, and locks accounts: it is not asked about what is refused in any case.
        var foreign = Verdict()
        check(response, against: challenge.targetInfo, &foreign)
        check(response, against: policy, &foreign)
        let account = try await find(
            message, challenge, isWorthAsking: verdict.refusal == nil && foreign.refusal == nil)
        verdict.require(!account.isNobody, .logonDenied(account.isRefused ? .refusedByDomain : .unknownUser))
        let proven = try prove(message, response, account, token: token, challenged)
        verdict.require(proven.isProofRight, .logonDenied(.wrongPassword))
        verdict.require(account.isEnabled, .logonDenied(.disabledUser))
        if let refusal = foreign.refusal { verdict.require(false, refusal) }
        verdict.require(
            message.encryptedSessionKey.count == 16,
            .malformedToken("EncryptedRandomSessionKey: \(message.encryptedSessionKey.count) octets instead of 16"))

        let isPromised = response.pairs.flags.contains(.integrityCode)
        let isThere = message.integrityCode.map { $0.contains { $0 != 0 } } ?? false
        verdict.require(isThere || !isPromised, .logonDenied(.missingIntegrityCode))
        verdict.require(isPromised || policy.integrityCode != .required, .logonDenied(.missingIntegrityCode))
        verdict.require(proven.isIntegrityCodeRight || !isPromised, .logonDenied(.wrongIntegrityCode))

        if let refusal = verdict.refusal { throw refusal }
        guard let identity = account.identity else { throw .logonDenied(.unknownUser) }
        return try cryptographic { () throws(CryptographyError) in
            try NTLMSecurityContext(
                identity: identity, workstation: message.workstation.text, targetName: response.targetName,
                isExchangeProtected: isPromised, sessionKey: proven.sessionKey, flags: agreed, isClient: false)
        }
    }

    /// The first of all reasons to refuse.
    private struct Verdict {
        private(set) var refusal: SecurityError?

        mutating func require(_ condition: Bool, _ error: @autoclosure () -> SecurityError) {
            if !condition, refusal == nil { refusal = error() }
        }
    }

    /// The account that a client names: ours, a domain's, or nobody's.
    private enum Account {
        case local(UserRecord)
        case domain(NTLMDomainAccount)
        /// Perhaps a domain's, which does not say whether.
        case refused
        case nobody

        var isEnabled: Bool {
            switch self {
            case .local(let record): record.isEnabled
            case .domain: true
            case .refused, .nobody: false
            }
        }

        var identity: ClientIdentity? {
            switch self {
            case .local(let record):
                ClientIdentity(
                    domain: record.domain, user: record.name, sid: record.sid, isAdministrator: record.isAdministrator)
            case .domain(let account): account.identity
            case .refused, .nobody: nil
            }
        }

        var isNobody: Bool { identity == nil }

        var isRefused: Bool {
            if case .refused = self { true } else { false }
        }
    }

    private func find(
        _ message: NTLMAuthenticate, _ challenge: NTLMChallenge, isWorthAsking: Bool
    ) async throws(SecurityError) -> Account {
        let name = environment.account(domain: message.domain, user: message.user)
        do {
            // Also asked where we know that the account is not ours: the answer is thrown away, the time is spent.
            let record = try await policy.users.user(
                domain: environment.netbiosDomainName, name: name ?? message.user.text)
            if let record, name != nil { return .local(record) }
        } catch {
            throw .directoryUnavailable(String(describing: error))
        }
        guard isWorthAsking, let authority = policy.authority else { return .nobody }
        let logon = NTLMDomainLogon(
            domain: message.domain.text, user: message.user.text, workstation: message.workstation.text,
            serverChallenge: challenge.serverChallenge, response: message.ntResponse)
        return try await authority.check(logon).map { .domain($0) } ?? .refused
    }

    /// What the cryptography says about a response.
    private struct Proven {
        var isProofRight: Bool
        var isIntegrityCodeRight: Bool
        var sessionKey: SecretBytes
    }

    private func prove(
        _ message: NTLMAuthenticate, _ response: NTLMv2Response, _ account: Account, token: [UInt8],
        _ challenged: Challenged
    ) throws(SecurityError) -> Proven {
        // The hash that is nobody's is made in any case.
        let nobodysHash = SecretBytes(try random(16))
        return try cryptographic { () throws(CryptographyError) in
            let isRight: Bool
            let exchangeKey: SecretBytes
            switch account {
            case .domain(let account):
                // The domain has checked the proof already.
                isRight = true
                exchangeKey = account.sessionBaseKey
            case .local(let record):
                (isRight, exchangeKey) = try Self.check(message, response, record.ntHash, challenged.challenge)
            case .refused, .nobody:
                (isRight, exchangeKey) = try Self.check(message, response, nobodysHash, challenged.challenge)
            }
            let encryptedKey = message.encryptedSessionKey.count == 16 ? message.encryptedSessionKey : [UInt8](16)
            let sessionKey = try NTLMKeys.rc4(key: exchangeKey, SecretBytes(encryptedKey))
            let code = try NTLMKeys.integrityCode(
                sessionKey: sessionKey, negotiate: challenged.negotiateToken, challenge: challenged.challengeToken,
                authenticate: token)
            return Proven(
                isProofRight: isRight,
                isIntegrityCodeRight: constantTimeEqual(code, message.integrityCode ?? []), sessionKey: sessionKey)
        }
    }

    /// Whether a response was made with a password's hash, and the key that follows.
    private static func check(
        _ message: NTLMAuthenticate, _ response: NTLMv2Response, _ ntHash: SecretBytes, _ challenge: NTLMChallenge
    ) throws(CryptographyError) -> (isRight: Bool, exchangeKey: SecretBytes) {
        // Some clients leave the domain out of the key ([MS-NLMP] 3.2.5.1.2), so both are always tried.
        var responseKey = try NTLMKeys.responseKey(ntHash: ntHash, user: message.user, domain: message.domain)
        let bareKey = try NTLMKeys.responseKey(ntHash: ntHash, user: message.user, domain: NTLMName(""))
        let expected = try NTLMKeys.proof(
            responseKey: responseKey, serverChallenge: challenge.serverChallenge, blob: response.blob)
        let bare = try NTLMKeys.proof(
            responseKey: bareKey, serverChallenge: challenge.serverChallenge, blob: response.blob)
        let isExpected = constantTimeEqual(expected, response.proof)
        let isBare = constantTimeEqual(bare, response.proof)
        if isBare { responseKey = bareKey }
        return (isExpected || isBare, try NTLMKeys.sessionBaseKey(responseKey: responseKey, proof: response.proof))
    }

    /// Checks that the client meant this server, and this kind of connection.
    private func check(_ response: NTLMv2Response, against policy: NTLMPolicy, _ verdict: inout Verdict) {
        guard policy.target != .any else { return }
        // DCE/RPC over TCP has no channel beneath it that a proof could be bound to. One that is was made in another's.
        if let bindings = response.pairs[.channelBindings] {
            verdict.require(bindings.allSatisfy { $0 == 0 }, .logonDenied(.foreignTarget("a channel")))
        }
        guard let name = response.targetName, !name.isEmpty, !response.pairs.flags.contains(.unverifiedTarget) else {
            verdict.require(policy.target != .required, .logonDenied(.foreignTarget("")))
            return
        }
        verdict.require(
            NTLMTarget(name).isOne(of: policy.hosts(for: peer)), .logonDenied(.foreignTarget(name.cut(to: 256))))
    }

    /// Checks that the client answered to what we sent, and that it did so now.
    private func check(_ response: NTLMv2Response, against info: AVPairs, _ verdict: inout Verdict) {
        for identifier in [AVPairs.Identifier.netbiosComputerName, .netbiosDomainName] {
            verdict.require(response.pairs[identifier] == info[identifier], .logonDenied(.foreignChallenge))
        }
        // The other names may be left out, but not changed.
        for identifier in [AVPairs.Identifier.dnsComputerName, .dnsDomainName, .dnsTreeName] {
            let repeated = response.pairs[identifier]
            verdict.require(repeated == nil || repeated == info[identifier], .logonDenied(.foreignChallenge))
        }
        guard let ours = info.timestamp else { return }
        if let repeated = response.pairs.timestamp {
            verdict.require(repeated == ours && response.timestamp == ours, .logonDenied(.foreignChallenge))
        } else {
            let distance = response.timestamp > ours ? response.timestamp - ours : ours - response.timestamp
            verdict.require(distance <= Self.maximumLifetime, .logonDenied(.staleResponse))
        }
    }

    private func impossibleResponse() throws(SecurityError) -> NTLMv2Response {
        // As long as a usual one, so that checking it takes as long; the proof is random.
        NTLMv2Response(
            proof: try random(16), blob: [UInt8](repeating: 0, count: 200), timestamp: 0, pairs: AVPairs())
    }
}

extension [UInt8] {
    /// Zeroes.
    fileprivate init(_ count: Int) {
        self.init(repeating: 0, count: count)
    }
}
