import ErrorCodes
import Foundation
import Logging
import Security
import Synchronization
import TestSupport
import Testing

@testable import ClusterEngine

@Suite struct EvictionCleanupTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func removesTheMembershipAndNothingElse() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        try await NodeUserDirectory(state: state).add(name: "alice", password: "Passw0rd!", isAdministrator: true)
        let before = try await Contents(state)
        let files = try folderNames()
        try await Member.make(state.engine)
        #expect(try await Contents(state) != before)
        let cleanup = EvictionCleanup(engine: state.engine, environment: .init(logger: .silent))
        for _ in 0..<2 {
            try await cleanup.begin(after: .zero, options: []).finished.value.get()
            #expect(try await Contents(state) == before)
            #expect(try folderNames() == files)
        }
        let engine = try NodeState.open(folder: folder.state, as: .tool).engine
        #expect(try await engine.membership() == nil)
        #expect(try await engine.serviceSecret() == nil)
        #expect(engine.record == state.record)
    }

    @Test func optionsDecideAboutTheService() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        for (options, stops) in [
            ([], true), (.dontAwaitServiceStop, true), (.dontStopService, false),
            ([.dontStopService, .dontAwaitServiceStop], false),
        ] as [(CleanupOptions, Bool)] {
            let (stopped, stopping) = AsyncStream.makeStream(of: Void.self)
            let wasMember = Mutex<Bool?>(nil)
            var environment = EvictionCleanup.Environment(logger: .silent)
            let engine = state.engine
            environment.stopService = {
                let isMember = try await engine.membership() != nil
                wasMember.withLock { $0 = isMember }
                stopping.finish()
            }
            try await Member.make(engine)
            let cleanup = EvictionCleanup(engine: engine, environment: environment)
            try await cleanup.begin(after: .zero, options: options).finished.value.get()
            if stops { for await _ in stopped {} }
            #expect((wasMember.withLock { $0 } != nil) == stops)
            // Where it is waited for, the membership is still there while it stops.
            if options.isEmpty { #expect(wasMember.withLock { $0 } == true) }
        }
    }

    /// Each finds the others' records changing under its hands.
    @Test func manyAtOnceAllSucceed() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        try await Member.make(state.engine)
        let cleanup = EvictionCleanup(engine: state.engine, environment: .init(logger: .silent))
        let runs = (0..<32).map { cleanup.begin(after: .zero, options: $0.isMultiple(of: 2) ? [] : .dontStopService) }
        for run in runs { try await run.finished.value.get() }
        #expect(try await state.engine.membership() == nil)
        #expect(try await state.store.entry(CleanupIntent.key) == nil)
    }

    /// Of requests that wait, one who wants the service stopped is answered with that.
    @Test func theServiceIsStoppedForWhoeverWantsThat() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        let clock = ManualClock()
        let stops = Mutex(0)
        var environment = EvictionCleanup.Environment(logger: .silent)
        environment.clock = clock
        environment.stopService = { stops.withLock { $0 += 1 } }
        try await Member.make(state.engine)
        let cleanup = EvictionCleanup(engine: state.engine, environment: environment)
        let first = cleanup.begin(after: .seconds(10), options: [])
        try await first.recorded.value.get()
        let second = cleanup.begin(after: .seconds(3600), options: .dontStopService)
        try await second.recorded.value.get()
        await clock.sleepers(2)
        clock.advance(by: .seconds(10))
        try await first.finished.value.get()
        #expect(stops.withLock { $0 } == 1)
    }

    /// The time of a request that has been answered does not begin a later one.
    @Test func eachSeriesHasItsOwnTime() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        let clock = ManualClock()
        var environment = EvictionCleanup.Environment(logger: .silent)
        environment.clock = clock
        let cleanup = EvictionCleanup(engine: state.engine, environment: environment)
        let early = cleanup.begin(after: .seconds(3600), options: [])
        try await early.recorded.value.get()
        try await cleanup.begin(after: .zero, options: []).finished.value.get()

        try await Member.make(state.engine)
        let late = cleanup.begin(after: .seconds(7200), options: [])
        try await late.recorded.value.get()
        await clock.sleepers(2)
        clock.advance(by: .seconds(3600))
        try await early.finished.value.get()
        #expect(try await state.engine.membership() != nil)
        clock.advance(by: .seconds(3600))
        try await late.finished.value.get()
        #expect(try await state.engine.membership() == nil)
    }

    @Test func oneThatDoesNotAwaitTheServiceEndsBeforeIt() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        let (gate, opening) = AsyncStream.makeStream(of: Void.self)
        var environment = EvictionCleanup.Environment(logger: .silent)
        environment.stopService = { for await _ in gate {} }
        let cleanup = EvictionCleanup(engine: state.engine, environment: environment)
        try await Member.make(state.engine)
        try await cleanup.begin(after: .zero, options: .dontAwaitServiceStop).finished.value.get()
        #expect(try await state.engine.membership() == nil)
        // And one that does, does not.
        let run = cleanup.begin(after: .zero, options: [])
        try await run.recorded.value.get()
        #expect(try await state.store.entry(CleanupIntent.key) != nil)
        opening.finish()
        try await run.finished.value.get()
        #expect(try await state.store.entry(CleanupIntent.key) == nil)
    }

    @Test func whatCannotBeRemovedIsTriedAgain() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        let fails = Mutex(true)
        let removals = Mutex(0)
        var environment = EvictionCleanup.Environment(logger: .silent)
        environment.leftovers = [
            .init("the first") { if fails.withLock({ $0 }) { throw Win32Error.busy } },
            .init("the second") { removals.withLock { $0 += 1 } },
        ]
        environment.stopService = { if fails.withLock({ $0 }) { throw Win32Error.accessDenied } }
        let cleanup = EvictionCleanup(engine: state.engine, environment: environment)
        try await Member.make(state.engine)
        let result = await cleanup.begin(after: .zero, options: []).finished.value
        guard case .failure(let error) = result else {
            Issue.record("it cannot be complete")
            return
        }
        #expect(error.hresult == Win32Error.accessDenied.hresult)
        #expect(removals.withLock { $0 } == 1, "one failure does not keep the rest")
        #expect(try await state.engine.membership() == nil)
        // A secret of a new set-up is not part of what was left.
        try await state.engine.configureServiceSecret(SecretBytes([1]))
        fails.withLock { $0 = false }
        try await cleanup.resume()?.value.get()
        #expect(removals.withLock { $0 } == 2)
        #expect(try await state.engine.serviceSecret() != nil)
        #expect(try await cleanup.resume() == nil, "nothing is left on record")
    }

    @Test func joining() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        let blue = ClusterMembership(clusterName: "blue", clusterID: UUID(), since: 1)
        try await state.engine.join(blue)
        #expect(try await state.engine.membership() == blue)
        await #expect(throws: MembershipError.alreadyMember(of: "blue")) { try await state.engine.join(blue) }
        for name in ["", "a..b", "-a", "a-", "a b", "ä", String(repeating: "a", count: 64)] {
            await #expect(throws: MembershipError.badName(name)) {
                try await state.engine.join(.init(clusterName: name, clusterID: UUID(), since: 1))
            }
        }
        // One that has begun and not ended, as after a crash.
        try await state.store.apply([
            .remove(ClusterMembership.key),
            .put(CleanupIntent.key, try CleanupIntent(phase: .begun, due: 0, delay: 0, options: []).encoded),
        ])
        await #expect(throws: MembershipError.cleanupUnderWay) { try await state.engine.join(blue) }
        // One that waits is off.
        try await state.store.apply([
            .put(CleanupIntent.key, try CleanupIntent(phase: .waiting, due: .max, delay: 1, options: []).encoded)
        ])
        try await state.engine.join(blue)
        let cleanup = EvictionCleanup(engine: state.engine, environment: .init(logger: .silent))
        #expect(try await cleanup.resume() == nil)
        #expect(try await state.engine.membership() == blue)
    }

    /// A clock that was set back does not make a delay longer than it was.
    @Test func whatWaitedGoesOnWaiting() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        try await Member.make(state.engine)
        for (due, isDue) in [(999, true), (1000, true)] as [(Int64, Bool)] {
            let intent = CleanupIntent(phase: .waiting, due: due, delay: 500, options: [])
            try await state.store.apply([.put(CleanupIntent.key, try intent.encoded)])
            var environment = EvictionCleanup.Environment(logger: .silent)
            environment.now = { 1000 }
            let cleanup = EvictionCleanup(engine: state.engine, environment: environment)
            let going = try #require(try await cleanup.resume())
            #expect(try await (state.engine.membership() == nil) == isDue)
            try await going.value.get()
        }
    }

    /// `kill -9` while a member is being cleaned up, at another moment each time: the next call completes it.
    @Test func killedAtAnyMoment() async throws {
        let path = folder.state
        let before = try await Contents(NodeState.open(folder: path, as: .daemon))
        for round in 0..<10 {
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, round = round as Int] in
                let engine = try NodeState.open(folder: path, as: .daemon).engine
                if try await engine.membership() == nil { try await Member.make(engine) }
                let cleanup = EvictionCleanup(engine: engine, environment: .init(logger: .silent))
                Thread.detachNewThread {
                    usleep(UInt32.random(in: 0...UInt32(1000 * (1 + round))))
                    kill(getpid(), SIGKILL)
                }
                _ = await cleanup.begin(after: .zero, options: []).finished.value
                while true { sleep(1) }
            }
            let state = try NodeState.open(folder: path, as: .daemon)
            let cleanup = EvictionCleanup(engine: state.engine, environment: .init(logger: .silent))
            if round.isMultiple(of: 2) {
                try await cleanup.resume()?.value.get()
                // It may have been killed before it was asked.
                try await cleanup.begin(after: .zero, options: []).finished.value.get()
            } else {
                try await cleanup.begin(after: .zero, options: []).finished.value.get()
            }
            #expect(try await Contents(state) == before, "round \(round)")
        }
    }

    /// A clean-up that is due, and a tool that is faster than the daemon: the node is what it was made last.
    @Test func whoJoinsAsTheDaemonStartsStaysAMember() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        let intent = CleanupIntent(phase: .waiting, due: 0, delay: 0, options: [])
        try await state.store.apply([.put(CleanupIntent.key, try intent.encoded)])
        let tool = state.engine
        let green = ClusterMembership(clusterName: "green", clusterID: UUID(), since: 1)
        let store = OvertakenStore(state.store) { try await tool.join(green) }
        let engine = ClusterEngine(store: store, key: state.key, record: state.record, node: tool.node)
        try await EvictionCleanup(engine: engine, environment: .init(logger: .silent)).resume()?.value.get()
        #expect(try await tool.membership() == green)
    }

    private func folderNames() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.state).sorted()
    }
}

