import Glibc
import Reservations

/// The packages of dpkg (Debian, Ubuntu and their like), with what dpkg's and apt's logs and the packages' changelogs tell.
struct DpkgUpdates: UpdateSource {
    private static let folder = "/var/lib/dpkg"
    /// A hundred thousand packages.
    private static let statusLimit = 128 << 20
    /// Logs are rotated monthly; a log without rotation is read from its start as far as this.
    private static let logLimit = 32 << 20
    /// How far changelogs are read; what a package was long before this host got it is of no use.
    private static let changelogLimit = 1 << 20

    private let host: HostFiles

    init(files: HostFiles) {
        host = files
    }

    var isPresent: Bool {
        host.exists(Self.folder + "/status")
    }

    var files: [String] {
        ([Self.folder + "/status", Self.folder + "/updates"] + journal + logs.dpkg + logs.apt).map { host.root + $0 }
    }

    func count() throws(HostUpdatesError) -> Int {
        try packages().count
    }

    func updates() throws(HostUpdatesError) -> [HostUpdate] {
        let packages = try packages()
        let history = self.history()
        let helpDesk = OSRelease(files: host).supportURL
        // The packages that are built of one source share its changelog; what is kept of it is short.
        var changes: [[String]: Change] = [:]
        return packages.map { package in
            let superseded = history.superseded(by: package)
            // Where the package's version is not its source's, the source's changelog knows none of the package's.
            let previous = package.sharesVersions ? superseded.first : nil
            let key = [
                package.source.isEmpty ? package.name : package.source, package.changelogVersion, previous ?? "",
            ]
            let change = changes[key] ?? Change(changelog(of: package), since: previous)
            if !change.text.isEmpty { changes[key] = change }
            return HostUpdate(
                id: package.id(at: package.version), title: "\(package.name) \(package.version)",
                description: HostUpdate.description(summary: package.synopsis, changes: change.text),
                supportURL: package.homepage.isEmpty ? helpDesk : package.homepage,
                articleIDs: change.advisories.vulnerabilities, bulletinIDs: change.advisories.bulletins,
                supersededIDs: superseded.map(package.id))
        }
    }

    /// What an update changed.
    private struct Change {
        var text: String
        var advisories: Advisories

        init(_ changelog: DebianChangelog, since previous: String?) {
            text = changelog.newestChange
            advisories = DebianChangelog.advisories(in: changelog.entries(since: previous))
        }
    }

    // MARK: The database

    /// The changes that dpkg has not yet written into the database itself, in order: files whose names are numbers.
    private var journal: [String] {
        host.names(Self.folder + "/updates").filter { $0.allSatisfy(\.isNumber) }.map { Self.folder + "/updates/" + $0 }
    }

    /// The installed packages by name.
    private func packages() throws(HostUpdatesError) -> [DpkgPackage] {
        var packages: [String: DpkgPackage] = [:]
        for file in [Self.folder + "/status"] + journal {
            let path = host.root + file
            let octets: [UInt8]
            do {
                octets = try WholeFile.octets(path, limit: Self.statusLimit)
            } catch .unreadable(_, ENOENT) where file != Self.folder + "/status" {
                // dpkg has just written it into the database.
                continue
            }
            for package in try DpkgStatus.packages(in: octets, source: path) {
                packages["\(package.name):\(package.architecture)"] = package
            }
        }
        return packages.values.filter(\.isInstalled)
            .sorted { ($0.name, $0.architecture) < ($1.name, $1.architecture) }
    }

    // MARK: What was before

    private var logs: (dpkg: [String], apt: [String]) {
        func rotations(of name: String, in folder: String) -> [String] {
            host.names(folder).filter { $0 == name || $0.hasPrefix(name + ".") }.map { folder + "/" + $0 }
        }
        return (rotations(of: "dpkg.log", in: "/var/log"), rotations(of: "history.log", in: "/var/log/apt"))
    }

    private func history() -> DpkgHistory {
        var history = DpkgHistory()
        for path in logs.dpkg {
            if let octets = text(path, limit: Self.logLimit) { history.add(dpkgLog: octets) }
        }
        for path in logs.apt {
            if let octets = text(path, limit: Self.logLimit) { history.add(aptHistory: octets) }
        }
        return history
    }

    // MARK: Changelogs

    private func changelog(of package: DpkgPackage) -> DebianChangelog {
        let folder = "/usr/share/doc/" + package.name
        // A package of Debian's own has but one changelog, and one built again on one architecture has another before it
        // (Debian Policy, 12.7).
        let names = [
            "changelog.Debian.gz", "changelog.Debian", "changelog.Debian.\(package.architecture).gz", "changelog.gz",
            "changelog",
        ]
        // The name comes from the database; it must not lead elsewhere.
        guard !package.name.contains("/"), !package.name.hasPrefix(".") else { return DebianChangelog([]) }
        for name in names where host.exists("\(folder)/\(name)") {
            guard let octets = text("\(folder)/\(name)", limit: Self.changelogLimit) else { continue }
            let changelog = DebianChangelog(octets)
            if !changelog.entries.isEmpty { return changelog }
        }
        return DebianChangelog([])
    }

    /// The start of a file, unpacked if it is packed; nil where that does not succeed.
    ///
    /// gzip is an essential package of every Debian: nothing more needs to be linked for it.
    private func text(_ path: String, limit: Int) -> [UInt8]? {
        let path = host.root + path
        if path.hasSuffix(".gz") {
            // A damaged file is of no use, and no reason not to tell of the others.
            return try? ProgramOutput.of("/usr/bin/gzip", ["-dc", "--", path], limit: limit, seconds: 30).octets
        }
        return try? WholeFile.start(of: path, limit: limit)
    }
}

extension DpkgPackage {
    /// The version without the number of a rebuild (deb-version(7) knows nothing of it; it is what the archive appends).
    private var rebuiltVersion: String {
        guard let plus = version.lastIndex(of: "+"), version[plus...].hasPrefix("+b"),
            version[plus...].dropFirst(2).allSatisfy(\.isNumber)
        else { return version }
        return String(version[..<plus])
    }

    /// The version that the source's changelog has for this package.
    fileprivate var changelogVersion: String {
        sourceVersion.isEmpty ? rebuiltVersion : sourceVersion
    }

    /// Whether the package's versions are its source's.
    fileprivate var sharesVersions: Bool {
        changelogVersion == rebuiltVersion
    }
}
