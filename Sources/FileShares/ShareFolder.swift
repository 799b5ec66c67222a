import Foundation

/// The folder that a share shows: one file, which everybody may read and only we may write.
struct ShareFolder {
    let path: String

    /// Makes the folder and the file. What leads there is made where it is missing; the folder itself must not be there.
    func make(token: String) throws(FileShareError) {
        try Self.makeParents(of: path)
        guard mkdir(path, 0o755) == 0 else { throw failure(path) }
        let file = path + "/" + TestShare.fileName
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(file) }
        defer { close(descriptor) }
        // The process' umask lets nobody else look; here the SMB server has to.
        guard chmod(path, 0o755) == 0, fchmod(descriptor, 0o644) == 0 else { throw failure(file) }
        guard write(descriptor, token, token.utf8.count) == token.utf8.count else { throw failure(file) }
    }

    /// Removes the file and the folder, and nothing else. What is not there is gone already.
    func remove() throws(FileShareError) {
        let file = path + "/" + TestShare.fileName
        guard unlink(file) == 0 || errno == ENOENT || errno == ENOTDIR else { throw failure(file) }
        guard rmdir(path) == 0 || errno == ENOENT || errno == ENOTDIR else { throw failure(path) }
    }

    private static func makeParents(of path: String) throws(FileShareError) {
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard parent != "/", !FileManager.default.fileExists(atPath: parent) else { return }
        try makeParents(of: parent)
        guard mkdir(parent, 0o755) == 0 || errno == EEXIST, chmod(parent, 0o755) == 0 else {
            throw .fileFailed(path: parent, reason: String(cString: strerror(errno)))
        }
    }

    private func failure(_ path: String) -> FileShareError {
        .fileFailed(path: path, reason: String(cString: strerror(errno)))
    }
}
