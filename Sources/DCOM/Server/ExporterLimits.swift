/// The bounds of what clients can make an exporter and its resolver hold.
///
/// With them, nothing that a client does makes a table grow without end: an object has at most one identifier for each
/// interface that its class declares, and reference counts are numbers.
public struct ExporterLimits: Sendable, Hashable {
    /// Objects that are alive at the same time. One more is E_OUTOFMEMORY.
    public var objects: Int
    /// Objects that one user has at the same time, so that nobody takes all of them. One more is E_OUTOFMEMORY.
    public var objectsPerUser: Int
    /// Ping sets. One more is ERROR_NOT_ENOUGH_MEMORY.
    public var pingSets: Int
    /// Ping sets of one user. One more is ERROR_NOT_ENOUGH_MEMORY.
    public var pingSetsPerUser: Int
    /// Objects in one ping set. One more is ERROR_NOT_ENOUGH_MEMORY, and the others of the request join nevertheless.
    public var objectsPerSet: Int
    /// Objects in all ping sets together, each counted as often as a set has it. One more is as for ``objectsPerSet``.
    public var memberships: Int
    /// Interfaces that one request may ask for. The wire allows 32,768 in an activation and 65,535 in a RemQueryInterface, for
    /// each of which there would be a result. More are E_OUTOFMEMORY.
    public var interfacesPerRequest: Int

    /// From its parts. What is left out of the bounds of one user is three quarters of those of all, and at least one.
    public init(
        objects: Int = 1024, objectsPerUser: Int? = nil, pingSets: Int = 1024, pingSetsPerUser: Int? = nil,
        objectsPerSet: Int = 1024, memberships: Int = 65_536, interfacesPerRequest: Int = 128
    ) {
        self.objects = objects
        self.objectsPerUser = objectsPerUser ?? Self.share(of: objects)
        self.pingSets = pingSets
        self.pingSetsPerUser = pingSetsPerUser ?? Self.share(of: pingSets)
        self.objectsPerSet = objectsPerSet
        self.memberships = memberships
        self.interfacesPerRequest = interfacesPerRequest
    }

    private static func share(of all: Int) -> Int {
        max(1, all - all / 4)
    }
}
