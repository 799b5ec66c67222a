import Reservations

/// Asks a person what a node is to be, one thing at a time, with what the host suggests.
public struct SetupWizard<Host: SetupHost, Dialogue: SetupDialogue> {
    private let host: Host
    private let dialogue: Dialogue
    private let questions: Questions<Dialogue>

    /// A wizard for a host.
    public init(host: Host, dialogue: Dialogue) {
        self.host = host
        self.dialogue = dialogue
        questions = Questions(dialogue: dialogue)
    }

    /// Asks everything.
    ///
    /// - Parameter before: what was answered last time; it is what an empty line means.
    /// - Returns: the answers, and the passwords of the users that are to be added, by their names.
    /// - Throws: ``SetupError/noAnswer(question:)``.
    public func ask(
        before: SetupAnswers = SetupAnswers()
    ) async throws(SetupError) -> (answers: SetupAnswers, passwords: [String: String]) {
        var answers = before
        dialogue.say("An empty line takes what stands in brackets. Nothing is changed before you say so at the end.\n")
        try askNames(&answers)
        let passwords = try await askUsers(&answers)
        try askKeytab(&answers)
        try await askDisks(&answers)
        if host.program("smbd") != nil {
            answers.fileShares = try questions.confirm(
                "Serve the tests of file sharing, with Samba?", usual: before.fileShares)
        }
        answers.firewall =
            try questions.confirm("Let a cluster's traffic through the firewall?", usual: before.firewall == .open)
            ? .open : .leave
        if host.program("systemctl") != nil {
            answers.service = try questions.confirm("Start the node now, and with the host?", usual: before.service)
        } else {
            answers.service = false
        }
        try answers.check()
        return (answers, passwords)
    }

    private func askNames(_ answers: inout SetupAnswers) throws(SetupError) {
        let usual = answers.fullName(onHost: host.name)
        let fqdn = try questions.ask("The node's full name", usual: usual) {
            text throws(SetupError) in
            var trial = SetupAnswers()
            trial.users = [.init(name: "any")]
            trial.fqdn = text
            trial.nodeName = String(text.prefix { $0 != "." }.prefix(15))
            try trial.check()
            return text
        }
        // What the host says anyway need not be written down: a new name would be another one.
        answers.fqdn = fqdn == host.name ? nil : fqdn
        // The short name goes with the full one: what was answered for another one is not this one's.
        if fqdn != usual { answers.nodeName = nil }
        let label = fqdn.prefix { $0 != "." }
        if answers.nodeName == nil, answers.fqdn != nil || label.count > 15 {
            answers.nodeName = String(label.prefix(15))
        }
        answers.listen = try questions.ask(
            "Addresses to listen on, with spaces between", usual: answers.listen.joined(separator: " ")
        ) { text throws(SetupError) in
            let addresses = text.split(separator: " ").map(String.init)
            try SetupAnswers.check(listen: addresses)
            return addresses
        }
    }

    private func askUsers(_ answers: inout SetupAnswers) async throws(SetupError) -> [String: String] {
        let present = try await host.users(stateFolder: answers.stateFolder)
        if !present.isEmpty { dialogue.say("Users of this node: \(present.joined(separator: ", "))") }
        let usual = answers.users.first?.name ?? present.first ?? "administrator"
        let name = try questions.ask("The user who administers the node", usual: usual) { text throws(SetupError) in
            try SetupAnswers.check(userName: text)
            return text
        }
        var users = answers.users.filter { $0.name.uppercased() != name.uppercased() }
        users.insert(.init(name: name), at: 0)
        answers.users = users
        guard !present.contains(where: { $0.uppercased() == name.uppercased() }) else { return [:] }
        return [name: try dialogue.password(for: name)]
    }

    private func askKeytab(_ answers: inout SetupAnswers) throws(SetupError) {
        let fqdn = answers.fullName(onHost: host.name)
        guard
            try questions.confirm(
                "Is there a keytab, so that users of a domain can log on by Kerberos?", usual: answers.keytab != nil)
        else {
            (answers.keytab, answers.kerberosAdministrators) = (nil, [])
            return
        }
        let keytab = try questions.ask("The keytab", usual: answers.keytab ?? "/etc/krb5.keytab") {
            text throws(SetupError) in
            if let problem = host.keytabProblem(path: text, fqdn: fqdn) {
                throw SetupError.badAnswer("keytab", reason: problem)
            }
            return text
        }
        answers.keytab = keytab
        answers.kerberosAdministrators = try questions.ask(
            "Principals who administer the node, such as alice@EXAMPLE.COM, with spaces between",
            usual: answers.kerberosAdministrators.joined(separator: " ")
        ) { text throws(SetupError) in
            let principals = text.split(separator: " ").map(String.init)
            for principal in principals where !principal.contains("@") {
                throw SetupError.badAnswer("kerberosAdministrators", reason: "\"\(principal)\" has no realm")
            }
            return principals
        }
    }

    // MARK: Disks

    private func askDisks(_ answers: inout SetupAnswers) async throws(SetupError) {
        let portals = try questions.ask("iSCSI portals to look behind, with spaces between", usual: "none") {
            text throws(SetupError) in
            guard text != "none" else { return [ISCSIPortal]() }
            var portals: [ISCSIPortal] = []
            for word in text.split(separator: " ") {
                do {
                    portals.append(try ISCSIPortal(parsing: String(word)))
                } catch {
                    throw SetupError.badAnswer("portals", reason: "\(error)")
                }
            }
            return portals
        }
        let (found, problems) = await host.disks(behind: portals, credentials: answers.iscsiCredentials)
        problems.forEach { dialogue.say("  \($0)") }
        // What was chosen before is offered again, also where it does not answer now.
        let chosen = answers.disks.filter { name in !found.contains { $0.target == name } }
        let usable = found.filter(\.isUsable)
        let offered = usable.map(\.target) + chosen
        for disk in found where !disk.isUsable {
            let reasons = disk.obstacles + (disk.problem.map { [$0] } ?? [])
            dialogue.say("  \(disk.target) is no candidate: \(reasons.joined(separator: "; "))")
        }
        for (number, name) in offered.enumerated() {
            let disk = usable.first { $0.target == name }
            let size = disk?.size.map { ", \($0 >> 20) MiB" } ?? ""
            dialogue.say("  \(number + 1)  \(name)\(disk.map { "  \($0.name)" } ?? "")\(size)")
        }
        let usual = answers.disks.map { name in offered.firstIndex(of: name).map { "\($0 + 1)" } ?? name }
        answers.disks = try questions.ask(
            "Shared disks, by number or by name (image, device, iscsi://…), with spaces between",
            usual: usual.isEmpty ? "none" : usual.joined(separator: " ")
        ) { text throws(SetupError) in
            guard text != "none" else { return [] }
            var trial = SetupAnswers()
            for word in text.split(separator: " ") {
                let number = Int(word)
                if let number, !offered.indices.contains(number - 1) {
                    throw .badAnswer("disks", reason: "there is no number \(number)")
                }
                let name = number.map { offered[$0 - 1] } ?? String(word)
                if found.contains(where: { $0.target == name && $0.isProtected }) {
                    throw .badAnswer("disks", reason: "this host lives on \(name)")
                }
                trial.disks.append(name)
            }
            return try trial.targets.map(\.description)
        }
        answers.localDisks = try questions.confirm(
            "Show clients this host's other disks, too? Those it lives on can only be read", usual: answers.localDisks)
    }
}
