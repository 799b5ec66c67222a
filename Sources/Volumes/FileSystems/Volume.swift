import Glibc
import Reservations
import Synchronization

/// A partition's volume: which file system it has and, for NTFS and ext2 to ext4, its files.
///
/// The file system is driven through libntfs-3g or libext2fs over the block device: no mount, no kernel, no privileges. Every
/// method blocks until it is done; call them through ``BlockingExecutor``. Operations on one volume follow each other.
/// What a method wrote is on stable storage when it returns.
public final class Volume: Sendable {
    /// Where it is.
    public let partition: Partition
    /// What was recognised at its beginning; nil if nothing was.
    public let fileSystem: FileSystem?
    /// Whether the disk refuses to be written to.
    public let isReadOnly: Bool

    private let window: DeviceWindow?
    private let state: Mutex<State>

    private enum State {
        case mounted(any MountedFileSystem)
        /// Why there are no files here.
        case unavailable(VolumeError)
    }

    /// How much of a file is compared or read at a time.
    private static let chunk = 1 << 20

    private init(
        partition: Partition, fileSystem: FileSystem?, isReadOnly: Bool, window: DeviceWindow?, state: sending State
    ) {
        self.partition = partition
        self.fileSystem = fileSystem
        self.isReadOnly = isReadOnly
        self.window = window
        self.state = Mutex(state)
    }

    /// Recognises a partition's file system and mounts it if it is NTFS or ext2, ext3 or ext4.
    ///
    /// A volume that cannot be mounted opens nevertheless, as it comes online in Windows: every operation on its files then
    /// throws ``mountFailure``.
    ///
    /// - Parameter log: hears what the file system's library has to say, on the thread that called the volume.
    /// - Throws: ``VolumeError/device(_:)`` if the disk cannot be read, and nothing else.
    public static func open(
        _ device: any BlockDevice, partition: Partition, log: @escaping @Sendable (VolumeLogEntry) -> Void = { _ in }
    ) throws(VolumeError) -> Volume {
        let fileSystem = partition.type.holdsVolume ? try FileSystem.probe(device, partition: partition) : nil
        let isReadOnly = device.isReadOnly
        guard let fileSystem, fileSystem.isServed, let window = DeviceWindow(device, blocks: partition.blocks) else {
            return Volume(
                partition: partition, fileSystem: fileSystem, isReadOnly: isReadOnly, window: nil,
                state: .unavailable(fileSystem.map { .unsupportedFileSystem($0) } ?? .unrecognizedVolume))
        }
        do {
            let state: State
            if fileSystem == .ntfs {
                state = .mounted(try NTFSMount(window: window, log: log))
            } else {
                state = .mounted(try ExtMount(window: window, fileSystem: fileSystem, log: log))
            }
            return Volume(
                partition: partition, fileSystem: fileSystem, isReadOnly: isReadOnly, window: window, state: state)
        } catch .device(let cause) {
            throw .device(cause)
        } catch {
            return Volume(
                partition: partition, fileSystem: fileSystem, isReadOnly: isReadOnly, window: nil,
                state: .unavailable(error))
        }
    }

    /// The name of the file system, "NTFS" for one; nil for what [MS-CSVP] calls "RAW".
    public var fileSystemName: String? {
        fileSystem?.name
    }

    /// Why files cannot be reached; nil while they can.
    public var mountFailure: VolumeError? {
        state.withLock { state in
            switch state {
            case .mounted: window?.isDetached == true ? .offline : nil
            case .unavailable(let reason): reason
            }
        }
    }

    /// Whether nothing reaches the disk any more; can be asked while an operation is under way.
    var isCutOff: Bool {
        window?.isDetached ?? true
    }

    /// The volume's label; nil unless it is mounted.
    public var label: String? {
        state.withLock { state in
            guard case .mounted(let mount) = state else { return nil }
            return mount.label
        }
    }

    /// Whether the file system asks to be checked; nil unless it is mounted.
    public var isDirty: Bool? {
        state.withLock { state in
            guard case .mounted(let mount) = state else { return nil }
            return mount.isDirty
        }
    }

    /// The octets that are free for files; nil unless it is mounted.
    public var freeOctets: UInt64? {
        state.withLock { state in
            guard case .mounted(let mount) = state else { return nil }
            return mount.freeOctets
        }
    }

    /// Creates a file, or overwrites it from its beginning and cuts it to the data's length ([MS-CSVP] 3.2.4.9).
    ///
    /// Folders are not created on the way. A full volume leaves an existing file as it was, and no new one.
    ///
    /// - Throws: ``VolumeError``, such as ``VolumeError/diskFull``, ``VolumeError/writeProtected``,
    ///   ``VolumeError/folderNotFound(_:)``, ``VolumeError/isFolder(_:)``. After ``VolumeError/device(_:)`` from a write the
    ///   volume is offline.
    public func writeFile(path: VolumePath, data: [UInt8]) throws(VolumeError) {
        try withMount { mount throws(VolumeError) in
            try mount.write(path, data)
            try mount.flush()
        }
    }

    /// Compares a file with the data, length and octets ([MS-CSVP] 3.2.4.10).
    ///
    /// - Throws: ``VolumeError/contentsDiffer(_:offset:)``; ``VolumeError/fileNotFound(_:)`` also if a folder is missing.
    public func verifyFile(path: VolumePath, data: [UInt8]) throws(VolumeError) {
        try withMount { mount throws(VolumeError) in
            do throws(VolumeError) {
                try mount.withFile(path) { size, read throws(VolumeError) in
                    try Self.compare(size: size, data: data, path: path, read)
                }
            } catch .folderNotFound(let path) {
                throw .fileNotFound(path)
            }
        }
    }

