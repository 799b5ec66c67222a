import Foundation

/// The folder of log files that were made for somebody: each is there whole or not at all, and the oldest make room for new ones.
///
/// Its methods block; one caller at a time.
public struct LogFiles: Sendable {
    /// How much is kept; what was just made is kept in any case.
    public struct Limits: Sendable, Hashable {
        /// The number of files.
        public var count: Int
        /// Their octets.
        public var octets: Int

        /// From its parts.
        public init(count: Int = 64, octets: Int = 512 << 20) {
            self.count = max(1, count)
            self.octets = max(0, octets)
        }
    }

    /// A file to be made: its name without `.log`, and what writes it.
    public struct Draft {
        var name: String
        var write: (inout LogFileWriter) throws -> Void

        /// From its parts. Of the name only letters, digits, `-`, `_` and `.` are kept.
        public init(name: String, write: @escaping (inout LogFileWriter) throws -> Void) {
            let kept = name.unicodeScalars.map { scalar -> Character in
                let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
                return isPlain || "-_.".unicodeScalars.contains(scalar) ? Character(scalar) : "_"
            }
            self.name = String(String(kept).drop { $0 == "." }.prefix(100))
            self.write = write
        }
    }

    /// The folder's path.
    public let folder: String
    private let group: gid_t?
    private let limits: Limits

    private static let suffix = ".log"
    private static let unfinished = ".unfinished"

    /// In a folder that is made with the first file, if its own folder is there. Only the group's members may read it, or nobody
    /// but the daemon's user.
    public init(folder: String, group: gid_t? = nil, limits: Limits = Limits()) {
        self.folder = folder
        self.group = group
        self.limits = limits
    }

    /// Makes files, all or none, and removes the oldest of those that are beyond the limits.
    ///
    /// - Returns: the names that the files have in the folder, in the drafts' order: the draft's with `.log`, and a number before
    ///   that where there is such a file already.
    /// - Throws: ``EventLogError``, and what a draft throws.
    public func make(_ drafts: [Draft]) throws -> [String] {
        let descriptor = try open()
        var made: [(temporary: String, name: String)] = []
        do {
            for draft in drafts {
                let temporary = "\(made.count)\(Self.unfinished)"
                made.append((temporary, ""))
                var writer = try LogFileWriter(folder: descriptor, path: folder + "/" + temporary, name: temporary)
                try draft.write(&writer)
                try writer.finish(group: group)
            }
            for (index, draft) in drafts.enumerated() {
                made[index].name = try publish(made[index].temporary, as: draft.name, in: descriptor)
            }
        } catch {
            for file in made {
                unlinkat(descriptor.number, file.temporary, 0)
                if !file.name.isEmpty { unlinkat(descriptor.number, file.name, 0) }
            }
            throw error
        }
        let names = made.map(\.name)
        try prune(keeping: Set(names))
        return names
    }

    /// Makes the folder if it is missing, and sees that nobody but us and root can change what is in it.
    private func open() throws(EventLogError) -> FileDescriptor {
        let mode: mode_t = group == nil ? 0o700 : 0o750
        let isNew = mkdir(folder, mode) == 0
        guard isNew || errno == EEXIST else { throw .last("make", folder) }
        let descriptor = try FileDescriptor(folder, O_RDONLY | O_DIRECTORY, operation: "open")
        var status = stat()
        guard fstat(descriptor.number, &status) == 0 else { throw .last("look at", folder) }
        guard status.st_uid == geteuid() || status.st_uid == 0, status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
            throw .unsafe(path: folder)
        }
        // One that others use, such as /var/log: its files are not ours to remove, nor is its mode ours to change.
        guard isNew || status.st_mode & S_IRWXO == 0 else { throw .unsafe(path: folder) }
        if let group, status.st_gid != group, fchown(descriptor.number, uid_t.max, group) != 0 {
            throw .last("give the group", folder)
        }
        // The process' umask lets nobody else look.
        guard status.st_mode & 0o777 == mode || fchmod(descriptor.number, mode) == 0 else {
            throw .last("set the mode of", folder)
        }
        return descriptor
    }

    /// Gives a finished file a name that no other has.
    private func publish(
        _ temporary: String, as name: String, in descriptor: FileDescriptor
    ) throws(EventLogError) -> String {
        for number in 1...1000 {
            let name = name + (number == 1 ? "" : "-\(number)") + Self.suffix
            // A link, unlike a rename, does not take the place of another file.
            if linkat(descriptor.number, temporary, descriptor.number, name, 0) == 0 {
                unlinkat(descriptor.number, temporary, 0)
                return name
            }
            guard errno == EEXIST else { throw .last("make", folder + "/" + name) }
        }
        throw .failed(operation: "make", path: folder + "/" + name + Self.suffix, errno: EEXIST)
    }

    private func prune(keeping fresh: Set<String>) throws(EventLogError) {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw .failed(operation: "list", path: folder, errno: EIO)
        }
        var files: [(name: String, size: Int, time: timespec)] = []
        for name in names {
            let path = folder + "/" + name
            if name.hasSuffix(Self.unfinished) {
                // Of a process that was killed.
                unlink(path)
                continue
            }
            var status = stat()
            guard name.hasSuffix(Self.suffix), lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                continue
            }
            files.append((name, Int(status.st_size), status.st_mtim))
        }
        files.sort { ($0.time.tv_sec, $0.time.tv_nsec, $0.name) > ($1.time.tv_sec, $1.time.tv_nsec, $1.name) }
        var (count, octets) = (0, 0)
        // The fresh ones are counted first, whatever the clock made of their times.
        for file in files.filter({ fresh.contains($0.name) }) + files.filter({ !fresh.contains($0.name) }) {
            count += 1
            octets += file.size
            if !fresh.contains(file.name), count > limits.count || octets > limits.octets {
                unlink(folder + "/" + file.name)
            }
        }
    }
}

/// Writes one log file, line by line: UTF-8, each line ended by a line feed.
public struct LogFileWriter {
    private let file: FileDescriptor
    private let path: String
    private var buffer: [UInt8] = []

    private static let bufferSize = 64 << 10

    fileprivate init(folder: FileDescriptor, path: String, name: String) throws(EventLogError) {
        unlinkat(folder.number, name, 0)
        file = try FileDescriptor(path, O_WRONLY | O_CREAT | O_EXCL, operation: "make")
        self.path = path
    }

    /// Adds a line. What would end it before its end is for the caller to escape; see ``ClusterLogLine/escaped(_:)``.
    ///
    /// - Throws: ``EventLogError`` where the disk is full or fails.
    public mutating func line(_ text: String = "") throws(EventLogError) {
        buffer += text.utf8
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= Self.bufferSize { try flush() }
    }

    private mutating func flush() throws(EventLogError) {
        let result = file.write(buffer[...])
        guard result.errno == 0 else { throw .failed(operation: "write", path: path, errno: result.errno) }
        buffer.removeAll(keepingCapacity: true)
    }

    fileprivate mutating func finish(group: gid_t?) throws(EventLogError) {
        try flush()
        guard let group else { return }
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_gid == group || fchown(file.number, uid_t.max, group) == 0,
            fchmod(file.number, 0o640) == 0
        else { throw .last("give the group", path) }
    }
}
