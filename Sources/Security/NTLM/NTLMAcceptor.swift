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

    private let environment: NTLMEnvironment
    private let users: any UserDirectory
    private let integrityCode: NTLMProvider.IntegrityCodePolicy
    private let world: NTLMWorld
    private let observer: (@Sendable (NTLMProvider.Event) -> Void)?
    private var state = State.ready

    init(
        environment: NTLMEnvironment, users: any UserDirectory, integrityCode: NTLMProvider.IntegrityCodePolicy,
        world: NTLMWorld, observer: (@Sendable (NTLMProvider.Event) -> Void)?
    ) {
        self.environment = environment
        self.users = users
        self.integrityCode = integrityCode
        self.world = world
        self.observer = observer
    }

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
            let context = try await authenticate(message, token: token, challenged)
            observer?(
                context.isExchangeProtected
                    ? .accepted(context.identity, workstation: workstation)
                    : .acceptedWithoutIntegrityCode(context.identity, workstation: workstation))
            return context
        } catch {
            observer?(
                .refused(
                    domain: message.domain.text, user: message.user.text, workstation: workstation, error))
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

        let isAnonymous =
            message.flags.contains(.anonymous) || (message.user.isEmpty && message.ntResponse.count <= 1)
        verdict.require(!isAnonymous, .logonDenied(.anonymous))
        // An NTLMv1 response has 24 octets; an LM-only client sends none at all.
        verdict.require(message.ntResponse.count > 24, .logonDenied(.obsoleteResponse))
        let response: NTLMv2Response
        do throws(SecurityError) {
            response = try NTLMv2Response(message.ntResponse)
        } catch {
            verdict.require(false, error)
            response = try impossibleResponse()
        }

        let record = try await look(up: message)
        verdict.require(record != nil, .logonDenied(.unknownUser))
        // The hash that is nobody's is made in either case.
        let nobodysHash = SecretBytes(try random(16))
        let proven = try cryptographic { () throws(CryptographyError) in
            try prove(message, response, ntHash: record?.ntHash ?? nobodysHash, token: token, challenged)
        }
        verdict.require(proven.isProofRight, .logonDenied(.wrongPassword))
        verdict.require(record?.isEnabled ?? false, .logonDenied(.disabledUser))
        check(response, against: challenge.targetInfo, &verdict)
        verdict.require(
            message.encryptedSessionKey.count == 16,
            .malformedToken("EncryptedRandomSessionKey: \(message.encryptedSessionKey.count) octets instead of 16"))

        let isPromised = response.pairs.flags.contains(.integrityCode)
        let isThere = message.integrityCode.map { $0.contains { $0 != 0 } } ?? false
        verdict.require(isThere || !isPromised, .logonDenied(.missingIntegrityCode))
        verdict.require(isPromised || integrityCode != .required, .logonDenied(.missingIntegrityCode))
        verdict.require(proven.isIntegrityCodeRight || !isPromised, .logonDenied(.wrongIntegrityCode))

        if let refusal = verdict.refusal { throw refusal }
        guard let record else { throw .logonDenied(.unknownUser) }
        let identity = ClientIdentity(
            domain: record.domain, user: record.name, sid: record.sid, isAdministrator: record.isAdministrator)
        let targetName = response.pairs[.targetName].map { String(decoding: $0.utf16Units, as: UTF16.self) }
        return try cryptographic { () throws(CryptographyError) in
            try NTLMSecurityContext(
                identity: identity, workstation: message.workstation.text, targetName: targetName,
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

    private func look(up message: NTLMAuthenticate) async throws(SecurityError) -> UserRecord? {
        let account = environment.account(domain: message.domain, user: message.user)
        do {
            // Also asked where we know that the account is not ours: the answer is thrown away, the time is spent.
            let record = try await users.user(
                domain: environment.netbiosDomainName, name: account ?? message.user.text)
            return account == nil ? nil : record
        } catch {
            throw .directoryUnavailable(String(describing: error))
        }
    }

    /// What the cryptography says about a response.
    private struct Proven {
        var isProofRight: Bool
        var isIntegrityCodeRight: Bool
        var sessionKey: SecretBytes
    }

    private func prove(
        _ message: NTLMAuthenticate, _ response: NTLMv2Response, ntHash: SecretBytes, token: [UInt8],
        _ challenged: Challenged
    ) throws(CryptographyError) -> Proven {
        let challenge = challenged.challenge
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
        let exchangeKey = try NTLMKeys.sessionBaseKey(responseKey: responseKey, proof: response.proof)
        let encryptedKey = message.encryptedSessionKey.count == 16 ? message.encryptedSessionKey : [UInt8](16)
        let sessionKey = try NTLMKeys.rc4(key: exchangeKey, SecretBytes(encryptedKey))
        let code = try NTLMKeys.integrityCode(
            sessionKey: sessionKey, negotiate: challenged.negotiateToken, challenge: challenged.challengeToken,
            authenticate: token)
        return Proven(
            isProofRight: isExpected || isBare,
            isIntegrityCodeRight: constantTimeEqual(code, message.integrityCode ?? []), sessionKey: sessionKey)
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
    /// UTF-16LE code units; an odd octet at the end is dropped.
    fileprivate var utf16Units: [UInt16] {
        stride(from: 0, to: count - 1, by: 2).map { UInt16(self[$0]) | UInt16(self[$0 + 1]) << 8 }
    }

    /// Zeroes.
    fileprivate init(_ count: Int) {
        self.init(repeating: 0, count: count)
    }
}
