import Security

/// How a client authenticates, and how well its calls are protected.
public struct ClientSecurity: Sendable {
    /// The level of all calls but ServerAlive2, which goes without authentication ([MS-DCOM] 3.2.4.1.1.1).
    public var level: AuthenticationLevel
    /// Begins one authentication exchange with this host; an exchange serves one connection.
    public var makeInitiator: @Sendable (_ host: String) throws -> any SecurityInitiator

    /// From its parts. PKT_PRIVACY is what the cluster interfaces need.
    public init(
        level: AuthenticationLevel = .packetPrivacy,
        makeInitiator: @escaping @Sendable (_ host: String) throws -> any SecurityInitiator
    ) {
        self.level = level
        self.makeInitiator = makeInitiator
    }
}
