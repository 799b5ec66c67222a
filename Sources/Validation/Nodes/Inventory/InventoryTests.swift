/// The tests of what nodes and their disks are made of, in the order in which they are run.
enum InventoryTests {
    static let all: [any NodeTest] = []
}
