import Foundation
import Testing

@testable import FileShares

/// What is on the file system, whoever is the process' user and whatever others put in the way.
final class ShareFolderTests {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent("share-\(UUID().uuidString)").path

    init() throws {
        try FileManager.default.createDirectory(
            atPath: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: root)
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test("The folder and its file are there for all to read, and go again")
    func lifetime() throws {
        let folder = ShareFolder(path: root + "/a/b/share")
        try folder.make(token: "0123")
        #expect(try String(contentsOfFile: folder.path + "/clusprep.txt", encoding: .utf8) == "0123")
        for path in [root + "/a", root + "/a/b", folder.path] { #expect(try mode(path) == 0o755) }
        #expect(try mode(folder.path + "/clusprep.txt") == 0o644)
        #expect(throws: FileShareError.self) { try folder.make(token: "again") }
        try folder.remove()
        #expect(!FileManager.default.fileExists(atPath: folder.path))
        try folder.remove()
    }

    @Test("A folder of shares that others may write to is refused, one where they can only add is not")
    func reachOfOthers() throws {
        let folder = ShareFolder(path: root + "/shares/share")
        try FileManager.default.createDirectory(atPath: root + "/shares", withIntermediateDirectories: false)
        for open in [0o777, 0o775] as [mode_t] {
            #expect(chmod(root + "/shares", open) == 0)
            #expect(throws: FileShareError.self) { try folder.make(token: "x") }
            #expect(!FileManager.default.fileExists(atPath: folder.path))
        }
        #expect(chmod(root + "/shares", 0o1777) == 0)
        try folder.make(token: "x")
    }

    @Test("A link in the folder's place is neither written through nor emptied")
    func link() throws {
        let theirs = root + "/theirs"
        try FileManager.default.createDirectory(atPath: theirs, withIntermediateDirectories: false)
        try "precious".write(toFile: theirs + "/clusprep.txt", atomically: true, encoding: .utf8)
        let folder = ShareFolder(path: root + "/share")
        #expect(symlink(theirs, folder.path) == 0)
        #expect(throws: FileShareError.self) { try folder.make(token: "x") }
        try? folder.remove()
        #expect(try String(contentsOfFile: theirs + "/clusprep.txt", encoding: .utf8) == "precious")
    }

    @Test("What somebody else put into the folder stays, and is told")
    func strangersFile() throws {
        let folder = ShareFolder(path: root + "/share")
        try folder.make(token: "x")
        try "theirs".write(toFile: folder.path + "/other", atomically: true, encoding: .utf8)
        #expect(throws: FileShareError.self) { try folder.remove() }
        #expect(FileManager.default.fileExists(atPath: folder.path + "/other"))
    }
}
