import Foundation

/// Certificates and keys in files (RFC 7468): DER, or DER in Base64 between two lines.
enum PEM {
    static let certificate = "CERTIFICATE"
    static let privateKey = "PRIVATE KEY"

    /// The text of a PEM file with these octets.
    static func text(_ octets: [UInt8], label: String) -> String {
        let lines = Data(octets).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return "-----BEGIN \(label)-----\n\(lines)\n-----END \(label)-----\n"
    }

    /// What a file has of this kind: the first section with the label, or all of a file that is not PEM.
    ///
    /// - Returns: nil for a PEM file without such a section.
    static func octets(in file: Data, label: String) -> [UInt8]? {
        guard let text = String(data: file, encoding: .utf8), text.contains("-----BEGIN ") else { return Array(file) }
        let (begin, end) = ("-----BEGIN \(label)-----", "-----END \(label)-----")
        guard let start = text.range(of: begin), let stop = text.range(of: end, range: start.upperBound..<text.endIndex)
        else { return nil }
        let base64 = text[start.upperBound..<stop.lowerBound].filter { !$0.isWhitespace }
        return Data(base64Encoded: base64).map { Array($0) }
    }

    /// Writes a file that others cannot read; one that is there is replaced as a whole.
    ///
    /// A pipe, a terminal or whatever else is no file (`/dev/stdout`, say) stays in its place, and is written into.
    static func write(_ data: Data, to path: String) throws {
        // What a link leads to is written, and the link stays.
        var target = path
        if let resolved = realpath(path, nil) {
            target = String(cString: resolved)
            free(resolved)
        }
        let (descriptor, fresh) = try open(path: path, target: target)
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: data)
            if fresh != nil { try file.synchronize() }
        } catch {
            if let fresh { unlink(fresh) }
            throw CommandFailure("cannot write \(path): \(error.localizedDescription)")
        }
        guard let fresh, rename(fresh, target) != 0 else { return }
        let failure = failure(path)
        unlink(fresh)
        throw failure
    }

    /// What to write into: what is there and no file, else a new file beside the target, whose name is returned, too.
    private static func open(path: String, target: String) throws -> (descriptor: Int32, fresh: String?) {
        var (there, output) = (Glibc.stat(), Glibc.stat())
        if stat(path, &there) == 0 {
            // Standard output even if it is a file: both the certificate and its key may be sent there.
            let isOutput =
                fstat(STDOUT_FILENO, &output) == 0 && (there.st_dev, there.st_ino) == (output.st_dev, output.st_ino)
            let kind = there.st_mode & S_IFMT
            let descriptor: Int32
            if isOutput {
                descriptor = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
            } else if kind == S_IFIFO || kind == S_IFCHR {
                descriptor = Glibc.open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC)
            } else if kind == S_IFREG {
                return try openFresh(path: path, target: target)
            } else {
                throw CommandFailure("cannot write \(path): it is no file")
            }
            guard descriptor >= 0 else { throw failure(path) }
            return (descriptor, nil)
        }
        return try openFresh(path: path, target: target)
    }

    private static func openFresh(path: String, target: String) throws -> (descriptor: Int32, fresh: String?) {
        // A name that nobody has: what lies beside the file is somebody's.
        let fresh = "\(target).\(UUID().uuidString)"
        let descriptor = Glibc.open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        return (descriptor, fresh)
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure("cannot write \(path): \(String(cString: strerror(errno)))")
    }
}
