import Foundation
import Testing

@testable import NodeSetup

struct NodeSetupTests {
    private func texts(_ findings: [Finding], _ state: Finding.State) -> [String] {
        findings.filter { $0.state == state }.map(\.text)
    }

    @Test
    func aWholeSetUpAndBack() async throws {
        let host = FakeHost { $0.programs.formUnion(["smbd"]) }
        let before = host.world
        var answers = SetupAnswers.usual
        answers.fileShares = true
        answers.keytab = "/srv/keytab"
        host.change { $0.files["/srv/keytab"] = .init(contents: [5, 2, 0xFF], mode: 0o600) }
        let setup = NodeSetup(host: host, paths: .test)

        #expect(try await texts(setup.inspect(answers), .blocked).isEmpty)
        #expect(host.world.files.count == before.files.count + 1, "an inspection changed something")
        try await setup.run(answers) { _ in }

        let world = host.world
        #expect(world.folders["/etc/clusprep"] == 0o700 && world.folders["/var/lib/clusprep"] == 0o700)
        #expect(world.users["/var/lib/clusprep"] == ["admin"])
        #expect(world.files["/etc/clusprep/clusprep.keytab"] == .init(contents: [5, 2, 0xFF], mode: 0o600))
        #expect(world.files["/etc/clusprep/clusprepd.json"]?.mode == 0o600)
        #expect(world.accounts.contains("clusprep"))
        #expect(world.enabled && world.active)
        #expect(
            host.text("/etc/systemd/system/clusprepd.service")?.contains("ExecStart=/usr/sbin/clusprepd --config")
                == true)
        let findings = try await setup.inspect(answers)
        #expect(findings.allSatisfy { $0.state == .ready }, "\(findings)")

