import Glibc

extension DiskTarget {
    /// Whether both lead to one disk, as far as can be told without opening it: through symbolic links, by a second name of a
    /// file or a device, through other portals, with other options.
    public func leadsToDisk(of other: DiskTarget) -> Bool {
        switch (self, other) {
        case (.image(let path), .image(let second)):
            path == second || FileIdentity(path).map { $0 == FileIdentity(second) } ?? false
        case (.local(let device), .local(let second)):
            device == second || Self.disk(device).map { $0 == Self.disk(second) } ?? false
        // A target's name is its own, whichever portal it is reached by (RFC 3720 3.2.6).
        case (.iscsi(let target), .iscsi(let second)): target.name == second.name && target.unit == second.unit
        case (.image, _), (.local, _), (.iscsi, _): false
        }
    }

    /// What the kernel calls the device.
    private static func disk(_ device: String) -> String? {
        BlockNode(device: device, files: HostFiles())?.name
    }
}

/// Which file a path leads to, whatever else it is called.
private struct FileIdentity: Equatable {
    private let device: dev_t
    private let inode: ino_t

    /// The file behind the path, links followed; nil where there is none.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        (device, inode) = (status.st_dev, status.st_ino)
    }
}
