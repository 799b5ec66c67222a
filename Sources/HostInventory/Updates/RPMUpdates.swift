import Glibc
import Reservations

/// The packages of rpm (Red Hat, SUSE and their like), asked through rpm itself.
///
/// librpm has a new name with each of its versions, keeps its state in globals and may end the process over a damaged database; the
/// program has had the same options for decades. rpm keeps no record of what a package took the place of.
struct RPMUpdates: UpdateSource {
    /// Where distributions have the database, and the names that its kinds have (rpm 4.16 and later, and before).
    private static let folders = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"]
    private static let names = ["rpmdb.sqlite", "Packages.db", "Packages"]
    private static let programs = ["/usr/bin/rpm", "/bin/rpm"]
    /// What rpm may print: thousands of packages with a changelog's entry each.
    private static let outputLimit = 128 << 20
    private static let seconds = 120

    private let host: HostFiles
    private let programs: [String]

    init(files: HostFiles, programs: [String] = Self.programs) {
        host = files
        self.programs = programs
    }

    var isPresent: Bool {
        database != nil
    }

    var files: [String] {
        guard let database else { return [] }
        // SQLite's journal holds what is not in the database yet.
        return [database.file, database.file + "-wal"]
    }

    func count() throws(HostUpdatesError) -> Int {
        try query([.name]).count
    }

    func updates() throws(HostUpdatesError) -> [HostUpdate] {
        let helpDesk = OSRelease(files: host).supportURL
        return try query(RPMField.allCases).map { fields in
            var advisories = Advisories()
            advisories.add(fields[.change].utf8)
            let homepage = fields[.bugURL].isEmpty ? fields[.url] : fields[.bugURL]
            return HostUpdate(
                id: fields.id, title: "\(fields[.name]) \(fields.version)",
                description: HostUpdate.description(summary: fields[.summary], changes: fields[.change]),
                supportURL: homepage.isEmpty ? helpDesk : homepage,
                articleIDs: advisories.vulnerabilities, bulletinIDs: advisories.bulletins)
        }.sorted { $0.id < $1.id }
    }

    private var database: (folder: String, file: String)? {
        for folder in Self.folders {
            for name in Self.names where host.exists("\(folder)/\(name)") {
                return (host.root + folder, "\(host.root)\(folder)/\(name)")
            }
        }
        return nil
    }

    /// The packages; the keys that rpm keeps as packages are none.
    private func query(_ fields: [RPMField]) throws(HostUpdatesError) -> [RPMFields] {
        guard let database else { return [] }
        let program = programs.first { access($0, X_OK) == 0 } ?? programs[0]
        let output = try ProgramOutput.of(
            program,
            ["--dbpath", database.folder, "--query", "--all", "--queryformat", RPMField.format(of: fields)],
            limit: Self.outputLimit, seconds: Self.seconds)
        guard !output.isCut else { throw .failed(program: program, reason: "it printed more than 128 MiB") }
        return try RPMFields.parse(output.octets, fields: fields, program: program)
            .filter { $0[.name] != "gpg-pubkey" }
    }
}
