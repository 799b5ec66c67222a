import Foundation

/// What a lab consists of: the line of JSON that it prints, and the file in its folder by which it is found and started again.
struct LabDescription: Codable, Equatable {
    struct Node: Codable, Equatable {
        var name: String
        var address: String
        var endpointMapperPort: Int
        var pid: Int32
        /// The port of the node's SMB server; nil where it has none.
        var sharePort: Int?
    }

    struct Disk: Codable, Equatable {
        var path: String
        /// "gpt" or "mbr".
        var style: String
        /// The disk GUID of a GPT disk, the signature of an MBR disk as eight hexadecimal digits.
        var id: String
        /// The iSCSI address at which the nodes reach it; nil where they open the image themselves.
        var target: String?
    }

    var nodes: [Node] = []
    var domain: String
    var user: String
    var password: String
    var disks: [Disk] = []

    /// The name of the file in the lab's folder.
    static let fileName = "lab.json"

    /// Reads the description in a lab's folder; nil where there is none yet.
    static func read(folder: URL) throws -> LabDescription? {
        let file = folder.appendingPathComponent(fileName)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        do {
            return try JSONDecoder().decode(LabDescription.self, from: Data(contentsOf: file))
        } catch {
            throw CommandFailure("\(file.path) is not a lab's description: \(error)")
        }
    }

    /// Writes it to a lab's folder, for its owner alone: it holds a password.
    func write(folder: URL) throws {
        let file = folder.appendingPathComponent(Self.fileName)
        let fresh = folder.appendingPathComponent(Self.fileName + ".new")
        try? FileManager.default.removeItem(at: fresh)
        let contents = Data((try json() + "\n").utf8)
        guard
            FileManager.default.createFile(
                atPath: fresh.path, contents: contents, attributes: [.posixPermissions: 0o600])
        else { throw CommandFailure("cannot write \(fresh.path)") }
        guard rename(fresh.path, file.path) == 0 else { throw CommandFailure("cannot write \(file.path)") }
    }

    /// One line.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
