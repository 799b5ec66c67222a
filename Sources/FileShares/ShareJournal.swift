import Foundation

/// What of ours stands in Samba and in the file system, on stable record: written before it is made and struck out after it is
/// removed, so that whoever starts after a crash knows what to remove.
struct ShareJournal {
    /// One share, its folder and its account.
    struct Entry: Codable, Equatable, Sendable {
        var share: String
        var folder: String
        var account: String
    }

    /// The journal's path.
    let path: String

    /// In a folder that exists.
    init(folder: String, name: String = "shares.json") {
        path = folder + "/" + name
    }

    /// What is recorded; nothing where there is no journal.
    func read() throws(FileShareError) -> [Entry] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        do {
            return try JSONDecoder().decode([Entry].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw .fileFailed(path: path, reason: "it is not readable: \(error)")
        }
    }

    /// Records exactly these; a crash leaves the old record or the new one.
    func write(_ entries: [Entry]) throws(FileShareError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(entries) + Data("\n".utf8)
        } catch {
            throw .fileFailed(path: path, reason: "\(error)")
        }
        let fresh = path + ".new"
        let descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(fresh) }
        let isWritten = data.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) == $0.count }
        guard isWritten, fsync(descriptor) == 0 else {
            let error = failure(fresh)
            close(descriptor)
            throw error
        }
        close(descriptor)
        guard rename(fresh, path) == 0 else { throw failure(path) }
        // The name is a part of the folder, which has to reach the disk as well.
        let folder = open(URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        guard folder >= 0 else { throw failure(path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure(path) }
    }

    private func failure(_ path: String) -> FileShareError {
        .fileFailed(path: path, reason: String(cString: strerror(errno)))
    }
}
