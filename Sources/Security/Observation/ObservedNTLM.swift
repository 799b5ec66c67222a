/// The three messages of an NTLM exchange that somebody looked on, and what follows from them and a password's hash
/// ([MS-NLMP] 3.3.2, 3.4.5).
struct ObservedNTLM {
    private let client: String
    private let sessionKey: SecretBytes
    private let flags: NTLMFlags

    /// Derives the session key.
    ///
    /// - Parameter hashes: of all passwords that might be the user's; the user's proof tells which is.
    init(clients: [[UInt8]], servers: [[UInt8]], hashes: [SecretBytes]) throws(ObservationError) {
        guard let challengeToken = servers.last(where: { ObservedExchange.ntlmType($0) == 2 }),
            let authenticateToken = clients.last(where: { ObservedExchange.ntlmType($0) == 3 })
        else { throw ObservationError("the capture does not have the whole exchange of NTLM") }
        let challenge: NTLMChallenge
        let message: NTLMAuthenticate
        do throws(SecurityError) {
            challenge = try NTLMChallenge(challengeToken)
            message = try NTLMAuthenticate(authenticateToken)
        } catch {
            throw ObservationError("a message of NTLM cannot be read: \(error)")
        }
        let client = "\(message.domain.text)\\\(message.user.text)"
        guard !message.isAnonymous else { throw ObservationError("its client is nobody, who has no key") }
        guard message.flags.isSuperset(of: [.extendedSessionSecurity, .key128, .keyExchange]) else {
            throw ObservationError("its flags \(message.flags) ask for keys that are too weak to be known here")
        }
        guard message.ntResponse.count > 24 else { throw ObservationError("NTLMv1 is not known here") }
        guard !hashes.isEmpty else {
            throw ObservationError("the password of \(client) was not given (--nt-password, --nt-hash)")
        }
        let response: NTLMv2Response
        do throws(SecurityError) {
            response = try NTLMv2Response(message.ntResponse)
        } catch {
            throw ObservationError("the response of NTLM cannot be read: \(error)")
        }
        var found: SecretBytes?
        do throws(CryptographyError) {
            for hash in hashes {
                let key = try NTLMKeys.responseKey(ntHash: hash, user: message.user, domain: message.domain)
                let proof = try NTLMKeys.proof(
                    responseKey: key, serverChallenge: challenge.serverChallenge, blob: response.blob)
                guard constantTimeEqual(proof, response.proof) else { continue }
                let exchangeKey = try NTLMKeys.sessionBaseKey(responseKey: key, proof: proof)
                found = try NTLMKeys.rc4(key: exchangeKey, SecretBytes(message.encryptedSessionKey))
                break
            }
        } catch {
            throw ObservationError("\(error)")
        }
        guard let found else {
            throw ObservationError("the password given is not that which \(client) logged on with")
        }
        self.client = client
        sessionKey = found
        flags = message.flags
    }

    /// Both directions' keys.
    ///
    /// - Parameters:
    ///   - clientCounts: whether the client vouched for SPNEGO's list, which counts as its first message.
    ///   - serverCounts: whether the server did.
    func context(clientCounts: Bool, serverCounts: Bool) throws(ObservationError) -> ObservedContext {
        do throws(SecurityError) {
            // The server's half reads what the client sent, and the other way round.
            let fromClient = try half(isClient: false)
            let fromServer = try half(isClient: true)
            if clientCounts { try fromClient.countIncoming() }
            if serverCounts { try fromServer.countIncoming() }
            return ObservedContext(clientName: client, opener: .ntlm(client: fromClient, server: fromServer))
        } catch {
            throw ObservationError("\(error)")
        }
    }

    private func half(isClient: Bool) throws(SecurityError) -> NTLMSecurityContext {
        let identity = ClientIdentity(domain: "", user: client, sid: "", isAdministrator: false)
        return try cryptographic { () throws(CryptographyError) in
            try NTLMSecurityContext(
                identity: identity, workstation: "", targetName: nil, isExchangeProtected: false,
                sessionKey: sessionKey,
                flags: flags, isClient: isClient)
        }
    }
}
