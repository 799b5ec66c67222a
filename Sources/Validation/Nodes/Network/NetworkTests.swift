/// The tests of how the nodes reach each other, in the order in which they are run.
enum NetworkTests {
    static let all: [any NodeTest] = [
        IPConfiguration(), ClusterNetworks(), FirewallConfiguration(), NetworkCommunication(),
    ]
}
