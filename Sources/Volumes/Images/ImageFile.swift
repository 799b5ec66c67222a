import Glibc

/// A file under construction, by descriptor.
struct ImageFile: ~Copyable {
    private let descriptor: Int32
    let path: String

    // Linux's SEEK_DATA and SEEK_HOLE (lseek(2)), which glibc declares as an extension only.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Makes a file that did not exist, for this user only.
    static func create(_ path: String, size: UInt64) throws(DiskImageError) -> ImageFile {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("creating \(path)", errno) }
        let file = ImageFile(descriptor: descriptor, path: path)
        guard ftruncate(descriptor, off_t(size)) == 0 else {
            let error = errno
            unlink(path)
            throw .system("sizing \(path)", error)
        }
        return file
    }

    deinit {
        Glibc.close(descriptor)
    }

    borrowing func write(_ octets: [UInt8], at offset: UInt64) throws(DiskImageError) {
        var done = 0
        while done < octets.count {
            let count = octets[done...].withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset) + off_t(done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("writing \(path)", count < 0 ? errno : ENOSPC) }
            done += count
        }
    }

    /// Copies another file's data, and not its holes, to `offset`.
    borrowing func copy(sparsely source: borrowing ImageFile, at offset: UInt64) throws(DiskImageError) {
        var position: off_t = 0
        while true {
            let start = lseek(source.descriptor, position, Self.seekData)
            // No data behind the position: the rest is a hole.
            if start < 0, errno == ENXIO { return }
            let end = start < 0 ? -1 : lseek(source.descriptor, start, Self.seekHole)
            guard end >= 0 else { throw .system("reading \(source.path)", errno) }
            position = start
            while position < end {
                var chunk = [UInt8](repeating: 0, count: Int(min(end - position, 1 << 20)))
                let count = chunk.withUnsafeMutableBytes {
                    pread(source.descriptor, $0.baseAddress, $0.count, position)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw .system("reading \(source.path)", count < 0 ? errno : EIO) }
                chunk.removeLast(chunk.count - count)
                try write(chunk, at: offset + UInt64(position))
                position += count
            }
        }
    }

    borrowing func synchronize() throws(DiskImageError) {
        guard fsync(descriptor) == 0 else { throw .system("synchronizing \(path)", errno) }
    }
}