        #expect(try await setup.remove { _ in })
        var expected = before
        expected.files["/srv/keytab"] = .init(contents: [5, 2, 0xFF], mode: 0o600)
        #expect(host.world == expected)
        await #expect(throws: SetupError.notSetUp(record: "/etc/clusprep/setup.json")) {
            try await setup.remove { _ in }
        }
    }

    @Test
    func twiceChangesNothing() async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        let (world, commands) = (host.world, host.commands)
        try await setup.run(.usual) { _ in }
        #expect(host.world == world)
        // Asking systemd to read its files again changes none.
        #expect(host.commands.dropFirst(commands.count) == ["systemctl daemon-reload"])
    }

    @Test
    func otherAnswersChangeWhatDiffers() async throws {
        let host = FakeHost()
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        var answers = SetupAnswers.usual
        answers.exporterPort = 61999
        try await setup.run(answers) { _ in }
        #expect(host.commands.filter { $0.hasPrefix("systemctl restart") }.count == 2)
        #expect(host.text("/etc/clusprep/clusprepd.json")?.contains("61999") == true)
        #expect(try await setup.remove { _ in })
        #expect(host.world == before)
    }

    /// Whatever moment the power fails at: going on makes the node, and undoing leaves nothing.
    @Test(arguments: [true, false])
    func interruptedAnywhere(goesOn: Bool) async throws {
        var changes = 0
        while true {
            let host = FakeHost {
                $0.programs.formUnion(["smbd", "ufw"]); $0.manager = .ufw; $0.changesLeft = changes
            }
            let before = host.world
            var answers = SetupAnswers.usual
            answers.fileShares = true
            let setup = NodeSetup(host: host, paths: .test)
            let isDone: Bool
            do {
                try await setup.run(answers) { _ in }
                isDone = true
            } catch { isDone = false }
            host.arrange { $0.changesLeft = .max }
            if goesOn {
                try await setup.run(answers) { _ in }
                #expect(try await setup.inspect(answers).allSatisfy { $0.state == .ready }, "after \(changes)")
            }
            if try setup.record() != nil {
                #expect(try await setup.remove { _ in }, "after \(changes)")
            } else {
                host.change { $0.folders["/etc/clusprep"] = nil }
            }
            #expect(host.world == before, "after \(changes)")
            guard !isDone else { break }
            changes += 1
        }
        #expect(changes > 20)
    }

    /// The same of undoing: a second trial ends it.
    @Test
    func interruptedRemoval() async throws {
        var changes = 0
        while true {
            let host = FakeHost { $0.programs.formUnion(["smbd"]) }
            let before = host.world
            var answers = SetupAnswers.usual
            answers.fileShares = true
            let setup = NodeSetup(host: host, paths: .test)
            try await setup.run(answers) { _ in }
            host.arrange { $0.changesLeft = changes }
            let isDone = (try? await setup.remove { _ in }) ?? false
            host.arrange { $0.changesLeft = .max }
            if try setup.record() != nil { #expect(try await setup.remove { _ in }, "after \(changes)") }
            host.change { $0.folders["/etc/clusprep"] = nil }
            #expect(host.world == before, "after \(changes)")
            guard !isDone else { break }
            changes += 1
        }
        #expect(changes > 10)
    }

    @Test
    func whatOthersWroteComesBack() async throws {
        let host = FakeHost()
        host.change { world in
            world.folders["/etc/clusprep"] = 0o755
            world.files["/etc/clusprep/clusprepd.json"] = .init(contents: Array("{}".utf8), mode: 0o640)
            world.folders["/var/lib/clusprep"] = 0o700
            world.users["/var/lib/clusprep"] = ["ADMIN", "other"]
        }
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        #expect(host.world.users["/var/lib/clusprep"] == ["ADMIN", "other"])
        // Not once more at the second trial, when it is ours that is replaced.
        var answers = SetupAnswers.usual
        answers.localDisks = false
        try await setup.run(answers) { _ in }
        #expect(try await setup.remove { _ in })
        #expect(host.world == before)
    }

    @Test
    func whatWasChangedSinceStays() async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        host.change { $0.files["/etc/clusprep/clusprepd.json"]?.contents = Array("{\"listen\": []}".utf8) }
        var told: [String] = []
        #expect(try await setup.remove { told.append($0) })
        #expect(told.contains { $0.contains("clusprepd.json stays: it was changed since") })
        #expect(host.text("/etc/clusprep/clusprepd.json") == "{\"listen\": []}")
        #expect(host.world.folders["/etc/clusprep"] != nil, "the folder went, and the file with it")
    }

    @Test
    func theStateCanBeKept() async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        #expect(try await setup.remove(keepingState: true) { _ in })
        #expect(host.world.users["/var/lib/clusprep"] == ["admin"])
        #expect(host.world.folders["/etc/clusprep"] == nil)
    }

    @Test
    func whatStandsInTheWay() async throws {
        func obstacle(_ arrange: (inout FakeHost.Circumstances) -> Void, _ answers: SetupAnswers = .usual) async
            -> String
        {
            let host = FakeHost(arrange)
            let before = host.world
            do {
                try await NodeSetup(host: host, paths: .test).run(answers) { _ in }
                return "nothing"
            } catch {
                #expect(host.world == before, "something was changed before \(error)")
                return "\(error)"
            }
        }
        #expect(await obstacle { $0.isAdministrator = false }.contains("only root"))
        #expect(await obstacle { $0.trial = .inUse }.contains("another program listens on 0.0.0.0 port 135 (stop it"))
        #expect(await obstacle { $0.trial = .foreignAddress }.contains("none of this host's addresses"))
        #expect(await obstacle { $0.cryptographyProblem = "no legacy provider" }.contains("no legacy provider"))
        var answers = SetupAnswers.usual
        answers.fileShares = true
        #expect(await obstacle({ _ in }, answers).contains("Samba is not installed"))
        answers = .usual
        answers.keytab = "/srv/keytab"
        #expect(await obstacle({ _ in }, answers).contains("there is no keytab /srv/keytab"))
        answers = .usual
        answers.users[0].passwordFile = nil
        #expect(await obstacle({ _ in }, answers).contains("there is no password for admin"))
        answers.users[0].passwordFile = "/usr/sbin/clusprepd"
        #expect(await obstacle({ _ in }, answers).contains("others than its owner can read it"))
        answers = .usual
        answers.nodeName = nil
        answers.stateFolder = "/home/clusprep"
        #expect(await obstacle({ _ in }, answers).contains("where the service cannot look"))
    }

    @Test
    func neverASystemDisk() async throws {
        let host = FakeHost {
            $0.disks = [
                .init(
                    target: "/dev/sda", name: "QEMU", size: 1 << 30, isProtected: true,
                    obstacles: ["this host lives on it"]),
                .init(target: "/dev/sdb", name: "QEMU", size: 1 << 30),
                .init(
                    target: "/dev/sdc", name: "QEMU", size: 1 << 30, obstacles: ["it knows no persistent reservations"]),
            ]
        }
        let setup = NodeSetup(host: host, paths: .test)
        var answers = SetupAnswers.usual
        answers.disks = ["/dev/sda"]
        let before = host.world
        await #expect(throws: SetupError.self) { try await setup.run(answers) { _ in } }
        #expect(host.world == before)
        answers.disks = ["/dev/sdb", "/dev/sdc", "/dev/sdd"]
        let findings = try await setup.inspect(answers)
        #expect(texts(findings, .ready).contains("/dev/sdb: QEMU"))
        #expect(texts(findings, .warning).contains { $0.contains("/dev/sdc cannot be a cluster's") })
        #expect(texts(findings, .warning).contains { $0.contains("/dev/sdd does not answer") })
        try await setup.run(answers) { _ in }
    }

    @Test
    func imagesAndSecrets() async throws {
        let host = FakeHost { $0.disks = [.init(target: "/srv/disk.img", name: "image", size: 1 << 30)] }
        let setup = NodeSetup(host: host, paths: .test)
        var answers = SetupAnswers.usual
        answers.disks = ["/srv/disk.img"]
        #expect(try await texts(setup.inspect(answers), .blocked) == ["there is no image /srv/disk.img"])
        host.change { $0.files["/srv/disk.img"] = .init(contents: [], mode: 0o600, owner: 1000) }
        #expect(try await texts(setup.inspect(answers), .blocked)[0].contains("is not root's"))
        host.change { $0.files["/srv/disk.img"]?.owner = 0 }
        #expect(try await texts(setup.inspect(answers), .blocked).isEmpty)
        answers.iscsiCredentials = "/srv/chap.json"
        #expect(try await texts(setup.inspect(answers), .blocked) == ["there is no file /srv/chap.json"])
        host.change { $0.files["/srv/chap.json"] = .init(contents: [], mode: 0o640) }
        #expect(try await texts(setup.inspect(answers), .blocked)[0].contains("others than root"))
    }

    @Test(arguments: [FirewallManager.firewalld, .ufw])
    func aFirewallManager(manager: FirewallManager) async throws {
        let host = FakeHost {
            $0.manager = manager
            $0.programs.insert(manager == .ufw ? "ufw" : "firewall-cmd")
        }
        host.change { $0.ports = ["445/tcp"] }
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        #expect(host.world.ports == ["3343/udp", "3343/tcp", "445/tcp", "135/tcp", "61135/tcp"])
        #expect(host.text("/etc/systemd/system/clusprepd.service.d/50-setup.conf")?.contains("firewall open") == false)
        #expect(try await setup.remove { _ in })
        #expect(host.world == before, "a port that was open before was closed")
    }

    @Test
    func aHostWithoutSystemd() async throws {
        let host = FakeHost {
            $0.hasServiceManager = false
            $0.programs = []
        }
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        #expect(host.world.isFirewallOpen)
        #expect(texts(try await setup.inspect(.usual), .warning).contains("this host has no systemd"))
        #expect(try await setup.remove { _ in })
        #expect(host.world == before)
    }

    @Test
    func aPackagesUnitIsLeftAlone() async throws {
        let host = FakeHost()
        host.change { $0.files["/usr/lib/systemd/system/clusprepd.service"] = .init(contents: [], mode: 0o644) }
        try await NodeSetup(host: host, paths: .test).run(.usual) { _ in }
        #expect(host.text("/etc/systemd/system/clusprepd.service") == nil)
        #expect(host.text("/etc/systemd/system/clusprepd.service.d/50-setup.conf") != nil)
    }

    @Test
    func aServiceThatDoesNotStart() async throws {
        let host = FakeHost { $0.failingCommand = "systemctl restart" }
        let setup = NodeSetup(host: host, paths: .test)
        do {
            try await setup.run(.usual) { _ in }
            Issue.record("it started")
        } catch {
            #expect("\(error)".contains("systemctl restart clusprepd.service: status 1; it does not want to"))
        }
        host.arrange { $0.failingCommand = nil }
        try await setup.run(.usual) { _ in }
        #expect(host.world.active)
    }

    @Test
    func imagesInAFormerStateFolder() async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        var answers = SetupAnswers.usual
        answers.stateFolder = "/srv/former"
        try await setup.run(answers) { _ in }
        host.change { $0.files["/srv/former/disk.img"] = .init(contents: [], mode: 0o600) }
        answers.stateFolder = "/srv/state"
        answers.disks = ["/srv/former/disk.img"]
        let findings = try await setup.inspect(answers)
        #expect(texts(findings, .blocked)[0].contains("would go with the node's former state"))
    }

    /// A folder that others use would be closed to them.
    @Test
    func aStateFolderOfOthers() async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        var answers = SetupAnswers.usual
        for folder in ["/var/lib", "/srv/shared"] {
            host.change { $0.folders[folder] = 0o755 }
            answers.stateFolder = folder
            let before = host.world
            #expect(try await texts(setup.inspect(answers), .blocked)[0].contains("others can look into \(folder)"))
            await #expect(throws: SetupError.self) { try await setup.run(answers) { _ in } }
            #expect(host.world == before)
        }
        host.change { $0.folders["/srv/shared"] = 0o701 }
        #expect(try await !texts(setup.inspect(answers), .blocked).isEmpty)
        host.change { $0.folders["/srv/shared"] = 0o700 }
        #expect(try await texts(setup.inspect(answers), .blocked).isEmpty)
        // Whoever has the folder can put other users and keys into it.
        host.change { $0.owners["/srv/shared"] = 1000 }
        #expect(try await texts(setup.inspect(answers), .blocked)[0].contains("is not root's"))
        host.change { $0.owners = [:] }
        // A node's by now: it is closed, as ever.
        host.change {
            $0.folders["/srv/shared"] = 0o755
            $0.files["/srv/shared/cluster.db"] = .init(contents: [], mode: 0o600)
        }
        #expect(try await texts(setup.inspect(answers), .blocked).isEmpty)
    }

    /// Nothing goes from under a daemon that may run: whoever enabled it, and whatever systemd says of it.
    @Test(arguments: [true, false])
    func theServiceIsStoppedFirst(isPackaged: Bool) async throws {
        let host = FakeHost()
        host.change { world in
            world.enabled = true
            if isPackaged { world.files[SetupPaths.test.packagedUnit] = .init(contents: [], mode: 0o644) }
        }
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        // As of one that systemd starts anew.
        host.change { $0.active = false }
        host.arrange { $0.failingCommand = "systemctl stop" }
        let made = host.world
        await #expect(throws: SetupError.self) { try await setup.remove { _ in } }
        #expect(host.world == made)
        host.arrange { $0.failingCommand = nil }
        let count = host.commands.count
        #expect(try await setup.remove { _ in })
        #expect(host.commands.dropFirst(count).first == "systemctl stop clusprepd.service")
        #expect(host.world == before, "a service that was enabled before stays so")
    }

    @Test
    func aServiceThatIsNotWantedAnyMore() async throws {
        for firewall in [SetupAnswers.Firewall.open, .leave] {
            let host = FakeHost()
            let before = host.world
            let setup = NodeSetup(host: host, paths: .test)
            try await setup.run(.usual) { _ in }
            #expect(host.world.isFirewallOpen)
            var answers = SetupAnswers.usual
            answers.service = false
            answers.firewall = firewall
            #expect(try await texts(setup.inspect(answers), .missing).contains { $0.contains("not wanted any more") })
            let count = host.commands.count
            try await setup.run(answers) { _ in }
            #expect(
                host.commands.dropFirst(count) == [
                    "systemctl stop clusprepd.service", "systemctl disable clusprepd.service",
                    "systemctl daemon-reload",
                ])
            #expect(!host.world.active && !host.world.enabled)
            #expect(host.text(SetupPaths.test.unit) == nil && host.text(SetupPaths.test.dropIn) == nil)
            // A service that stops closes the firewall; what is asked for comes after it.
            #expect(host.world.isFirewallOpen == (firewall == .open))
            #expect(try await texts(setup.inspect(answers), .missing).isEmpty)
            #expect(try await setup.remove { _ in })
            #expect(host.world == before)
        }
    }

    @Test
    func aFirewallThatIsToBeLeft() async throws {
        var answers = SetupAnswers.usual
        answers.firewall = .leave
        for hasService in [true, false] {
            let host = FakeHost { if !hasService { $0.programs = [] } }
            let before = host.world
            let setup = NodeSetup(host: host, paths: .test)
            try await setup.run(.usual) { _ in }
            #expect(host.world.isFirewallOpen)
            #expect(try await texts(setup.inspect(answers), .missing).contains("the table inet clusprep is to go"))
            try await setup.run(answers) { _ in }
            #expect(!host.world.isFirewallOpen && host.world.active == hasService)
            #expect(try await texts(setup.inspect(answers), .missing).isEmpty)
            #expect(try await setup.remove { _ in })
            #expect(host.world == before)
        }
    }

    @Test(arguments: [FirewallManager.firewalld, .ufw])
    func portsThatAreNotWantedAnyMore(manager: FirewallManager) async throws {
        let host = FakeHost {
            $0.manager = manager
            $0.programs.insert(manager == .ufw ? "ufw" : "firewall-cmd")
        }
        host.change { $0.ports = ["445/tcp"] }
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        var answers = SetupAnswers.usual
        answers.exporterPort = 61999
        #expect(
            try await texts(setup.inspect(answers), .missing).contains(
                "\(manager.rawValue) is to let in 61135/tcp no more"))
        try await setup.run(answers) { _ in }
        #expect(host.world.ports == ["3343/udp", "3343/tcp", "445/tcp", "135/tcp", "61999/tcp"])
        // One that does not run cannot be told; what it was told stays on record.
        answers.firewall = .leave
        host.arrange { $0.manager = nil }
        try await setup.run(answers) { _ in }
        #expect(host.world.ports.count == 5)
        host.arrange { $0.manager = manager }
        try await setup.run(answers) { _ in }
        #expect(host.world.ports == ["445/tcp"], "a port that was open before was closed")
        #expect(try await setup.remove { _ in })
        #expect(host.world == before)
    }

    /// The same of going over to other answers as of the first ones.
    @Test
    func interruptedChange() async throws {
        var changes = 0
        while true {
            let host = FakeHost()
            let before = host.world
            let setup = NodeSetup(host: host, paths: .test)
            try await setup.run(.usual) { _ in }
            var answers = SetupAnswers.usual
            answers.service = false
            answers.firewall = .leave
            host.arrange { $0.changesLeft = changes }
            let isDone = (try? await setup.run(answers) { _ in }) != nil
            host.arrange { $0.changesLeft = .max }
            try await setup.run(answers) { _ in }
            #expect(!host.world.active && !host.world.enabled && !host.world.isFirewallOpen, "after \(changes)")
            #expect(try await texts(setup.inspect(answers), .missing).isEmpty, "after \(changes)")
            #expect(try await setup.remove { _ in }, "after \(changes)")
            #expect(host.world == before, "after \(changes)")
            guard !isDone else { break }
            changes += 1
        }
        #expect(changes > 8)
    }

    /// A service has no homes and a /tmp of its own, and its unit's words are words.
    @Test
    func programsThatAServiceCannotRun() async throws {
        for (daemon, words) in [
            ("/home/alice/node/.build/debug/clusprepd", "where the service cannot look"),
            ("/root/clusprepd", "where the service cannot look"), ("/tmp/clusprepd", "where the service cannot look"),
            ("/opt/my node/clusprepd", "a unit cannot name"), ("/opt/100%/clusprepd", "a unit cannot name"),
            ("/opt/node/clusprepd", ""),
        ] {
            let host = FakeHost()
            host.change { $0.files[daemon] = .init(contents: [], mode: 0o755) }
            let setup = NodeSetup(host: host, paths: SetupPaths(daemon: daemon, tool: "/usr/bin/clusprep"))
            var answers = SetupAnswers.usual
            let blocked = try await texts(setup.inspect(answers), .blocked)
            #expect(words.isEmpty ? blocked.isEmpty : blocked.count == 1 && blocked[0].contains(words), "\(blocked)")
            answers.service = false
            #expect(try await texts(setup.inspect(answers), .blocked).isEmpty, "\(daemon) without a service")
            // A package's unit names another program.
            host.change { $0.files[SetupPaths.test.packagedUnit] = .init(contents: [], mode: 0o644) }
            #expect(try await texts(setup.inspect(.usual), .blocked).isEmpty, "\(daemon) beside a package")
        }
        let setup = NodeSetup(
            host: FakeHost(), paths: SetupPaths(daemon: "/usr/sbin/clusprepd", tool: "/opt/my node/clusprep"))
        #expect(try await texts(setup.inspect(.usual), .blocked)[0].contains("a unit cannot name /opt/my node"))
    }

    /// What could not be made is somebody else's when it is there later.
    @Test
    func whatFailedIsNotOurs() async throws {
        let host = FakeHost {
            $0.programs.insert("smbd"); $0.failingCommand = "useradd"
        }
        let setup = NodeSetup(host: host, paths: .test)
        var answers = SetupAnswers.usual
        answers.fileShares = true
        await #expect(throws: SetupError.self) { try await setup.run(answers) { _ in } }
        host.arrange { $0.failingCommand = nil }
        host.change { $0.accounts.insert("clusprep") }
        try await setup.run(answers) { _ in }
        #expect(try await setup.remove { _ in })
        #expect(host.world.accounts.contains("clusprep"))
    }

    @Test
    func aStateFolderThatCouldNotBeMade() async throws {
        let host = FakeHost { $0.failingPath = "/srv/state" }
        let setup = NodeSetup(host: host, paths: .test)
        var answers = SetupAnswers.usual
        answers.stateFolder = "/srv/state"
        await #expect(throws: SetupError.self) { try await setup.run(answers) { _ in } }
        host.arrange { $0.failingPath = nil }
        host.change {
            $0.folders["/srv/state"] = 0o700
            $0.files["/srv/state/mine"] = .init(contents: [], mode: 0o600)
        }
        try await setup.run(answers) { _ in }
        #expect(try await setup.remove { _ in })
        #expect(host.text("/srv/state/mine") != nil)
    }

    @Test
    func aUserThatCouldNotBeAdded() async throws {
        // Where the node's store was before: it is not undone as a whole.
        let host = FakeHost()
        host.change { $0.folders["/var/lib/clusprep"] = 0o700 }
        let setup = NodeSetup(host: host, paths: .test)
        await #expect(throws: SetupError.self) {
            try await setup.run(.usual, passwords: ["admin": "not this one"]) { _ in }
        }
        try await host.addUser(.init(name: "admin"), password: "correct horse", stateFolder: "/var/lib/clusprep")
        try await setup.run(.usual) { _ in }
        #expect(try await setup.remove { _ in })
        #expect(host.world.users["/var/lib/clusprep"] == ["admin"])
    }

    @Test(arguments: [
        (FirewallManager.firewalld, "firewall-cmd --permanent --add-port=3343/udp"),
        (.firewalld, "firewall-cmd --add-port=3343/udp"), (.ufw, "ufw allow 3343/udp"),
    ])
    func aPortThatCouldNotBeAllowed(manager: FirewallManager, failing: String) async throws {
        let host = FakeHost {
            $0.manager = manager; $0.programs.insert(manager.program); $0.failingCommand = failing
        }
        let setup = NodeSetup(host: host, paths: .test)
        await #expect(throws: SetupError.self) { try await setup.run(.usual) { _ in } }
        let isHalfDone = host.world.ports.contains("3343/udp")
        #expect(isHalfDone == (failing == "firewall-cmd --add-port=3343/udp"))
        host.arrange { $0.failingCommand = nil }
        host.change { $0.ports.insert("3343/udp") }
        try await setup.run(.usual) { _ in }
        #expect(try await setup.remove { _ in })
        #expect(host.world.ports == (isHalfDone ? [] : ["3343/udp"]))
    }

    /// What firewalld knows for good only, it does not let in yet.
    @Test
    func aPortThatIsHalfOpen() async throws {
        let host = FakeHost {
            $0.manager = .firewalld; $0.programs.insert("firewall-cmd")
        }
        let setup = NodeSetup(host: host, paths: .test)
        host.change { $0.ports = ["445/tcp"] }
        host.arrange { $0.failingCommand = "firewall-cmd --query-port=445/tcp" }
        #expect(
            try await texts(setup.inspect(.usual), .missing).contains("firewalld is to let in 445/tcp"))
        try await setup.run(.usual) { _ in }
        #expect(host.commands.contains("firewall-cmd --add-port=445/tcp"))
        host.arrange { $0.failingCommand = nil }
        #expect(try await setup.remove { _ in })
        #expect(host.world.ports == ["445/tcp"], "somebody else's port was closed")
    }

    @Test(arguments: [FirewallManager.firewalld, .ufw])
    func aManagerThatDoesNotRunKeepsItsPortsOnRecord(manager: FirewallManager) async throws {
        let host = FakeHost {
            $0.manager = manager; $0.programs.insert(manager.program)
        }
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        host.arrange { $0.manager = nil }
        #expect(try await !setup.remove { _ in })
        #expect(try setup.record()?.changes.isEmpty == false)
        host.arrange { $0.manager = manager }
        #expect(try await setup.remove { _ in })
        #expect(host.world == before)
    }

    /// With the program its rules went.
    @Test
    func aManagerThatIsGone() async throws {
        let host = FakeHost {
            $0.manager = .ufw; $0.programs.insert("ufw")
        }
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        host.arrange { $0.programs.remove("ufw") }
        #expect(try await setup.remove { _ in })
        #expect(try setup.record() == nil)
    }

    /// What the keytab was checked for is what the daemon calls itself.
    @Test(
        arguments: [(nil, "beta.example.com"), ("beta", "beta.example.com"), ("gamma", "gamma")] as [(String?, String)])
    func theFullNameIsWrittenDown(nodeName: String?, fqdn: String) async throws {
        let host = FakeHost()
        var answers = SetupAnswers.usual
        answers.nodeName = nodeName
        try await NodeSetup(host: host, paths: .test).run(answers) { _ in }
        #expect(host.text("/etc/clusprep/clusprepd.json")?.contains("\"fqdn\" : \"\(fqdn)\"") == true)
    }

    /// What the daemon has not read it reads at the next trial.
    @Test(arguments: ["systemctl daemon-reload", "systemctl restart"])
    func aRestartThatIsDue(failing: String) async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        var answers = SetupAnswers.usual
        answers.exporterPort = 61999
        host.arrange { $0.failingCommand = failing }
        await #expect(throws: SetupError.self) { try await setup.run(answers) { _ in } }
        host.arrange { $0.failingCommand = nil }
        #expect(try await texts(setup.inspect(answers), .missing).contains { $0.contains("is to be restarted") })
        let count = host.commands.count
        try await setup.run(answers) { _ in }
        #expect(host.commands.dropFirst(count).contains("systemctl restart clusprepd.service"))
        #expect(try await setup.inspect(answers).allSatisfy { $0.state == .ready })
        let restarts = host.commands.filter { $0.hasPrefix("systemctl restart") }.count
        try await setup.run(answers) { _ in }
        #expect(host.commands.filter { $0.hasPrefix("systemctl restart") }.count == restarts)
    }

    @Test
    func ourUnitGivesWayToAPackages() async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        #expect(host.text(SetupPaths.test.unit) != nil)
        host.change { $0.files[SetupPaths.test.packagedUnit] = .init(contents: [], mode: 0o644) }
        #expect(try await texts(setup.inspect(.usual), .missing).contains { $0.contains("hides the package's unit") })
        try await setup.run(.usual) { _ in }
        #expect(host.text(SetupPaths.test.unit) == nil && host.world.active && host.world.enabled)
        #expect(try await setup.inspect(.usual).allSatisfy { $0.state == .ready })
    }

    /// Its daemon would refuse it.
    @Test(arguments: [true, false])
    func aKeytabThatOthersCanRead(isSourceThere: Bool) async throws {
        let host = FakeHost()
        var answers = SetupAnswers.usual
        answers.keytab = "/srv/keytab"
        host.change { $0.files["/srv/keytab"] = .init(contents: [5, 2], mode: 0o600) }
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(answers) { _ in }
        host.change { world in
            world.files["/etc/clusprep/clusprep.keytab"]?.mode = 0o644
            if !isSourceThere { world.files["/srv/keytab"] = nil }
        }
        #expect(try await texts(setup.inspect(answers), .missing).contains { $0.contains("closed to others") })
        try await setup.run(answers) { _ in }
        #expect(host.world.files["/etc/clusprep/clusprep.keytab"] == .init(contents: [5, 2], mode: 0o600))
        #expect(try await setup.inspect(answers).allSatisfy { $0.state == .ready })
    }

    /// The host in memory refuses every other password.
    @Test(arguments: ["correct horse", "correct horse\r\n", "correct horse\r\nmore\r\n", "correct horse\nmore"])
    func theFirstLineIsThePassword(text: String) async throws {
        let host = FakeHost()
        host.change { $0.files["/srv/password"]?.contents = Array(text.utf8) }
        try await NodeSetup(host: host, paths: .test).run(.usual) { _ in }
        #expect(host.world.users["/var/lib/clusprep"] == ["admin"])
    }

    /// A power failure leaves it, with what may be the node's keys.
    @Test
    func whatWasNotWrittenToItsEndGoes() async throws {
        let host = FakeHost()
        let before = host.world
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        for path in ["/etc/clusprep/clusprepd.json", "/etc/clusprep/setup.json"] {
            host.change { $0.files[path + SetupPaths.unfinished] = .init(contents: [1], mode: 0o600) }
        }
        #expect(try await setup.remove { _ in })
        #expect(host.world == before)
    }

    @Test(
        arguments: [
            ("/home/alice/disk.img", "where the service cannot look"), ("/var/lib/clusprep/disk.img", "would go with"),
            ("/data/a b/disk.img", "a unit cannot open"), ("/disk.img", "a unit cannot open"), ("/data/disk.img", nil),
        ] as [(String, String?)])
    func linksToImagesAreFollowed(target: String, words: String?) async throws {
        let host = FakeHost()
        host.change {
            $0.links["/srv/disk.img"] = target
            $0.files[target] = .init(contents: [], mode: 0o600)
        }
        let setup = NodeSetup(host: host, paths: .test)
        var answers = SetupAnswers.usual
        answers.disks = ["/srv/disk.img"]
        let blocked = try await texts(setup.inspect(answers), .blocked)
        guard let words else {
            #expect(blocked.isEmpty)
            try await setup.run(answers) { _ in }
            let dropIn = try #require(host.text(SetupPaths.test.dropIn))
            #expect(dropIn.contains("RequiresMountsFor=/data /srv\n"))
            #expect(dropIn.contains("ReadWritePaths=/data\n") && dropIn.contains("ReadWritePaths=/srv\n"))
            return
        }
        #expect(blocked.count == 1 && blocked[0].contains(words), "\(blocked)")
    }

    @Test
    func linksToTheDaemonAreFollowed() async throws {
        let host = FakeHost()
        host.change {
            $0.links["/usr/local/sbin/clusprepd"] = "/home/alice/clusprepd"
            $0.files["/home/alice/clusprepd"] = .init(contents: [], mode: 0o755)
        }
        let paths = SetupPaths(daemon: "/usr/local/sbin/clusprepd", tool: "/usr/bin/clusprep")
        let blocked = try await texts(NodeSetup(host: host, paths: paths).inspect(.usual), .blocked)
        #expect(blocked.count == 1 && blocked[0].contains("where the service cannot look"), "\(blocked)")
    }

    @Test
    func aPipeIsNoImage() async throws {
        let host = FakeHost()
        host.change {
            $0.files["/srv/disk.img"] = .init(contents: [], mode: 0o600)
            $0.specials = ["/srv/disk.img"]
        }
        var answers = SetupAnswers.usual
        answers.disks = ["/srv/disk.img"]
        let findings = try await NodeSetup(host: host, paths: .test).inspect(answers)
        #expect(texts(findings, .blocked) == ["there is no image /srv/disk.img"])
    }

    /// A daemon that runs has its own ports, and no others.
    @Test
    func aPortOfAnotherProgram() async throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        try await setup.run(.usual) { _ in }
        host.arrange { $0.trial = .inUse }
        #expect(try await texts(setup.inspect(.usual), .blocked).isEmpty)
        var answers = SetupAnswers.usual
        answers.exporterPort = 61999
        #expect(
            try await texts(setup.inspect(answers), .blocked) == ["another program listens on 0.0.0.0 port 61999"])
        // A daemon that has not read its new ports has its former ones.
        host.arrange {
            $0.trial = .free; $0.failingCommand = "systemctl restart"
        }
        await #expect(throws: SetupError.self) { try await setup.run(answers) { _ in } }
        host.arrange {
            $0.trial = .inUse; $0.failingCommand = nil
        }
        #expect(try await texts(setup.inspect(.usual), .blocked).isEmpty)
    }

    @Test
    func recordsOfOthersAreRefused() throws {
        let host = FakeHost()
        let setup = NodeSetup(host: host, paths: .test)
        for text in ["", "{}", "{\"schema\": 2, \"answers\": {\"users\": [{\"name\": \"a\"}]}, \"changes\": []}"] {
            host.change { $0.files["/etc/clusprep/setup.json"] = .init(contents: Array(text.utf8), mode: 0o600) }
            #expect(throws: SetupError.self) { try setup.record() }
        }
    }
}
