/// What a validation of nodes is to do.
public struct NodeValidationOptions: Sendable {
    /// The tests to run, or their categories; nil for all.
    public var include: Set<String>?
    /// The tests, or categories of tests, not to run.
    public var exclude: Set<String> = []
    /// The disks to test, as ``NodeValidation`` accepts their names; nil for all that a cluster could use.
    public var disks: [String]?
    /// Whether a disk that somebody is registered with is tested all the same. Registrations of others are removed then.
    public var evenInUse = false
    /// How long a call to a node may take.
    public var callLimit = CallLimit.standard

    /// All tests, and none that would change a disk that is in use.
    public init() {}
}

/// What a validation found out before anything was written.
public struct NodePlan: Sendable {
    /// The nodes, in the order in which they were named.
    public var nodes: [ValidationReport.Node]
    /// The disks that were seen; those with an exclusion are not tested.
    public var disks: [SharedDisk]
    /// The tests that will be run.
    public var tests: [TestDescription]
    /// Why no disk may be changed for each name that the user gave and nothing goes by.
    public var unknownDisks: [String]
    /// What the nodes said of their disks that no disk could be made of: the numbers and why, by the node's name.
    var silentDisks: [String: [UInt32: String]] = [:]

    /// The nodes that answered.
    public var presentNodes: [ValidationReport.Node] { nodes.filter { $0.failure == nil } }

    /// The disks that the tests may change.
    public var testedDisks: [SharedDisk] { disks.filter { $0.exclusion == nil } }

    /// Whether any of the tests writes to disks, or changes their reservations, and has disks to do it to.
    public var changesDisks: Bool { !testedDisks.isEmpty && tests.contains(where: \.changesDisks) }
}
