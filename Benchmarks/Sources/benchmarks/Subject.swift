import DCERPC
import Foundation
import Security

/// A server that is measured: started, asked, stopped.
protocol Subject: Sendable {
    static var name: String { get }

    var address: String { get }
    var port: UInt16 { get }
    var processes: ProcessTree { get }
    /// When it took its first connection.
    var servingSince: ContinuousClock.Instant { get }
    /// What was done before the server's own program was started.
    var preparation: Duration { get }

    /// Starts the server with state of its own in the folder and returns when it takes connections.
    static func start(in folder: String) async throws -> Self
    func stop()
    /// A new authentication of the one user.
    func initiator() throws -> any SecurityInitiator
}

extension Subject {
    var name: String { Self.name }
}

/// Something that keeps a measurement from being made.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A folder that is removed in the end.
struct TemporaryFolder: ~Copyable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("benchmarks-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func subfolder(_ name: String) throws -> String {
        let result = path + "/" + name
        try FileManager.default.createDirectory(atPath: result, withIntermediateDirectories: true)
        return result
    }
}