/// A store at whose first change somebody else comes first.
private final class OvertakenStore: ClusterStore {
    private let store: any ClusterStore
    private let first: Mutex<(@Sendable () async throws -> Void)?>

    init(_ store: any ClusterStore, first: @escaping @Sendable () async throws -> Void) {
        self.store = store
        self.first = Mutex(first)
    }

    func entry(_ key: StoreKey) async throws(ClusterStoreError) -> StoreEntry? { try await store.entry(key) }

    func entries(in collection: StoreCollection) async throws(ClusterStoreError) -> [StoreEntry] {
        try await store.entries(in: collection)
    }

    func apply(
        _ changes: [StoreChange], if conditions: [StoreCondition]
    ) async throws(ClusterStoreError) -> Int64 {
        let first = first.withLock { first in
            defer { first = nil }
            return first
        }
        do { try await first?() } catch { throw .failed(path: "", detail: "\(error)") }
        return try await store.apply(changes, if: conditions)
    }

    func forgetRemoved() async throws(ClusterStoreError) { try await store.forgetRemoved() }
}

extension Logger {
    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// Makes a member of a node.
private enum Member {
    static func make(_ engine: ClusterEngine) async throws {
        try await engine.configureServiceSecret(SecretBytes(Array("a service secret".utf8)))
        for kind in ClusterCertificateKind.allCases {
            try await engine.configureCertificate(ClusterCertificateTests.sample, for: kind)
        }
        if try await engine.membership() == nil {
            try await engine.join(ClusterMembership(clusterName: "blue", clusterID: UUID(), since: 1))
        }
    }
}

/// All entries of a store, without their revisions.
private struct Contents: Equatable {
    var entries: [StoreKey: [UInt8]] = [:]

    init(_ state: NodeState) async throws {
        for collection in [StoreCollection.node, .users, .cluster] {
            for entry in try await state.store.entries(in: collection) { entries[entry.key] = entry.value }
        }
    }
}
