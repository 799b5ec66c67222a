/// The client's half of an NTLM exchange ([MS-NLMP] 3.1.5.1): NTLMv2 with a message integrity code.
public actor NTLMInitiator: SecurityInitiator {
    private enum State {
        case ready
        case negotiated([UInt8])
        case finished
    }

    /// NTLM's number.
    public nonisolated let authenticationType = AuthenticationType.ntlm

    private let domain: NTLMName
    private let user: NTLMName
    private let ntHash: SecretBytes
    private let workstation: NTLMName
    private let targetName: String?
    private let world: NTLMWorld
    private var state = State.ready

    /// Logs on with a password.
    ///
    /// - Parameters:
    ///   - domain: the domain or computer that holds the account; empty for the server's choice or a UPN.
    ///   - user: the account.
    ///   - password: its password; only its hash is kept.
    ///   - workstation: how this computer calls itself, informational.
    ///   - targetName: the service principal name that is to be reached ("RPCSS/node1"), if known.
    /// - Throws: ``SecurityError/cryptography(_:)``.
    public init(
        domain: String, user: String, password: String, workstation: String = "", targetName: String? = nil
    ) throws(SecurityError) {
        let hash = try cryptographic { () throws(CryptographyError) in try NTLMPassword.ntHash(password) }
        self.init(domain: domain, user: user, ntHash: hash, workstation: workstation, targetName: targetName)
    }

    /// Logs on with a password's hash, 16 octets.
    public init(
        domain: String, user: String, ntHash: SecretBytes, workstation: String = "", targetName: String? = nil
    ) {
        self.init(
            domain: domain, user: user, ntHash: ntHash, workstation: workstation, targetName: targetName,
            world: NTLMWorld())
    }

    init(
        domain: String, user: String, ntHash: SecretBytes, workstation: String, targetName: String?, world: NTLMWorld
    ) {
        self.domain = NTLMName(domain)
        self.user = NTLMName(user)
        self.ntHash = ntHash
        self.workstation = NTLMName(workstation)
        self.targetName = targetName
        self.world = world
    }

    private static let offer: NTLMFlags = [
        .unicode, .requestTarget, .sign, .seal, .ntlm, .alwaysSign, .extendedSessionSecurity, .targetInfo, .version,
        .key128, .keyExchange, .key56,
    ]

    /// NEGOTIATE first; then, for the server's CHALLENGE, the context and AUTHENTICATE.
    public func initiate(_ token: [UInt8]?) async throws(SecurityError) -> SecurityStep {
        let current = state
        state = .finished
        switch (current, token) {
        case (.ready, nil):
            let negotiate = NTLMNegotiate(flags: Self.offer).encoded
            state = .negotiated(negotiate)
            return .continueNeeded(reply: negotiate)
        case (.negotiated(let negotiate), let token?):
            let challenge = try NTLMChallenge(token)
            try Self.check(challenge)
            return try cryptographic { () throws(CryptographyError) in
                try answer(challenge, challengeToken: token, negotiateToken: negotiate)
            }
        case (.ready, _): throw .unexpectedToken("the client speaks first")
        case (.negotiated, nil): throw .unexpectedToken("the server's challenge is missing")
        case (.finished, _): throw .unexpectedToken("the exchange has ended")
        }
    }

    private func answer(
        _ challenge: NTLMChallenge, challengeToken: [UInt8], negotiateToken: [UInt8]
    ) throws(CryptographyError) -> SecurityStep {
        // What both sides can do; the server may have set bits that we did not offer.
        let flags = challenge.flags.intersection(
            Self.offer.union([.targetTypeDomain, .targetTypeServer]))
        let time = challenge.targetInfo.timestamp
        var pairs = challenge.targetInfo
        pairs.flags.insert(.integrityCode)
        pairs[.channelBindings] = [UInt8](repeating: 0, count: 16)
        pairs[.targetName] = NTLMName(targetName ?? "").octets

        let clientChallenge = try world.random(8)
        var blob: [UInt8] = [1, 1, 0, 0, 0, 0, 0, 0]
        blob.appendLittleEndian(time ?? world.fileTime())
        blob += clientChallenge
        blob += [0, 0, 0, 0]
        blob += pairs.encoded
        blob += [0, 0, 0, 0]

        let responseKey = try NTLMKeys.responseKey(ntHash: ntHash, user: user, domain: domain)
        let proof = try NTLMKeys.proof(
            responseKey: responseKey, serverChallenge: challenge.serverChallenge, blob: blob)
        // A server with a clock gets no LMv2 response (3.1.5.1.2).
        let lmResponse =
            time == nil
            ? try NTLMKeys.proof(
                responseKey: responseKey, serverChallenge: challenge.serverChallenge, blob: clientChallenge)
                + clientChallenge
            : [UInt8](repeating: 0, count: 24)
        let exchangeKey = try NTLMKeys.sessionBaseKey(responseKey: responseKey, proof: proof)
        let sessionKey = SecretBytes(try world.random(16))
        var message = NTLMAuthenticate(
            flags: flags, lmResponse: lmResponse, ntResponse: proof + blob, domain: domain, user: user,
            workstation: workstation,
            encryptedSessionKey: try NTLMKeys.rc4(key: exchangeKey, sessionKey).bytes,
            integrityCode: [UInt8](repeating: 0, count: 16))
        message.integrityCode = try NTLMKeys.integrityCode(
            sessionKey: sessionKey, negotiate: negotiateToken, challenge: challengeToken,
            authenticate: message.encoded)

        let identity = ClientIdentity(domain: domain.text, user: user.text, sid: "", isAdministrator: false)
        let context = try NTLMSecurityContext(
            identity: identity, workstation: workstation.text, targetName: targetName, isExchangeProtected: true,
            sessionKey: sessionKey, flags: flags, isClient: true)
        return .complete(reply: message.encoded, context: context)
    }

    /// Five names of 255 characters and some numbers are 2,700 octets.
    static let longestTargetInfo = 16384

    /// Refuses a server that would weaken the keys, or could not have a proof bound to it.
    private static func check(_ challenge: NTLMChallenge) throws(SecurityError) {
        guard challenge.flags.isSuperset(of: NTLMFlags.indispensable.union([.sign, .seal])) else {
            throw .unacceptable("the server chose \(challenge.flags), at least \(NTLMFlags.indispensable) needed")
        }
        // "then return STATUS_LOGON_FAILURE" (3.1.5.1.2).
        guard challenge.targetInfo[.netbiosComputerName] != nil, challenge.targetInfo[.netbiosDomainName] != nil else {
            throw .unacceptable("the server does not name itself")
        }
        // It is repeated in our response, whose length has 16 bits, in a PDU whose length has no more.
        let length = challenge.targetInfo.encoded.count
        guard length <= longestTargetInfo else {
            throw .unacceptable("the server describes itself in \(length) octets, at most \(longestTargetInfo) allowed")
        }
    }
}
