import Glibc

/// The image behind an emulated unit: a regular file that holds the disk's blocks and nothing else.
final class ImageFile: Sendable {
    /// The path with every symbolic link followed, so that all names of an image lead to the same state file.
    let path: String
    /// The length when the image was opened.
    let length: UInt64
    /// Whether nobody may write: the file's mode has no write permission at all, or it could not be opened for writing.
    ///
    /// The mode counts for root too: an administrator who took the permission away meant it.
    let isReadOnly: Bool
    let file: OpenFile
    private let device: dev_t
    private let inode: ino_t

    /// Opens an image.
    init(path name: String) throws(EmulatedUnitError) {
        path = try Self.resolved(name)
        do {
            let opened = try Self.open(path)
            let status = try opened.file.status()
            guard status.st_mode & S_IFMT == S_IFREG else { throw EmulatedUnitError.notARegularFile(path: path) }
            file = opened.file
            length = UInt64(status.st_size)
            (device, inode) = (status.st_dev, status.st_ino)
            isReadOnly = opened.isReadOnly || status.st_mode & 0o222 == 0
        } catch let error as FileError where error.number == EISDIR || error.number == ENXIO {
            throw .notARegularFile(path: path)
        } catch let error as FileError {
            throw .imageUnreadable(error)
        } catch let error as EmulatedUnitError {
            throw error
        } catch {
            throw .imageUnreadable(FileError("open", path, EIO))
        }
    }

    private static func resolved(_ name: String) throws(EmulatedUnitError) -> String {
        guard let resolved = realpath(name, nil) else {
            let error = FileError("open", name)
            throw error.number == ENOENT || error.number == ENOTDIR
                ? .imageMissing(path: name) : .imageUnreadable(error)
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// O_NONBLOCK keeps the opening of a pipe from waiting for its other end; regular files ignore it.
    private static func open(_ path: String) throws(FileError) -> (file: OpenFile, isReadOnly: Bool) {
        do {
            return (try OpenFile(path, flags: O_RDWR | O_NONBLOCK), false)
        } catch  where error.number == EACCES || error.number == EROFS || error.number == EPERM {
            return (try OpenFile(path, flags: O_RDONLY | O_NONBLOCK), true)
        }
    }

    /// The name of the container format the image is in; nil for a raw one.
    ///
    /// Asked only when an image becomes a disk: later the blocks belong to the nodes, who may write anything into them.
    func foreignFormat() throws(FileError) -> String? {
        let head = try file.read(at: 0, count: 512)
        let tail = length >= 512 ? try file.read(at: length - 512, count: 8) : []
        let vhd = Array("conectix".utf8)
        if head.starts(with: [0x51, 0x46, 0x49, 0xFB]) { return "QCOW" }
        if head.starts(with: Array("KDMV".utf8)) || head.starts(with: Array("COWD".utf8)) { return "VMDK" }
        if head.starts(with: Array("# Disk DescriptorFile".utf8)) { return "VMDK" }
        if head.starts(with: Array("vhdxfile".utf8)) { return "VHDX" }
        if head.starts(with: vhd) || tail == vhd { return "VHD" }
        if head.count >= 0x44, head[0x40..<0x44].elementsEqual([0x7F, 0x10, 0xDA, 0xBE]) { return "VDI" }
        return nil
    }

    /// Throws where the path no longer leads to the file that is open, or the file is no longer as long as it was.
    ///
    /// Who opens the image anew, such as another node, would find another disk: what was written here would be lost. The
    /// open file keeps its inode from being used again, so device and inode tell; one look at the path tells all of it.
    func check() throws(EmulatedUnitError) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let error = FileError("stat", path)
            throw error.number == ENOENT || error.number == ENOTDIR
                ? .imageMissing(path: path) : .imageUnreadable(error)
        }
        guard status.st_dev == device, status.st_ino == inode else { throw .imageReplaced(path: path) }
        let now = UInt64(status.st_size)
        if now != length { throw .imageResized(path: path, recorded: length, actual: now) }
    }

    func read(at offset: UInt64, count: Int) throws(FileError) -> [UInt8] {
        let octets = try file.read(at: offset, count: count)
        guard octets.count == count else { throw FileError("read", path, EIO) }
        return octets
    }

    func write(_ octets: [UInt8], at offset: UInt64) throws(FileError) {
        try file.write(octets, at: offset)
    }

    func synchronize() throws(FileError) {
        try file.synchronize()
    }
}
