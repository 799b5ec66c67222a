/// The tests that list what the nodes are made of, in the order in which they are run.
enum InventoryTests {
    static let all: [any NodeTest] = [ListOperatingSystem(), ListNetworkAdapters(), ListSoftwareUpdates()]
}
