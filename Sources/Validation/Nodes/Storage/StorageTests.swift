/// The tests of the disks that nodes share, in the order in which they are run.
enum StorageTests {
    static let all: [any NodeTest] = [ListPotentialDisks()]
}
