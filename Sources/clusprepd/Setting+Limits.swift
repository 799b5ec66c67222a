/// How far clients can make the daemon grow; docs/limits.md says what happens at each limit.
extension Setting {
    static let maximumConnections = Setting(
        name: "maximumConnections", kind: .number(1...65536),
        help: "Connections served at a time, on each of the two ports of an address. Default 1024.")
    static let maximumConnectionsPerAddress = Setting(
        name: "maximumConnectionsPerAddress", kind: .number(1...65536),
        help: """
            Those of one client's address, or of one IPv6 network of 64 bits; beyond, its oldest one that is not authenticated \
            makes room. Default half of maximumConnections.
            """)
    static let maximumUnauthenticatedConnections = Setting(
        name: "maximumUnauthenticatedConnections", kind: .number(1...65536),
        help: """
            Those that are not authenticated; beyond, the oldest makes room. Default three quarters of maximumConnections.
            """)
    static let authenticationTimeout = Setting(
        name: "authenticationTimeout", kind: .seconds(1...600),
        help: "Seconds a connection may take to authenticate itself, after a bind while it is silent. Default 30.")
    static let maximumPresentationContexts = Setting(
        name: "maximumPresentationContexts", kind: .number(1...65536),
        help: "Presentation contexts of a connection. Default 1024.")
    static let maximumSecurityContexts = Setting(
        name: "maximumSecurityContexts", kind: .number(1...65536),
        help: "Security contexts of a connection. Default 256.")
    static let maximumUnfinishedContexts = Setting(
        name: "maximumUnfinishedContexts", kind: .number(1...65536),
        help: "Those of them whose exchange of tokens is under way. Default 8.")
    static let maximumFragment = Setting(
        name: "maximumFragment", kind: .number(2048...65528),
        help: "Octets of a request's fragment, and of a response's; rounded down to a multiple of eight. Default 5840.")
    static let maximumRequest = Setting(
        name: "maximumRequest", kind: .number(4...1_048_576),
        help: "KiB of a request, all its fragments together. Default 4096.")
    static let maximumUnauthenticatedRequest = Setting(
        name: "maximumUnauthenticatedRequest", kind: .number(4...1_048_576),
        help: "The same where the caller is not authenticated, if it is less. Default 64.")
    static let maximumAdministratorRequest = Setting(
        name: "maximumAdministratorRequest", kind: .number(4...1_048_576),
        help: """
            The same where the caller is an administrator, if it is more: a file is written in one request. Default 66560.
            """)
    static let maximumLongRequests = Setting(
        name: "maximumLongRequests", kind: .number(0...1024),
        help: "Requests of administrators at a time that are longer than others' may be. Default 4.")
    static let longRequestTimeout = Setting(
        name: "longRequestTimeout", kind: .seconds(1...600),
        help: "Seconds of silence in the middle of such a request. Default 30.")
    static let maximumCalls = Setting(
        name: "maximumCalls", kind: .number(1...65536), help: "Calls in flight on a connection. Default 256.")
    static let connectionCallMemory = Setting(
        name: "connectionCallMemory", kind: .number(1...4096),
        help: "MiB of a connection's calls in flight, beyond which it is not read from. Default 16.")
    static let callMemory = Setting(
        name: "callMemory", kind: .number(1...65536),
        help: "The same for all connections that came by one of the addresses listened on. Default 256.")
    static let maximumObjects = Setting(
        name: "maximumObjects", kind: .number(1...1_000_000), help: "Objects alive at a time. Default 4096.")
    static let maximumObjectsPerUser = Setting(
        name: "maximumObjectsPerUser", kind: .number(1...1_000_000),
        help: "Those of one user. Default three quarters of maximumObjects.")
    static let maximumInterfacesPerRequest = Setting(
        name: "maximumInterfacesPerRequest", kind: .number(1...32768),
        help: "Interfaces of an object that one request may ask for. Default 128.")
    static let maximumPingSets = Setting(
        name: "maximumPingSets", kind: .number(1...1_000_000), help: "Ping sets. Default 1024.")
    static let maximumPingSetsPerUser = Setting(
        name: "maximumPingSetsPerUser", kind: .number(1...1_000_000),
        help: "Those of one user. Default three quarters of maximumPingSets.")
    static let maximumMemberships = Setting(
        name: "maximumMemberships", kind: .number(1...10_000_000),
        help: "Objects in all ping sets, each counted once for each set. Default 65536.")
    static let maximumObjectsPerPingSet = Setting(
        name: "maximumObjectsPerPingSet", kind: .number(1...65536), help: "Objects in a ping set. Default 1024.")
    static let maximumMapperHandles = Setting(
        name: "maximumMapperHandles", kind: .number(1...1_000_000),
        help: "The endpoint mapper's inquiries that are not over; beyond, the oldest gives way. Default 4096.")
    static let maximumMapperHandlesPerClient = Setting(
        name: "maximumMapperHandlesPerClient", kind: .number(1...65536),
        help: "Those of one client's association group. Default 16.")

    /// In the order in which the help shows them.
    static let limits: [Setting] = [
        maximumConnections, maximumConnectionsPerAddress, maximumUnauthenticatedConnections, authenticationTimeout,
        maximumPresentationContexts, maximumSecurityContexts, maximumUnfinishedContexts, maximumFragment,
        maximumRequest, maximumUnauthenticatedRequest, maximumAdministratorRequest, maximumLongRequests,
        longRequestTimeout, maximumCalls, connectionCallMemory, callMemory, maximumObjects,
        maximumObjectsPerUser, maximumInterfacesPerRequest, maximumPingSets, maximumPingSetsPerUser,
        maximumObjectsPerPingSet, maximumMemberships, maximumMapperHandles, maximumMapperHandlesPerClient,
    ]
}
