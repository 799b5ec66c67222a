import Foundation

@testable import ClusterEngine

/// A folder of a test's own, which goes when the test ends.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "clusprep-\(UUID().uuidString)").path(
            percentEncoded: false)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The state folder inside; not made here.
    var state: String { path + "/state" }
    var database: String { state + "/cluster.db" }
    var key: String { state + "/node.key" }

    func bytes(_ file: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: file))) }

    func write(_ bytes: [UInt8], to file: String) throws {
        // In place, as damage happens, not by a new file.
        let handle = try FileHandle(forWritingTo: URL(filePath: file))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data(bytes))
        try handle.close()
    }

    func mode(_ file: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
    }

    func setMode(_ mode: Int, of file: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    }
}

extension NodeState {
    /// An engine over this state, for tests that do not care who the node is.
    var engine: ClusterEngine { ClusterEngine(state: self, node: NodeIdentity(fqdn: "node1.cluster.test")) }
}
