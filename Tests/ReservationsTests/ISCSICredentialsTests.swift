import Foundation
import Testing

@testable import Reservations

@Suite struct ISCSICredentialsTests {
    private static let text = """
        {
            "iqn.2024-01.net.example:Storage": {
                "user": "node1", "password": "secret-one-123", "targetUser": "storage", "targetPassword": "secret-two-123"
            },
            "*": { "user": "anybody", "password": "secret-three-1" }
        }
        """

    private func reason(_ json: String) -> ISCSICredentialsError.Reason? {
        do {
            _ = try ISCSICredentials(json: Array(json.utf8), path: "/etc/secrets.json")
            return nil
        } catch {
            return error.reason
        }
    }

    /// Writes the text into a file with this mode and reads it as credentials.
    private func read(mode: mode_t, _ text: String = text) throws -> ISCSICredentials {
        let image = try TemporaryImage()
        let path = image.folder + "/secrets.json"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try #require(chmod(path, mode) == 0)
        return try ISCSICredentials(file: path)
    }

    @Test func findsTheSecretOfATarget() throws {
        let credentials = try read(mode: 0o600)
        let secret = try #require(credentials.secret(for: "iqn.2024-01.net.example:storage"))
        #expect(secret.user == "node1")
        #expect(secret.targetUser == "storage")
        #expect(credentials.secret(for: "iqn.2024-01.net.example:other")?.user == "anybody")
        #expect(credentials.secret(for: nil)?.user == "anybody")
    }

    @Test(arguments: [0o600, 0o400] as [mode_t]) func takesFilesOfTheOwnerAlone(_ mode: mode_t) throws {
        _ = try read(mode: mode)
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o602, 0o601, 0o700, 0o644] as [mode_t])
    func refusesFilesOthersCanReach(_ mode: mode_t) throws {
        do {
            _ = try read(mode: mode)
            Issue.record("mode \(String(mode, radix: 8)) was let pass")
        } catch let error as ISCSICredentialsError {
            #expect(error.reason == .readableByOthers(mode: UInt32(mode)))
            #expect("\(error)".contains("chmod 0600"))
        }
    }

    @Test func refusesWhatIsNoFile() throws {
        let image = try TemporaryImage()
        let pipe = image.folder + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        #expect(throws: ISCSICredentialsError.self) { try ISCSICredentials(file: pipe) }
        #expect(throws: ISCSICredentialsError.self) { try ISCSICredentials(file: image.folder) }
        #expect(throws: ISCSICredentialsError.self) { try ISCSICredentials(file: image.folder + "/none") }
        let huge = image.folder + "/huge"
        try #require(
            FileManager.default.createFile(atPath: huge, contents: nil, attributes: [.posixPermissions: 0o600]))
        try #require(truncate(huge, (1 << 20) + 1) == 0)
        #expect(throws: ISCSICredentialsError.self) { try ISCSICredentials(file: huge) }
    }

    @Test(
        arguments: [
            ("", .malformed("it is no JSON object")), ("[]", .malformed("it is no JSON object")),
            (#"{"*": 1}"#, .malformed("*")), (#"{"*": {"user": "a"}}"#, .malformed("* › password")),
            (#"{"*": {"user": "a", "password": 1}}"#, .malformed("* › password")),
            (#"{"*": {"user": "a", "password": "b", "targetuser": "c"}}"#, .malformed("* › targetuser")),
            (#"{"storage": {"user": "a", "password": "b"}}"#, .badTarget("storage")),
            (#"{"*": {"user": "", "password": "b"}}"#, .badEntry("*", "user is empty")),
            (#"{"*": {"user": "a", "password": ""}}"#, .badEntry("*", "password is empty")),
            (#"{"*": {"user": "a", "password": "b\u0000"}}"#, .badEntry("*", "password holds a null")),
            (
                #"{"*": {"user": "a", "password": "b", "targetUser": "c"}}"#,
                .badEntry("*", "targetUser and targetPassword go together")
            ),
            (
                #"{"*": {"user": "a", "password": "b", "targetUser": "c", "targetPassword": "b"}}"#,
                .badEntry("*", "targetPassword must differ from password")
            ),
        ] as [(String, ISCSICredentialsError.Reason)])
    func saysWhatIsWrong(_ json: String, _ expected: ISCSICredentialsError.Reason) {
        #expect(reason(json) == expected)
    }

    @Test func limitsLengths() {
        let most = String(repeating: "p", count: 255)
        #expect(reason(#"{"*": {"user": "a", "password": "\#(most)"}}"#) == nil)
        #expect(
            reason(#"{"*": {"user": "a", "password": "\#(most)p"}}"#)
                == .badEntry("*", "password is longer than 255 octets"))
    }

    @Test func showsNoSecrets() throws {
        let credentials = try ISCSICredentials(json: Array(Self.text.utf8), path: "x")
        let secret = try #require(credentials.secret(for: nil))
        var dumped = ""
        dump(credentials, to: &dumped)
        dump(secret, to: &dumped)
        for text in [
            "\(credentials)", "\(secret)", String(reflecting: credentials), String(reflecting: secret), dumped,
        ] {
            #expect(!text.contains("secret-"))
        }
        do {
            _ = try ISCSICredentials(json: Array(#"{"*": {"user": "a", "password": ["hunter2"]}}"#.utf8), path: "x")
        } catch {
            #expect(!"\(error)".contains("hunter2"))
        }
        do {
            _ = try ISCSICredentials(json: Array(#"{"*": {"user": "a", "password": "hunter2"x}"#.utf8), path: "x")
        } catch {
            #expect(!"\(error)".contains("hunter2"))
        }
    }
}
