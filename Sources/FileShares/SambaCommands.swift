import Foundation
import Security

/// Samba's own tools: `net usershare`, `pdbedit` and `smbcontrol`, which come with every smbd.
struct SambaCommands: Sendable {
    /// smb.conf's path; nil for Samba's own choice.
    var configuration: String?
    /// Where programs are looked for, as in PATH.
    var searchPath: String
    /// How long one command may take.
    var timeout: Duration

    private static let remedy = "install Samba (Debian: apt-get install samba)"

    // MARK: The share

    /// Adds a usershare that one Unix account alone may read. smbd learns of it by itself.
    ///
    /// The account goes by the SID that Samba gives every Unix user, S-1-22-1-<uid>, because names would need winbind.
    func addShare(_ name: String, folder: String, user: uid_t) async throws {
        try await addShare(name, folder: folder, comment: "clusprep test", readers: ["S-1-22-1-\(user)"])
    }

    /// Adds a usershare that these security identifiers may read.
    func addShare(_ name: String, folder: String, comment: String, readers: [String]) async throws {
        let list = readers.map { $0 + ":R" }.joined(separator: ",")
        try await succeed("net", ["usershare", "add", name, folder, comment, list, "guest_ok=n"])
    }

    /// Root, the daemon's own user, the members of a Unix group (S-1-22-2-<gid>), and BUILTIN\Administrators, which are the domain's
    /// where the host is a member of one.
    static func administrators(group: gid_t) -> [String] {
        var users = ["S-1-22-1-0"]
        if geteuid() != 0 { users.append("S-1-22-1-\(geteuid())") }
        return users + ["S-1-22-2-\(group)", "S-1-5-32-544"]
    }

    /// The folder that a usershare shows; nil where there is no such share.
    func folder(ofShare name: String) async throws -> String? {
        let result = try await run("net", ["usershare", "info", name])
        let lines = result.output.split(separator: "\n")
        guard result.status == 0, lines.contains("[\(name)]") else { return nil }
        return lines.first { $0.hasPrefix("path=") }.map { String($0.dropFirst(5)) }
    }

    /// Removes a usershare and ends the connections to it; one that is not there is gone already.
    func removeShare(_ name: String) async throws {
        let result = try await run("net", ["usershare", "delete", name])
        if result.status != 0 {
            let list = try await run("net", ["usershare", "list", name])
            guard list.status == 0, !list.output.split(separator: "\n").contains(Substring(name)) else {
                throw failure("net usershare delete", result)
            }
        }
        // Where no smbd runs there is nobody to tell, and nobody connected.
        _ = try await run("smbcontrol", ["smbd", "close-share", name])
    }

    // MARK: The account

    /// Whether Samba knows the account.
    func hasAccount(_ name: String) async throws -> Bool {
        try await run("pdbedit", ["-L", "-u", name]).status == 0
    }

    /// Gives a Unix account a password in Samba.
    func addAccount(_ name: String, password: SecretBytes) async throws {
        let line = password.bytes + [UInt8(ascii: "\n")]
        try await succeed("pdbedit", ["-a", "-t", "-u", name], input: line + line)
    }

    /// Takes the account out of Samba; one that is not there is gone already.
    func removeAccount(_ name: String) async throws {
        let result = try await run("pdbedit", ["-x", "-u", name])
        if result.status != 0, try await hasAccount(name) { throw failure("pdbedit -x", result) }
    }

    // MARK: Running them

    /// Sees whether everything is there, smbd included.
    func checkInstalled() throws(FileShareError) {
        for program in ["smbd", "net", "pdbedit", "smbcontrol"] { _ = try find(program) }
    }

    private func find(_ program: String) throws(FileShareError) -> String {
        for folder in searchPath.split(separator: ":") where folder.hasPrefix("/") {
            let path = "\(folder)/\(program)"
            if access(path, X_OK) == 0 { return path }
        }
        throw .notInstalled(program: program, remedy: Self.remedy)
    }

    private func succeed(_ program: String, _ arguments: [String], input: [UInt8] = []) async throws {
        let result = try await run(program, arguments, input: input)
        if result.status != 0 { throw failure(([program] + arguments.prefix(2)).joined(separator: " "), result) }
    }

    private func run(
        _ program: String, _ arguments: [String], input: [UInt8] = []
    ) async throws -> ProgramRun.Result {
        let path = try find(program)
        let choice = configuration.map { ["-s", $0] } ?? []
        do {
            return try await ProgramRun.run(
                path, choice + arguments, environment: ["PATH": searchPath, "LC_ALL": "C"], input: input,
                timeout: timeout)
        } catch ProgramRun.Failure.timedOut {
            throw FileShareError.commandTimedOut(command: path)
        } catch ProgramRun.Failure.notStarted(let error) {
            throw FileShareError.commandFailed(command: path, reason: String(cString: strerror(error)))
        }
    }

    private func failure(_ command: String, _ result: ProgramRun.Result) -> FileShareError {
        let words = (result.errors + result.output).split(separator: "\n").map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        let status = result.status.map { "status \($0)" } ?? "a signal"
        return .commandFailed(command: command, reason: ([status] + words.suffix(5)).joined(separator: "; "))
    }
}
