import Glibc

/// What a Linux host says of itself in `/sys`, `/proc` and `/dev`, below a root that tests put elsewhere.
public struct HostFiles: Sendable, Hashable {
    /// The folder that stands for `/`, without a slash at its end: empty for the host itself.
    public let root: String

    /// The files of this host, or of one that a test has made.
    ///
    /// - Parameter root: the folder that stands for `/`.
    public init(root: String = "/") {
        var root = root
        while root.hasSuffix("/") { root.removeLast() }
        self.root = root
    }

    /// A file's text without white space at its ends, so many octets of it at most; nil where it cannot be read.
    public func text(_ path: String, limit: Int = 1 << 20) -> String? {
        guard let octets = octets(path, limit: limit) else { return nil }
        let isSpace: (UInt8) -> Bool = { $0 <= 0x20 }
        let trimmed = octets.drop(while: isSpace)
        let end = trimmed.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? trimmed.startIndex
        return String(decoding: trimmed[..<end], as: UTF8.self)
    }

    /// A file's octets, a mebibyte at most unless told; nil where it cannot be read.
    public func octets(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
        guard let file = try? OpenFile(root + path, flags: O_RDONLY) else { return nil }
        // Files of /proc and /sys have no length to ask for, and some give only a part at once.
        return try? file.read(at: 0, count: limit)
    }

    /// A file's number.
    public func number(_ path: String) -> UInt64? {
        text(path).flatMap { UInt64($0) }
    }

    /// Whether there is such a file or folder.
    public func exists(_ path: String) -> Bool {
        access(root + path, F_OK) == 0
    }

    /// The names in a folder, sorted; none where it cannot be read.
    public func names(_ folder: String) -> [String] {
        guard let stream = opendir(root + folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The path with every symbolic link followed, below the root; nil where it leads nowhere.
    public func resolved(_ path: String) -> String? {
        guard let pointer = realpath(root + path, nil) else { return nil }
        defer { free(pointer) }
        let absolute = String(cString: pointer)
        guard !root.isEmpty, let start = realpath(root, nil) else { return absolute }
        defer { free(start) }
        let prefix = String(cString: start)
        return absolute.hasPrefix(prefix) ? String(absolute.dropFirst(prefix.count)) : nil
    }

    /// The last part of what a symbolic link leads to, such as the name of a `driver`.
    public func linkedName(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(root + path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split(separator: "/").last.map(String.init)
    }
}
