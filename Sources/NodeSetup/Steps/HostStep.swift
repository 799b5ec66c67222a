import Foundation

/// What the host itself has to be.
struct HostStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        let (host, answers) = (session.host, session.answers)
        guard host.isAdministrator else {
            return [Finding("host", .blocked, "only root sets up a node", remedy: "sudo clusprep setup")]
        }
        var findings = [name(session)]
        if let problem = host.cryptographyProblem() {
            findings.append(
                Finding(
                    "cryptography", .blocked, "NTLM cannot be served: \(problem)",
                    remedy: "install OpenSSL's legacy provider (Debian: apt-get install libssl3)"))
        }
        if try host.status(of: session.paths.daemon) == nil {
            findings.append(
                Finding(
                    "daemon", .blocked, "there is no program \(session.paths.daemon)",
                    remedy: "install clusprepd beside clusprep, or name it with --clusprepd"))
        } else if let finding = try await unfit(session) {
            findings.append(finding)
        }
        // The node's own daemon is not in its way.
        let isRunning = try await session.isServiceActive
        let own = try session.servedPorts
        for address in answers.listen {
            for port in [answers.endpointMapperPort, answers.exporterPort] {
                let isOwn = isRunning && own?.contains(port) ?? true
                findings.append(listening(on: address, port, host, isRunning: isOwn))
            }
        }
        if answers.keytab != nil, host.hasServiceManager, host.program("timedatectl") != nil {
            let answer = try await host.run("timedatectl", ["show", "--property=NTPSynchronized", "--value"])
            if answer.status == 0, answer.output.hasPrefix("no") {
                findings.append(
                    Finding(
                        "clock", .warning, "the clock is not synchronised; Kerberos allows five minutes of difference",
                        remedy: "timedatectl set-ntp true"))
            }
        }
        return findings
    }

    /// Says that the unit could not run the programs.
    private func unfit<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> Finding? {
        let (host, paths) = (session.host, session.paths)
        guard session.answers.service, host.program("systemctl") != nil else { return nil }
        // A package's unit names the package's program.
        let isPackaged = try host.status(of: paths.packagedUnit) != nil
        var programs = isPackaged ? [] : [paths.daemon]
        if try await session.firewallWay() == .unit { programs.append(paths.tool) }
        if let program = programs.first(where: { !ServiceUnit.isWord($0) }) {
            return Finding(
                "daemon", .blocked, "a unit cannot name \(program)",
                remedy: "put it where the path has no spaces, quotes, \"%\", \"$\" or \";\"")
        }
        guard !isPackaged, var finding = session.hidden(paths.daemon, "daemon") else { return nil }
        finding.remedy =
            "install the package; or build with --static-swift-stdlib, copy clusprep, clusprepd and clusprep-smb-probe to "
            + "/usr/local/sbin, and use those"
        return finding
    }

    private func name<Host: SetupHost>(_ session: SetupSession<Host>) -> Finding {
        let name = session.answers.nodeName ?? String(session.host.name.prefix { $0 != "." })
        guard (1...15).contains(name.utf8.count) else {
            return Finding(
                "name", .blocked, "\"\(name)\" has more than the 15 characters of a node's name",
                remedy: "answer nodeName, or give the host a shorter name")
        }
        return Finding("name", .ready, "\(name), in full \(session.fqdn)")
    }

    private func listening(
        on address: String, _ port: Int, _ host: some SetupHost, isRunning: Bool
    ) -> Finding {
        let place = "\(address) port \(port)"
        switch host.canListen(address: address, port: port) {
        case .free: return Finding("listen", .ready, "\(place) is free")
        case .inUse where isRunning: return Finding("listen", .ready, "\(place) is in use while clusprepd runs")
        case .inUse:
            return Finding(
                "listen", .blocked, "another program listens on \(place)",
                remedy: "stop it (\"ss -ltnp sport = :\(port)\" names it), or answer other addresses or ports")
        case .foreignAddress:
            return Finding("listen", .blocked, "\(address) is none of this host's addresses", remedy: "answer listen")
        case .refused(let reason):
            return Finding("listen", .blocked, "one cannot listen on \(place): \(reason)", remedy: "answer listen")
        }
    }
}

extension SetupSession {
    /// The ports that a daemon which runs has, by its configuration; nil where nobody knows.
    fileprivate var servedPorts: [Int]? {
        get throws(SetupError) {
            // One that has not read its file yet has other ports than that says.
            guard !needsRestart, let octets = try host.contents(of: paths.configuration),
                let ports = try? JSONDecoder().decode(ServedPorts.self, from: Data(octets)),
                let endpointMapperPort = ports.endpointMapperPort, let exporterPort = ports.exporterPort,
                exporterPort != 0
            else { return nil }
            return [endpointMapperPort, exporterPort]
        }
    }
}

/// What of the daemon's configuration says where it listens.
private struct ServedPorts: Decodable {
    var endpointMapperPort: Int?
    var exporterPort: Int?
}
