import Testing

@testable import ClusterEngine

@Suite struct SQLiteClusterStoreTests {
    let folder: TemporaryFolder
    let store: SQLiteClusterStore
    let key = StoreKey(.node, "a")
    let other = StoreKey(.node, "b")

    init() throws {
        folder = try TemporaryFolder()
        try SQLiteClusterStore.create(path: folder.path + "/x.db", entries: [])
        store = try SQLiteClusterStore(path: folder.path + "/x.db")
    }

    @Test func entriesAreWrittenReadAndRemoved() async throws {
        #expect(try await store.entry(key) == nil)
        let first = try await store.apply([.put(other, []), .put(key, [0, 255])])
        #expect(try await store.entry(key) == StoreEntry(key: key, value: [0, 255], revision: first))
        #expect(try await store.entries(in: .node).map(\.key) == [key, other])
        #expect(try await store.entries(in: .users).isEmpty)
        let second = try await store.apply([.put(key, [1]), .remove(other)])
        #expect(second > first)
        #expect(try await store.entries(in: .node) == [StoreEntry(key: key, value: [1], revision: second)])
        // Within one transaction, the last word counts.
        try await store.apply([.remove(key), .put(key, [2]), .remove(other)])
        #expect(try await store.entry(key)?.value == [2])
    }

    @Test func conditionsProtectAgainstOthers() async throws {
        try await store.apply([.put(key, [1])], if: [.absent(key)])
        await #expect(throws: ClusterStoreError.conflict(key)) {
            try await store.apply([.put(other, [9]), .put(key, [2])], if: [.absent(other), .absent(key)])
        }
        #expect(try await store.entry(other) == nil)
        let read = try #require(try await store.entry(key))
        try await store.apply([.put(key, [3])], if: [.unchanged(read)])
        await #expect(throws: ClusterStoreError.conflict(key)) {
            try await store.apply([.put(key, [4])], if: [.unchanged(read)])
        }
        #expect(try await store.entry(key)?.value == [3])
    }

    @Test func aRemovedEntrysRevisionIsNotUsedAgain() async throws {
        try await store.apply([.put(key, [1])])
        let read = try #require(try await store.entry(key))
        try await store.apply([.remove(key)])
        try await store.apply([.put(key, [1])])
        await #expect(throws: ClusterStoreError.conflict(key)) {
            try await store.apply([.put(key, [2])], if: [.unchanged(read)])
        }
    }

    @Test func aCancelledTaskStillEndsItsChange() async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await store.apply([.put(key, [1])])
        }
        _ = try await task.value
        #expect(try await store.entry(key)?.value == [1])
    }

    @Test func twoProgramsShareADatabase() async throws {
        let second = try SQLiteClusterStore(path: store.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                let store = number.isMultiple(of: 2) ? store : second
                group.addTask { try await store.apply([.put(StoreKey(.node, "\(number)"), [])]) }
            }
            try await group.waitForAll()
        }
        let revisions = try await store.entries(in: .node).map(\.revision)
        #expect(Set(revisions).count == 20)
    }
}
