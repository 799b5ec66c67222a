import Glibc

/// Reading files of the package managers' whole, or not at all.
enum WholeFile {
    /// A file's octets.
    ///
    /// - Throws: ``HostUpdatesError/unreadable(path:code:)``, ``HostUpdatesError/tooLarge(path:limit:)``.
    static func octets(_ path: String, limit: Int) throws(HostUpdatesError) -> [UInt8] {
        let octets = try start(of: path, limit: limit + 1)
        guard octets.count <= limit else { throw .tooLarge(path: path, limit: limit) }
        return octets
    }

    /// So many octets from a file's start, or all it has.
    ///
    /// - Throws: ``HostUpdatesError/unreadable(path:code:)``.
    static func start(of path: String, limit: Int) throws(HostUpdatesError) -> [UInt8] {
        // O_NONBLOCK: a pipe in the place of a log would hold the reader for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path: path, code: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, code: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, code: EINVAL) }
        var octets: [UInt8] = []
        octets.reserveCapacity(min(Int(status.st_size), limit))
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while octets.count < limit {
            let count = read(descriptor, &buffer, min(buffer.count, limit - octets.count))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(path: path, code: errno) }
            guard count > 0 else { break }
            octets += buffer[..<count]
        }
        return octets
    }
}

extension String {
    /// Text in the encoding that it seems to have: UTF-8, or ISO 8859-1, which old changelogs have, often for a few lines only.
    init(ofUnknownEncoding octets: some Collection<UInt8>) {
        if let text = String(validating: octets, as: UTF8.self) {
            self = text
        } else {
            self = String(String.UnicodeScalarView(octets.map(Unicode.Scalar.init)))
        }
    }
}
