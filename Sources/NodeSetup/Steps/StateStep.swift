/// The folder of the node's database and keys.
struct StateStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        let folder = session.answers.stateFolder
        if let finding = session.hidden(folder, "state") { return [finding] }
        guard let status = try session.host.status(of: folder) else {
            return [Finding("state", .missing, "\(folder) is to be made")]
        }
        guard status.isFolder, status.mode & 0o002 == 0 else {
            return [
                Finding(
                    "state", .blocked, "\(folder) is no folder, or one that everybody writes to",
                    remedy: "answer another stateFolder")
            ]
        }
        guard status.owner == 0 else {
            return [
                Finding(
                    "state", .blocked, "\(folder) is not root's: its owner could change the node's users and keys",
                    remedy: "answer another stateFolder; or chown --recursive root: \(folder)")
            ]
        }
        // The node closes its folder to others; one that is not its own by now would be closed to those who use it.
        let database = try session.host.status(of: folder + "/cluster.db")
        guard status.mode & 0o077 == 0 || database != nil else {
            return [
                Finding(
                    "state", .blocked, "others can look into \(folder), and it is no node's state folder so far",
                    remedy: "answer one that is not there yet; or, if nobody else uses it: chmod 700 \(folder)")
            ]
        }
        return [Finding("state", .ready, "\(folder) is there")]
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        let folder = session.answers.stateFolder
        guard try session.host.status(of: folder) == nil else { return }
        if let slash = folder.lastIndex(of: "/"), slash != folder.startIndex {
            try session.ensureFolder(String(folder[..<slash]), mode: 0o755)
        }
        try session.make(.madeStateFolder(path: folder), at: folder, mode: 0o700)
    }
}
