/// One way of authenticating clients (NTLM, SPNEGO, Kerberos) as a server offers it.
public protocol SecurityProvider: Sendable {
    /// The provider's number in a security trailer.
    var authenticationType: AuthenticationType { get }

    /// Starts the authentication of one client. An acceptor serves one exchange and is thrown away afterwards, whatever its
    /// outcome.
    func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor
}

/// What is known of a client before it authenticates itself.
public struct SecurityPeer: Sendable, Hashable {
    /// The address that it comes from, in its usual notation; empty if there is none.
    public let address: String
    /// Our address that it came to, in its usual notation; empty if there is none.
    public let localAddress: String

    /// Describes a client.
    public init(address: String, localAddress: String = "") {
        self.address = address
        self.localAddress = localAddress
    }
}

/// The server's half of one authentication exchange. It does no I/O of its own, except for asking the user directory.
public protocol SecurityAcceptor: Sendable {
    /// Takes the client's next token and says what follows.
    ///
    /// - Parameter token: the token as it stood in the security trailer; nothing about it has been checked.
    /// - Returns: a token to send back and wait for the next, or the finished context.
    /// - Throws: ``SecurityError``. After a throw, and after ``SecurityStep/complete(reply:context:)``, every further call
    ///   throws ``SecurityError/unexpectedToken(_:)``.
    func accept(_ token: [UInt8]) async throws(SecurityError) -> SecurityStep
}

/// The client's half of one authentication exchange.
public protocol SecurityInitiator: Sendable {
    /// The provider's number in a security trailer.
    var authenticationType: AuthenticationType { get }

    /// Makes the next token.
    ///
    /// - Parameter token: nil for the first, then each token that the server sent.
    /// - Returns: a token to send and wait for an answer, or the finished context with the last token to send, if there is one.
    /// - Throws: ``SecurityError``; the exchange is over then.
    func initiate(_ token: [UInt8]?) async throws(SecurityError) -> SecurityStep
}

/// What one token of an authentication exchange led to.
public enum SecurityStep: Sendable {
    /// Send this token; the peer has more to say.
    case continueNeeded(reply: [UInt8])
    /// The exchange is over and both sides hold a context. `reply`, if not nil, still has to be sent.
    case complete(reply: [UInt8]?, context: any SecurityContext)
}
