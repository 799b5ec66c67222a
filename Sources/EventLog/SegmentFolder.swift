import Foundation

/// The files of a store: `events-` and sixteen hexadecimal digits that grow, `.log`. Each but the last is complete.
struct SegmentFolder: Sendable {
    /// One file.
    struct Segment: Sendable, Equatable {
        var number: UInt64
        var path: String
    }

    let path: String

    /// The files, oldest first; none where there is no folder.
    func segments() throws(EventLogError) -> [Segment] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: path)
        } catch {
            if access(path, F_OK) != 0, errno == ENOENT { return [] }
            throw .failed(operation: "list", path: path, errno: access(path, R_OK | X_OK) == 0 ? EIO : errno)
        }
        return names.compactMap(Self.number(of:)).sorted().map(segment)
    }

    func segment(_ number: UInt64) -> Segment {
        let digits = String(number, radix: 16)
        let name = "events-" + String(repeating: "0", count: 16 - digits.count) + digits + ".log"
        return Segment(number: number, path: path + "/" + name)
    }

    private static func number(of name: String) -> UInt64? {
        guard name.hasPrefix("events-"), name.hasSuffix(".log"), name.utf8.count == 27 else { return nil }
        return UInt64(name.dropFirst(7).dropLast(4), radix: 16)
    }
}

/// A file descriptor that is closed with its owner.
final class FileDescriptor: Sendable {
    let number: Int32

    init(_ path: String, _ flags: Int32, mode: mode_t = 0o600, operation: String) throws(EventLogError) {
        number = open(path, flags | O_CLOEXEC | O_NOFOLLOW, mode)
        guard number >= 0 else { throw .last(operation, path) }
    }

    deinit { close(number) }

    /// The file's size in octets.
    func size(path: String) throws(EventLogError) -> Int {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .last("look at", path) }
        return Int(status.st_size)
    }

    /// Writes all of it, or as much as there is room for.
    ///
    /// - Returns: how many octets were written, and the error number that kept it from more.
    func write(_ octets: ArraySlice<UInt8>) -> (count: Int, errno: Int32) {
        octets.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let count = Foundation.write(number, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                if count > 0 {
                    done += count
                } else if count == 0 || errno != EINTR {
                    return (done, count == 0 ? ENOSPC : errno)
                }
            }
            return (done, 0)
        }
    }
}
