/// The tests of what the nodes know of a cluster, in the order in which they are run.
enum ClusterConfigurationTests {
    static let all: [any NodeTest] = [ClusterMembership(), ClusterLevels()]
}
