import Foundation

/// The folder that a share shows: one file, which everybody may read and only we may write.
///
/// The daemon may be root, so nothing here follows a link that somebody else put in the way: the folder that holds shares has to
/// be out of others' reach, and the share's own folder is entered once and worked in by its descriptor.
struct ShareFolder {
    let path: String

    /// Makes the folder and the file. What leads there is made where it is missing; the folder itself must not be there.
    func make(token: String) throws(FileShareError) {
        try Self.makeParents(of: path)
        try checkParent()
        guard mkdir(path, 0o755) == 0 else { throw failure(path) }
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else { throw failure(path) }
        defer { close(folder) }
        let name = TestShare.fileName
        let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure("\(path)/\(name)") }
        defer { close(file) }
        // The process' umask lets nobody else look; here the SMB server has to.
        guard fchmod(folder, 0o755) == 0, fchmod(file, 0o644) == 0,
            write(file, token, token.utf8.count) == token.utf8.count
        else { throw failure("\(path)/\(name)") }
    }

    /// Removes the file and the folder, and nothing else. What is not there is gone already.
    func remove() throws(FileShareError) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return }
            throw failure(path)
        }
        defer { close(folder) }
        guard unlinkat(folder, TestShare.fileName, 0) == 0 || errno == ENOENT else {
            throw failure("\(path)/\(TestShare.fileName)")
        }
        guard rmdir(path) == 0 || errno == ENOENT else { throw failure(path) }
    }

    private var parent: String {
        URL(fileURLWithPath: path).deletingLastPathComponent().path
    }

    /// Whether nobody but us and root can put something else into the place of what we make there.
    private func checkParent() throws(FileShareError) {
        var status = stat()
        guard stat(parent, &status) == 0 else { throw failure(parent) }
        let isOurs = status.st_uid == geteuid() || status.st_uid == 0
        guard isOurs, status.st_mode & (S_IWGRP | S_IWOTH) == 0 || status.st_mode & S_ISVTX != 0 else {
            throw .fileFailed(path: parent, reason: "others may change it; it has to be root's or the daemon's alone")
        }
    }

    private static func makeParents(of path: String) throws(FileShareError) {
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard parent != "/", !FileManager.default.fileExists(atPath: parent) else { return }
        try makeParents(of: parent)
        if mkdir(parent, 0o755) == 0 {
            guard chmod(parent, 0o755) == 0 else { throw failure(parent) }
        } else if errno != EEXIST {
            throw failure(parent)
        }
    }

    private func failure(_ path: String) -> FileShareError {
        Self.failure(path)
    }

    private static func failure(_ path: String) -> FileShareError {
        .fileFailed(path: path, reason: String(cString: strerror(errno)))
    }
}
