import ErrorCodes
import Foundation
import Security
import Synchronization
import Testing

@testable import ClusterEngine

@Suite struct ClusterEngineTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func theSecretOutlivesTheEngine() async throws {
        // Octets of any kind and number.
        for secret in [[], [0], Array("geheim".utf8), [UInt8](repeating: 0xFF, count: 100_001)] as [[UInt8]] {
            try await NodeState.open(folder: folder.state, as: .daemon).engine.configureServiceSecret(
                SecretBytes(secret))
            let stored = try await NodeState.open(folder: folder.state, as: .daemon).engine.serviceSecret()
            #expect(stored?.bytes == secret)
        }
    }

    @Test func noSecretIsNotAnEmptyOne() async throws {
        let engine = try NodeState.open(folder: folder.state, as: .daemon).engine
        #expect(try await engine.serviceSecret() == nil)
        try await engine.configureServiceSecret(SecretBytes([]))
        #expect(try await engine.serviceSecret()?.isEmpty == true)
    }

    @Test func theSecretIsNotInAnyFile() async throws {
        let secret = Array("a secret that is long enough to be found".utf8)
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        try await state.engine.configureServiceSecret(SecretBytes(secret))
        try await NodeUserDirectory(state: state).add(name: "alice", password: "Passw0rd!", isAdministrator: true)
        let hash = try NTLMPassword.ntHash("Passw0rd!").bytes
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.state) {
            let contents = try Data(contentsOf: URL(filePath: "\(folder.state)/\(name)"))
            #expect(contents.range(of: Data(secret)) == nil, "\(name)")
            #expect(contents.range(of: Data(hash)) == nil, "\(name)")
            #expect(contents.range(of: Data("Passw0rd!".utf8)) == nil, "\(name)")
        }
    }

    @Test func anAlteredSecretIsRefused() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        try await state.engine.configureServiceSecret(SecretBytes([1, 2, 3]))
        let entry = try #require(try await state.store.entry(StoreKey(.node, "service-secret")))
        var altered = entry.value
        altered[20] ^= 1
        try await state.store.apply([.put(entry.key, altered)])
        await #expect(throws: ClusterStoreError.self) { try await state.engine.serviceSecret() }
    }

    /// `kill -9` while secrets are being configured, at another moment each time: what is read afterwards is the last one that
    /// was acknowledged, or the one that was under way.
    @Test func killedAtAnyMoment() async throws {
        let state = folder.state
        let acknowledged = folder.path + "/acknowledged"
        try Data().write(to: URL(filePath: acknowledged))
        for round in 0..<10 {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [state = state as String, acknowledged = acknowledged as String, round = round as Int] in
                try await SecretLoop.run(state: state, acknowledged: acknowledged, round: round)
            }
            let text = String(decoding: try folder.bytes(acknowledged), as: UTF8.self)
            let last = try #require(text.split(separator: "\n").last.flatMap { Int($0) })
            let engine = try NodeState.open(folder: state, as: .daemon).engine
            let secret = try #require(try await engine.serviceSecret())
            let number = try #require(SecretLoop.number(in: secret))
            #expect(number == last || number == last + 1, "round \(round)")
        }
    }

    @Test func errorsHaveCodesForTheWire() {
        let path = "/x"
        let errors: [ClusterStoreError] = [
            .folderUnusable(path: path, reason: ""), .insecurePermissions(path: path, mode: 0o644),
            .anotherDaemon(folder: path, process: nil), .corrupt(path: path, detail: ""), .newerVersion(path: path),
            .keyMissing(path: path, database: path), .wrongKey(path: path, database: path),
            .conflict(StoreKey(.node, "")), .busy(path: path), .full(path: path),
            .malformedEntry(StoreKey(.node, ""), detail: ""), .failed(path: path, detail: ""),
            .cryptography(.authenticationFailed),
        ]
        for error in errors {
            #expect(error.hresult.isFailure, "\(error)")
            #expect(error.hresult.win32?.name != nil, "\(error)")
        }
    }
}

/// What runs in the process that gets killed.
private enum SecretLoop {
    /// Configures one numbered secret after the other, and notes each number once it is acknowledged. After some of them another
    /// thread kills the process, wherever the loop is then.
    static func run(state: String, acknowledged: String, round: Int) async throws {
        let engine = try NodeState.open(folder: state, as: .daemon).engine
        let start = try await engine.serviceSecret().flatMap(number) ?? 0
        let log = try FileHandle(forWritingTo: URL(filePath: acknowledged))
        try log.seekToEnd()
        // One more than none each round, and then a piece of the next call that is as long as chance has it.
        let target = 1 + round % 4
        let spins = Int.random(in: 0..<400_000)
        Thread.detachNewThread {
            while done.load(ordering: .acquiring) < target { sched_yield() }
            for _ in 0..<spins { _ = done.load(ordering: .acquiring) }
            kill(getpid(), SIGKILL)
        }
        for number in (start + 1)... {
            try await engine.configureServiceSecret(secret(number))
            try log.write(contentsOf: Data("\(number)\n".utf8))
            done.add(1, ordering: .releasing)
        }
    }

    /// How many secrets this process has configured.
    private static let done = Atomic(0)

    /// The number, and octets that fill some pages of the database.
    static func secret(_ number: Int) -> SecretBytes {
        SecretBytes(Array("\(number) ".utf8) + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 10_000))
    }

    static func number(in secret: SecretBytes) -> Int? {
        let bytes = secret.bytes
        guard let number = Int(String(decoding: bytes.prefix { $0 != 0x20 }, as: UTF8.self)) else { return nil }
        return self.secret(number) == secret ? number : nil
    }
}
