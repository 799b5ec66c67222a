import DCERPC
import Foundation
import Security

/// One measurement of calls.
struct CallSample {
    var callsPerSecond: Double
    /// The server's processor time for one call.
    var processorMicroseconds: Double
}

/// Calls of rpc_mgmt_is_server_listening, which every endpoint of every server answers without doing anything: what is
/// left is the protocol itself. NTLM at PKT_PRIVACY, each connection waiting for its answer before it asks again.
enum ManagementLoad {
    /// A connection that has authenticated itself.
    private struct Caller {
        let connection: RPCClient
        let management: mgmtClient

        init(_ subject: any Subject) async throws {
            connection = try await RPCClient.connect(host: subject.address, port: subject.port)
            do {
                let bound = try await connection.bind(
                    mgmt.interface.syntax, security: subject.initiator(), level: .packetPrivacy)
                management = mgmtClient(bound)
            } catch {
                await connection.close()
                throw error
            }
        }

        func call(times: Int) async throws {
            for _ in 0..<times {
                let response = try await management.rpc_mgmt_is_server_listening(.init())
                guard response.returnValue == 1 else { throw BenchmarkFailure("it does not listen") }
            }
        }
    }

    /// How many calls one look at the clock is shared by.
    private static let batch = 16

    static func run(
        _ subject: any Subject, connections: Int, for duration: Duration
    ) async throws -> CallSample {
        try await withCallers(subject, connections) { callers in
            for caller in callers { try await caller.call(times: 100) }
            let before = subject.processes.processorTime()
            let begin = ContinuousClock.now
            let end = begin + duration
            let calls = try await withThrowingTaskGroup(of: Int.self) { group in
                for caller in callers {
                    group.addTask {
                        var count = 0
                        while ContinuousClock.now < end {
                            try await caller.call(times: batch)
                            count += batch
                        }
                        return count
                    }
                }
                return try await group.reduce(0, +)
            }
            let elapsed = (ContinuousClock.now - begin).seconds
            let processor = subject.processes.processorTime() - before
            return CallSample(
                callsPerSecond: Double(calls) / elapsed, processorMicroseconds: processor / Double(calls) * 1e6)
        }
    }

    /// Kibibytes that the server's memory grows by for an association that has authenticated and called once.
    static func memory(of subject: any Subject, associations: Int) async throws -> Double {
        // What is allocated once, and what the allocator keeps, is not the associations'.
        try await withCallers(subject, associations / 4 + 1) { callers in
            for caller in callers { try await caller.call(times: 1) }
        }
        let before = subject.processes.anonymousMemory()
        return try await withCallers(subject, associations) { callers in
            for caller in callers { try await caller.call(times: 1) }
            let after = subject.processes.anonymousMemory()
            return (Double(after) - Double(before)) / Double(associations) / 1024
        }
    }

    private static func withCallers<Result>(
        _ subject: any Subject, _ count: Int, _ body: ([Caller]) async throws -> Result
    ) async throws -> Result {
        var callers: [Caller] = []
        let result: Swift.Result<Result, any Error>
        do {
            for _ in 0..<count { callers.append(try await Caller(subject)) }
            result = .success(try await body(callers))
        } catch {
            result = .failure(error)
        }
        for caller in callers { await caller.connection.close() }
        return try result.get()
    }
}
