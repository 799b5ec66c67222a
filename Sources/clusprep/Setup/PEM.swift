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
    static func write(_ data: Data, to path: String) throws {
        let fresh = path + ".new"
        unlink(fresh)
        let descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: data)
            try file.synchronize()
        } catch {
            unlink(fresh)
            throw CommandFailure("cannot write \(path): \(error.localizedDescription)")
        }
        guard rename(fresh, path) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure("cannot write \(path): \(String(cString: strerror(errno)))")
    }
}