    /// Reads a whole file.
    ///
    /// - Parameter maximumLength: in octets; what a sparse file claims to hold is not bounded by the disk.
    /// - Throws: ``VolumeError/fileTooLarge(_:octets:)``, ``VolumeError/fileNotFound(_:)`` and other ``VolumeError``.
    public func readFile(path: VolumePath, maximumLength: Int = 256 << 20) throws(VolumeError) -> [UInt8] {
        var result: [UInt8] = []
        try withMount { mount throws(VolumeError) in
            try mount.withFile(path) { size, read throws(VolumeError) in
                guard size <= UInt64(max(0, maximumLength)) else {
                    throw .fileTooLarge(path.description, octets: size)
                }
                while result.count < Int(size) {
                    result += try read(UInt64(result.count), min(Self.chunk, Int(size) - result.count))
                }
            }
        }
        return result
    }

    /// Removes a file ([MS-CSVP] 3.2.4.11).
    ///
    /// - Throws: ``VolumeError``: ``VolumeError/isFolder(_:)`` for a folder, ``VolumeError/readOnlyFile(_:)`` and so on.
    public func deleteFile(path: VolumePath) throws(VolumeError) {
        try withMount { mount throws(VolumeError) in
            try mount.delete(path)
            try mount.flush()
        }
    }

    /// Makes a folder in one that exists.
    ///
    /// - Throws: ``VolumeError/alreadyExists(_:)`` and other ``VolumeError``.
    public func createFolder(path: VolumePath) throws(VolumeError) {
        try withMount { mount throws(VolumeError) in
            try mount.createFolder(path)
            try mount.flush()
        }
    }

    /// Brings everything written onto stable storage.
    public func flush() throws(VolumeError) {
        try withMount { mount throws(VolumeError) in try mount.flush() }
    }

    /// Writes back what there is to write and dismounts. The volume is offline afterwards, whatever is thrown; closing it
    /// again does nothing.
    ///
    /// - Throws: what the disk says of the last writes, those of the dismounting included.
    public func close() throws(VolumeError) {
        try state.withLock { state throws(VolumeError) in
            guard case .mounted(let mount) = state else { return }
            state = .unavailable(.offline)
            if mount.window.isDetached { return }
            try mount.close()
        }
    }

    /// Dismounts without another write to the disk, because it is somebody else's now; an operation under way fails.
    public func abandon() {
        // Before the lock: the operation that holds it is the one to be stopped.
        window?.detach()
        state.withLock { state in
            if case .mounted = state { state = .unavailable(.offline) }
        }
    }

    private func withMount(_ body: (any MountedFileSystem) throws(VolumeError) -> Void) throws(VolumeError) {
        try state.withLock { state throws(VolumeError) in
            switch state {
            case .mounted(let mount):
                if mount.window.isDetached { throw .offline }
                try body(mount)
            case .unavailable(let reason): throw reason
            }
        }
    }

    private static func isEqual(_ octets: [UInt8], _ expected: ArraySlice<UInt8>) -> Bool {
        octets.withUnsafeBytes { octets in
            expected.withUnsafeBytes { expected in
                guard octets.count == expected.count else { return false }
                guard let first = octets.baseAddress, let second = expected.baseAddress else { return true }
                return memcmp(first, second, octets.count) == 0
            }
        }
    }

    private static func compare(
        size: UInt64, data: [UInt8], path: VolumePath, _ read: (UInt64, Int) throws(VolumeError) -> [UInt8]
    ) throws(VolumeError) {
        let common = Int(min(size, UInt64(data.count)))
        var offset = 0
        while offset < common {
            let octets = try read(UInt64(offset), min(chunk, common - offset))
            let expected = data[offset..<offset + octets.count]
            if !isEqual(octets, expected) {
                let equal = zip(octets, expected).prefix { $0 == $1 }.count
                throw .contentsDiffer(path.description, offset: UInt64(offset + equal))
            }
            offset += octets.count
        }
        if size != UInt64(data.count) { throw .contentsDiffer(path.description, offset: UInt64(common)) }
    }
}

extension Volume {
    /// ``writeFile(path:data:)`` with an unchecked path.
    public func writeFile(path: String, data: [UInt8]) throws(VolumeError) {
        try writeFile(path: VolumePath(path), data: data)
    }

    /// ``verifyFile(path:data:)`` with an unchecked path.
    public func verifyFile(path: String, data: [UInt8]) throws(VolumeError) {
        try verifyFile(path: VolumePath(path), data: data)
    }

    /// ``readFile(path:maximumLength:)`` with an unchecked path.
    public func readFile(path: String, maximumLength: Int = 256 << 20) throws(VolumeError) -> [UInt8] {
        try readFile(path: VolumePath(path), maximumLength: maximumLength)
    }

    /// ``deleteFile(path:)`` with an unchecked path.
    public func deleteFile(path: String) throws(VolumeError) {
        try deleteFile(path: VolumePath(path))
    }

    /// ``createFolder(path:)`` with an unchecked path.
    public func createFolder(path: String) throws(VolumeError) {
        try createFolder(path: VolumePath(path))
    }
}
