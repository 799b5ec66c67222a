import Glibc
import Reservations
import Synchronization

/// The updates installed on a Linux host: those of dpkg and of rpm, where it has both.
///
/// The methods read files and run programs (`gzip`, `rpm`), so they block, for seconds on a host with thousands of packages and
/// for milliseconds afterwards: what was found is kept until a file it came from changes. Call them on a thread that may block,
/// never on an event loop.
public final class HostUpdates: Sendable {
    private struct Answer {
        var stamp: [FileStamp]
        var updates: [HostUpdate]
    }

    private let root: String
    private let sources: [any UpdateSource]
    /// Held while the updates are gathered, so that callers who come together gather them once.
    private let answer = Mutex<Answer?>(nil)

    /// The updates of this host, or of one that a test has made.
    ///
    /// - Parameter root: the folder that stands for `/`.
    public convenience init(root: String = "/") {
        let files = HostFiles(root: root)
        self.init(root: files.root, sources: [DpkgUpdates(files: files), RPMUpdates(files: files)])
    }

    init(root: String, sources: [any UpdateSource]) {
        self.root = root
        self.sources = sources
    }

    /// The number of updates.
    ///
    /// - Throws: as ``list()``.
    public func count() throws(HostUpdatesError) -> Int {
        let sources = try present()
        let stamp = Self.stamp(of: sources)
        if let known = answer.withLock({ $0?.stamp == stamp ? $0?.updates.count : nil }) { return known }
        var total = 0
        for source in sources { total += try source.count() }
        return total
    }

    /// The updates: dpkg's, then rpm's, each by the names of their packages.
    ///
    /// - Throws: ``HostUpdatesError`` where a database cannot be read, or there is none. A changelog or a log that cannot be
    ///   read is passed over: what is installed is known without it.
    public func list() throws(HostUpdatesError) -> [HostUpdate] {
        let sources = try present()
        return try answer.withLock { known throws(HostUpdatesError) in
            // Before the files are read: what changes meanwhile is seen the next time.
            let stamp = Self.stamp(of: sources)
            if let known, known.stamp == stamp { return known.updates }
            var updates: [HostUpdate] = []
            for source in sources { updates += try source.updates() }
            known = Answer(stamp: stamp, updates: updates)
            return updates
        }
    }

    private func present() throws(HostUpdatesError) -> [any UpdateSource] {
        let present = sources.filter(\.isPresent)
        guard !present.isEmpty else { throw .noPackageManager(root: root) }
        return present
    }

    private static func stamp(of sources: [any UpdateSource]) -> [FileStamp] {
        sources.flatMap(\.files).map(FileStamp.init)
    }
}

/// What tells one state of a file from another.
private struct FileStamp: Equatable {
    private let path: String
    private let values: [Int]

    init(_ path: String) {
        self.path = path
        var status = stat()
        guard stat(path, &status) == 0 else {
            values = []
            return
        }
        values = [
            Int(bitPattern: UInt(status.st_dev)), Int(bitPattern: UInt(status.st_ino)), Int(status.st_size),
            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ]
    }
}
