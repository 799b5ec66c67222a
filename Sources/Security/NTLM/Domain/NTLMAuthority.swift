/// Who answers for accounts that this node does not hold: a domain.
public protocol NTLMAuthority: Sendable {
    /// Checks a response.
    ///
    /// - Returns: the account, or nil if the response was refused, for whatever reason.
    /// - Throws: ``SecurityError/directoryUnavailable(_:)`` if nobody could be asked.
    func check(_ logon: NTLMDomainLogon) async throws(SecurityError) -> NTLMDomainAccount?
}

/// A response to be checked by somebody else.
public struct NTLMDomainLogon: Sendable, Hashable {
    /// The domain as the client spelled it; may be empty.
    public let domain: String
    /// The account as the client spelled it.
    public let user: String
    /// What the client calls its computer.
    public let workstation: String
    /// Our challenge, eight octets.
    public let serverChallenge: [UInt8]
    /// NtChallengeResponse, an NTLMv2_RESPONSE ([MS-NLMP] 2.2.2.8).
    public let response: [UInt8]

    /// Puts the parts together.
    public init(domain: String, user: String, workstation: String, serverChallenge: [UInt8], response: [UInt8]) {
        self.domain = domain
        self.user = user
        self.workstation = workstation
        self.serverChallenge = serverChallenge
        self.response = response
    }
}

/// What a domain says of a response that is right.
public struct NTLMDomainAccount: Sendable {
    /// Whose it is.
    public let identity: ClientIdentity
    /// SessionBaseKey ([MS-NLMP] 3.3.2), 16 octets.
    public let sessionBaseKey: SecretBytes

    /// Puts the parts together.
    public init(identity: ClientIdentity, sessionBaseKey: SecretBytes) {
        self.identity = identity
        self.sessionBaseKey = sessionBaseKey
    }
}
