/// What one connection may make the server keep, and how it is told. Every number can be configured; the defaults are those
/// of Windows where Windows has one.
public struct AssociationLimits: Sendable, Hashable {
    /// The largest request fragment, and the largest fragment sent. Windows and Samba use 5840 octets over TCP, four segments
    /// of an Ethernet. Not below ``minimumFragment``.
    public var maximumFragment: Int
    /// The largest bind, alter_context or auth3. A Kerberos ticket can be 48,000 octets long, and none of the three can be
    /// fragmented.
    public var maximumBind: Int
    /// The largest stub of a request, all its fragments together ([MS-RPCE] 3.3.3.5.4: 4 MiB).
    public var maximumRequest: Int
    /// The same for an administrator whose messages are signed ([MS-RPCE] note 124 lets a higher protocol lift the limit):
    /// CprepDiskWriteFileData writes a file in one call ([MS-CSVP] 3.2.4.9), and 64 MiB with its name fit. Beyond
    /// ``maximumRequest`` a request needs a ``LongRequestPlace`` besides.
    public var maximumAdministratorRequest: Int
    /// The same for a caller who has not authenticated itself: strangers may ask the endpoint mapper and the resolver, whose
    /// requests are short, but not make every connection hold megabytes.
    public var maximumUnauthenticatedRequest: Int
    /// The presentation contexts of one connection. [MS-RPCE] 3.3.3.5.5 allows 4,000 for each registered interface; no
    /// client needs more than one for each interface and transfer syntax.
    public var maximumPresentationContexts: Int
    /// The security contexts of one connection ([MS-RPCE] 3.3.1.5.4; Windows: 2,048, but Windows clients build no more than
    /// 1,000, and ours a handful).
    public var maximumSecurityContexts: Int
    /// The security contexts of one connection whose exchange of tokens is under way. An acceptor keeps what it was sent until
    /// the exchange is over, and clients, strangers among them, need not ever end one; ours have one at a time.
    public var maximumUnfinishedContexts: Int
    /// The calls in flight on one connection; further ones are answered with ``RPCFault/serverTooBusy``.
    public var maximumCalls: Int
    /// The octets of the stubs of one connection's calls in flight. When the calls have as many or more, the connection is not
    /// read from until one of them has ended: the client's sends wait, and nothing is refused. So a connection keeps less than
    /// this and one request besides, the request that is still arriving not counted; what the stubs are decoded to
    /// takes about as much again.
    public var maximumCallOctets: Int

    /// What every implementation must be able to receive; what is smaller in a bind is raised to it, as Windows does.
    public static let minimumFragment = 2048

    /// Makes limits; what is not named has its default.
    public init(
        maximumFragment: Int = 5840, maximumBind: Int = 0xFFFF, maximumRequest: Int = 4 << 20,
        maximumAdministratorRequest: Int = 65 << 20, maximumUnauthenticatedRequest: Int = 64 << 10,
        maximumPresentationContexts: Int = 1024, maximumSecurityContexts: Int = 256,
        maximumUnfinishedContexts: Int = 8, maximumCalls: Int = 256, maximumCallOctets: Int = 16 << 20
    ) {
        self.maximumFragment = min(max(maximumFragment, Self.minimumFragment), 0xFFF8) & ~7
        self.maximumBind = maximumBind
        self.maximumRequest = maximumRequest
        self.maximumAdministratorRequest = max(maximumAdministratorRequest, maximumRequest)
        self.maximumUnauthenticatedRequest = min(maximumUnauthenticatedRequest, maximumRequest)
        self.maximumPresentationContexts = maximumPresentationContexts
        self.maximumSecurityContexts = maximumSecurityContexts
        self.maximumUnfinishedContexts = maximumUnfinishedContexts
        self.maximumCalls = maximumCalls
        self.maximumCallOctets = maximumCallOctets
    }

    /// The largest stub of a request under this protection.
    func maximumRequest(under security: MessageSecurity?) -> Int {
        guard let security else { return maximumUnauthenticatedRequest }
        let isTrusted = security.protects && security.context.identity.isAdministrator
        return isTrusted ? maximumAdministratorRequest : maximumRequest
    }

    /// The fragment size that both sides can live with, in both directions, as Windows chooses it: the least of all, a
    /// multiple of eight, and not below ``minimumFragment``.
    func negotiatedFragment(_ bind: BindPDU) -> Int {
        let least = min(Int(bind.maximumTransmit), Int(bind.maximumReceive), maximumFragment)
        return max(least & ~7, Self.minimumFragment)
    }
}
