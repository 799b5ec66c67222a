import Testing

@testable import ClusPrepServer

struct CallQueueTests {
    /// Notes the order of events.
    actor Journal {
        private(set) var entries: [String] = []
        func note(_ entry: String) { entries.append(entry) }
    }

    @Test
    func bodiesDoNotInterleave() async throws {
        let queue = CallQueue()
        let journal = Journal()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    await queue.run {
                        await journal.note("in \(number)")
                        await Task.yield()
                        await journal.note("out \(number)")
                    }
                }
            }
        }
        let entries = await journal.entries
        #expect(entries.count == 40)
        for index in stride(from: 0, to: 40, by: 2) {
            #expect(entries[index].dropFirst(3) == entries[index + 1].dropFirst(4))
        }
    }

    @Test
    func aThrowLetsTheNextIn() async {
        struct Failure: Error {}
        let queue = CallQueue()
        await #expect(throws: Failure.self) {
            try await queue.run { throw Failure() }
        }
        #expect(await queue.run { 7 } == 7)
    }

    /// A queue that is never empty keeps the places of those who wait, not of all who ever waited.
    @Test
    func placesAreGivenBack() async {
        let queue = CallQueue()
        let most = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var most = 0
                    for _ in 0..<500 {
                        most = max(most, await queue.run { await queue.places })
                    }
                    return most
                }
            }
            return await group.reduce(0, max)
        }
        #expect(most < 200)
    }
}
