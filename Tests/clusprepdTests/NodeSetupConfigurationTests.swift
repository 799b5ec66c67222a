import Foundation
import Testing

@testable import NodeSetup
@testable import clusprepd

/// What `clusprep setup` writes is what the daemon reads.
struct NodeSetupConfigurationTests {
    private func settings(_ answers: SetupAnswers) async throws -> Settings {
        let paths = SetupPaths(daemon: "/usr/sbin/clusprepd", tool: "/usr/bin/clusprep")
        let configuration = try DaemonConfiguration(
            answers, paths: paths, fqdn: answers.fullName(onHost: SettingsTests.host.name))
        let text = String(decoding: try jsonOctets(of: configuration), as: UTF8.self)
        return try await SettingsTests.withFile(text) { path in try await SettingsTests.load(["--config", path]) }
    }

    @Test
    func usualAnswers() async throws {
        var answers = SetupAnswers()
        answers.users = [.init(name: "admin")]
        var expected = Settings(host: SettingsTests.host)
        expected.exporterPort = 61135
        #expect(try await settings(answers) == expected)
    }

    @Test
    func everyAnswer() async throws {
        var answers = SetupAnswers()
        answers.nodeName = "beta"
        answers.fqdn = "beta.example.com"
        answers.listen = ["192.0.2.7", "2001:db8::7"]
        answers.endpointMapperPort = 1135
        answers.stateFolder = "/srv/state"
        answers.keytab = "/root/beta.keytab"
        answers.kerberosAdministrators = ["alice@EXAMPLE.COM"]
        answers.disks = ["/srv/../srv/a.img", "iscsi://SAN.example.net:3260/iqn.2024-01.net.example:storage/1"]
        answers.localDisks = false
        answers.iscsiCredentials = "/etc/chap.json"
        answers.fileShares = true
        answers.shareUser = "tests"
        let settings = try await settings(answers)
        #expect(settings.nodeName == "beta" && settings.fqdn == "beta.example.com")
        #expect(settings.listen == answers.listen && settings.endpointMapperPort == 1135)
        #expect(settings.stateFolder == "/srv/state" && settings.iscsiCredentials == "/etc/chap.json")
        #expect(settings.kerberos.keytab == "/etc/clusprep/clusprep.keytab")
        #expect(settings.kerberos.administrators == ["alice@EXAMPLE.COM"])
        #expect(settings.disks == (try answers.targets) && !settings.listsLocalDisks)
        #expect(settings.shareUser == "tests")
    }
}
