import Foundation

/// A set-up at work: the host, the answers, and the record of what was changed.
public struct SetupSession<Host: SetupHost> {
    /// The host.
    let host: Host
    /// Where everything is.
    let paths: SetupPaths
    /// What is asked for.
    let answers: SetupAnswers
    /// What was changed by this set-up and by those before.
    private(set) var record: SetupRecord
    /// The passwords that a person typed, by the user's name.
    let passwords: [String: String]
    /// Told what was done, a line at a time.
    let tell: (String) -> Void

    init(
        host: Host, paths: SetupPaths, answers: SetupAnswers, record: SetupRecord, passwords: [String: String],
        tell: @escaping (String) -> Void
    ) {
        self.host = host
        self.paths = paths
        self.answers = answers
        self.record = record
        self.record.answers = answers
        self.passwords = passwords
        self.tell = tell
    }

    /// The node's full name.
    var fqdn: String { answers.fullName(onHost: host.name) }

    /// Writes down a change that is about to be made.
    mutating func note(_ change: SetupRecord.Change) throws(SetupError) {
        guard !record.changes.contains(change) else { return }
        record.changes.append(change)
        try record.write(at: paths, on: host)
    }

    /// Whether the daemon has not read everything yet, because of this set-up or of one that did not come to its end.
    var needsRestart: Bool { record.needsRestart == true }

    /// Writes down that the daemon will have something to read, before it is there.
    private mutating func requireRestart() throws(SetupError) {
        guard !needsRestart else { return }
        record.needsRestart = true
        try record.write(at: paths, on: host)
    }

    /// Writes down that the daemon has read everything.
    mutating func didRestart() throws(SetupError) {
        guard needsRestart else { return }
        record.needsRestart = nil
        try record.write(at: paths, on: host)
    }

    /// Takes a change that was undone off the record.
    mutating func forget(_ change: SetupRecord.Change) throws(SetupError) {
        record.changes.removeAll { $0 == change }
        try record.write(at: paths, on: host)
    }

    /// Takes a change off the record that is known not to have been made: undoing would take what somebody makes in its place.
    mutating func retract(_ change: SetupRecord.Change) {
        // Where this cannot be written either, it stays on the host as it was noted.
        try? forget(change)
    }

    /// Whether nothing lies at a path; false where the host does not tell.
    func isAbsent(_ path: String) -> Bool {
        do { return try host.status(of: path) == nil } catch { return false }
    }

    /// Keeps the record, with answers that may have changed.
    func keepRecord() throws(SetupError) {
        try record.write(at: paths, on: host)
    }

    /// Makes a folder where there is none, those above it too.
    mutating func ensureFolder(_ path: String, mode: UInt32) throws(SetupError) {
        guard try host.status(of: path) == nil else { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try ensureFolder(String(path[..<slash]), mode: 0o755)
        }
        try make(.madeFolder(path: path), at: path, mode: mode)
    }

    /// Makes one folder, and has it on record.
    mutating func make(_ change: SetupRecord.Change, at path: String, mode: UInt32) throws(SetupError) {
        try note(change)
        do throws(SetupError) {
            try host.makeFolder(path, mode: mode)
        } catch {
            if isAbsent(path) { retract(change) }
            throw error
        }
        tell("made \(path)")
    }

    /// Puts a file in place, unless it is there already.
    ///
    /// What somebody else wrote is kept in the record, and comes back when the set-up is undone.
    mutating func ensureFile(_ path: String, _ contents: [UInt8], mode: UInt32) throws(SetupError) {
        let present = try host.contents(of: path)
        guard present != contents else { return }
        try requireRestart()
        let digest = try SetupRecord.digest(of: contents)
        if let present {
            let presentDigest = try SetupRecord.digest(of: present)
            if let index = record.changes.lastIndex(where: { $0.file?.path == path && $0.file?.digest == presentDigest }
            ) {
                // Ours, from before: what it replaced then is still what comes back. Both stand in the record until the new one is
                // in place, and in the place of the old one: the service is stopped before its files go.
                record.changes.insert(record.changes[index].with(digest: digest), at: index + 1)
                try record.write(at: paths, on: host)
            } else {
                let mode = try host.status(of: path)?.mode ?? 0o600
                try note(.replacedFile(path: path, digest: digest, before: Data(present), mode: mode))
            }
        } else {
            try note(.madeFile(path: path, digest: digest))
        }
        try host.write(contents, to: path, mode: mode)
        record.changes.removeAll { $0.file?.path == path && $0.file?.digest != digest }
        try record.write(at: paths, on: host)
        tell("wrote \(path)")
    }

    /// Runs a program that has to succeed.
    @discardableResult
    func succeed(_ program: String, _ arguments: [String]) async throws(SetupError) -> String {
        let result = try await host.run(program, arguments)
        guard result.status == 0 else {
            throw .program(command: ([program] + arguments).joined(separator: " "), reason: result.words)
        }
        return result.output
    }
}

extension ProgramResult {
    /// How it failed, in its own words.
    var words: String {
        let lines = (errors + output).split(separator: "\n").map(String.init)
        return ([status.map { "status \($0)" } ?? "a signal"] + lines.suffix(5)).joined(separator: "; ")
    }
}

extension SetupRecord.Change {
    /// The file and what we wrote into it.
    var file: (path: String, digest: String)? {
        switch self {
        case .madeFile(let path, let digest): (path, digest)
        case .replacedFile(let path, let digest, _, _): (path, digest)
        default: nil
        }
    }

    /// Whether it made the service what it is: it was enabled, or something was put where systemd looks.
    func isService(at paths: SetupPaths) -> Bool {
        switch self {
        case .enabledService: true
        case .madeFolder(let path), .madeFile(let path, _), .replacedFile(let path, _, _, _):
            path.hasPrefix(paths.unitFolder + "/")
        default: false
        }
    }

    func with(digest: String) -> SetupRecord.Change {
        switch self {
        case .madeFile(let path, _): .madeFile(path: path, digest: digest)
        case .replacedFile(let path, _, let before, let mode):
            .replacedFile(path: path, digest: digest, before: before, mode: mode)
        default: self
        }
    }
}
