/// The cluster's traffic is let in: by the host's firewall manager where one runs, else by a table of our own.
struct FirewallStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        switch try await session.firewallWay() {
        case .none: return []
        case .unit:
            return [
                Finding(
                    "firewall", .ready, "the service lets a cluster's traffic in while it runs (table inet clusprep)")
            ]
        case .table:
            return [
                Finding(
                    "firewall", .warning, "the table inet clusprep lasts until the host restarts",
                    remedy:
                        "a service would make it at each start; or put \"clusprep firewall open\" where the host starts"
                )
            ]
        case .manager(let manager):
            var findings: [Finding] = []
            for port in session.ports {
                findings.append(
                    try await manager.lets(in: port, on: session.host)
                        ? Finding("firewall", .ready, "\(manager.rawValue) lets in \(port)")
                        : Finding("firewall", .missing, "\(manager.rawValue) is to let in \(port)"))
            }
            return findings
        }
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        switch try await session.firewallWay() {
        case .none, .unit: return
        case .table:
            try session.note(.openedFirewall)
            try await session.host.openFirewall(
                exporterPort: session.answers.exporterPort, interfaces: session.answers.firewallInterfaces)
            session.tell("opened the firewall (table inet clusprep)")
        case .manager(let manager):
            for port in session.ports where try await !manager.lets(in: port, on: session.host) {
                try await allow(port, by: manager, &session)
                session.tell("\(manager.rawValue) lets in \(port)")
            }
        }
    }
}

extension FirewallStep {
    private func allow<Host: SetupHost>(
        _ port: String, by manager: FirewallManager, _ session: inout SetupSession<Host>
    ) async throws(SetupError) {
        // One that somebody told it for good stays when the set-up is undone.
        let change = SetupRecord.Change.allowedPort(manager: manager, port: port)
        if try await !manager.remembers(port, on: session.host) { try session.note(change) }
        do throws(SetupError) {
            try await manager.allow(port, on: session.host)
        } catch {
            let isUnknown = (try? await manager.remembers(port, on: session.host)) == false
            if isUnknown { session.retract(change) }
            throw error
        }
    }
}

/// By whom the firewall is opened.
enum FirewallWay: Equatable {
    /// By nobody.
    case none
    /// By the service, each time it starts.
    case unit
    /// By us, now.
    case table
    /// By the host's manager.
    case manager(FirewallManager)
}

extension SetupSession {
    func firewallWay() async throws(SetupError) -> FirewallWay {
        guard answers.firewall == .open else { return .none }
        if let manager = try await FirewallManager.running(on: host) { return .manager(manager) }
        return answers.service && host.program("systemctl") != nil ? .unit : .table
    }

    /// What a cluster sends to a node; docs/firewall.md says which is for what.
    var ports: [String] {
        ["3343/udp", "3343/tcp", "445/tcp", "\(answers.endpointMapperPort)/tcp", "\(answers.exporterPort)/tcp"]
    }
}

extension FirewallManager {
    /// The manager that runs on a host.
    static func running(on host: some SetupHost) async throws(SetupError) -> FirewallManager? {
        for manager in allCases where try await manager.isRunning(on: host) { return manager }
        return nil
    }

    /// The program by which it is asked and told.
    var program: String { self == .firewalld ? "firewall-cmd" : "ufw" }

    /// Whether it manages the host's firewall now.
    func isRunning(on host: some SetupHost) async throws(SetupError) -> Bool {
        guard host.program(program) != nil else { return false }
        return switch self {
        case .firewalld: try await host.run(program, ["--state"]).status == 0
        case .ufw: try await host.run(program, ["status"]).output.hasPrefix("Status: active")
        }
    }

    /// Whether it lets in a port, now and after a restart. It has to run.
    func lets(in port: String, on host: some SetupHost) async throws(SetupError) -> Bool {
        guard try await remembers(port, on: host) else { return false }
        guard self == .firewalld else { return true }
        // It has two sets of rules, and is told each by itself.
        return try await host.run(program, ["--query-port=\(port)"]).status == 0
    }

    /// Whether it was told for good to let in a port. It has to run.
    func remembers(_ port: String, on host: some SetupHost) async throws(SetupError) -> Bool {
        switch self {
        case .firewalld:
            return try await host.run("firewall-cmd", ["--permanent", "--query-port=\(port)"]).status == 0
        case .ufw:
            // "3343/udp                   ALLOW       Anywhere", behind some lines of headings.
            return try await host.run("ufw", ["status"]).output.split(separator: "\n").contains { line in
                let words = line.split(separator: " ")
                return words.count >= 3 && words[0] == port && words[1] == "ALLOW" && words[2] == "Anywhere"
            }
        }
    }

    func allow(_ port: String, on host: some SetupHost) async throws(SetupError) {
        switch self {
        case .firewalld:
            try await change(host, ["--permanent", "--add-port=\(port)"], ["--add-port=\(port)"])
        case .ufw: try await change(host, ["allow", port, "comment", "clusprep"])
        }
    }

    func withdraw(_ port: String, on host: some SetupHost) async throws(SetupError) {
        switch self {
        case .firewalld:
            try await change(host, ["--permanent", "--remove-port=\(port)"], ["--remove-port=\(port)"])
        case .ufw: try await change(host, ["delete", "allow", port])
        }
    }

    private func change(_ host: some SetupHost, _ commands: [String]...) async throws(SetupError) {
        for arguments in commands {
            let result = try await host.run(program, arguments)
            guard result.status == 0 else {
                throw .program(command: ([program] + arguments).joined(separator: " "), reason: result.words)
            }
        }
    }
}
