import ArgumentParser
import ClusterProtocols
import Foundation
import Testing

@testable import clusprep

struct SetupCommandTests {
    @Test
    func hexadecimalDigits() {
        #expect(octets(ofHexDigits: "") == [])
        #expect(octets(ofHexDigits: "00fFa0") == [0, 0xFF, 0xA0])
        for wrong in ["0", "0g", "+f", "0x", " 0", "é"] { #expect(octets(ofHexDigits: wrong) == nil, "\(wrong)") }
        #expect(hexDigits([0, 0xFF, 0xA0]) == "00ffa0")
    }

    /// Lines of 64 characters (RFC 7468 section 2).
    @Test
    func pem() throws {
        let octets = [UInt8](0...99)
        let text = PEM.text(octets, label: PEM.certificate)
        let lines = text.split(separator: "\n")
        #expect(lines.first == "-----BEGIN CERTIFICATE-----")
        #expect(lines[1].count == 64)
        #expect(lines.last == "-----END CERTIFICATE-----")
        #expect(PEM.octets(in: Data(text.utf8), label: PEM.certificate) == octets)
        #expect(PEM.octets(in: Data(text.utf8), label: PEM.privateKey) == nil)
        // With what openssl writes before and after; and with the other end of line.
        let both =
            "subject=CN\r\n" + text.replacingOccurrences(of: "\n", with: "\r\n") + PEM.text([1], label: PEM.privateKey)
        #expect(PEM.octets(in: Data(both.utf8), label: PEM.certificate) == octets)
        #expect(PEM.octets(in: Data(both.utf8), label: PEM.privateKey) == [1])
        #expect(PEM.octets(in: Data([0x30, 0x82]), label: PEM.certificate) == [0x30, 0x82], "DER")
        #expect(PEM.octets(in: Data("-----BEGIN CERTIFICATE-----\nAAAA".utf8), label: PEM.certificate) == nil)
    }

    @Test
    func filesAreClosedToOthers() async throws {
        try await withFolder { folder in
            let path = folder.appendingPathComponent("key.pem").path
            for contents in ["one", "two"] {
                try PEM.write(Data(contents.utf8), to: path)
                #expect(FileManager.default.contents(atPath: path) == Data(contents.utf8))
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
                #expect(mode?.intValue == 0o600)
            }
            #expect(throws: CommandFailure.self) { try PEM.write(Data(), to: path + "/beneath") }
        }
    }

    /// What is no file stays what it is, and nothing is left beside what is written, nor taken away.
    @Test
    func whatIsNoFileIsWrittenInto() async throws {
        try await withFolder { folder in
            let (pipe, link, path) = (
                folder.appendingPathComponent("pipe").path, folder.appendingPathComponent("link").path,
                folder.appendingPathComponent("key.pem").path
            )
            #expect(mkfifo(pipe, 0o600) == 0)
            let reader = open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            defer { close(reader) }
            try PEM.write(Data("one".utf8), to: pipe)
            var octets = [UInt8](repeating: 0, count: 8)
            #expect(read(reader, &octets, octets.count) == 3)
            #expect(octets.prefix(3).elementsEqual("one".utf8))
            var status = stat()
            #expect(lstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)

            #expect(FileManager.default.createFile(atPath: path + ".new", contents: Data("mine".utf8)))
            try PEM.write(Data("one".utf8), to: path)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "key.pem")
            try PEM.write(Data("two".utf8), to: link)
            #expect(FileManager.default.contents(atPath: path) == Data("two".utf8))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "key.pem")
            #expect(FileManager.default.contents(atPath: path + ".new") == Data("mine".utf8))
            #expect(throws: CommandFailure.self) { try PEM.write(Data(), to: folder.path) }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(names == ["key.pem", "key.pem.new", "link", "pipe"])
        }
    }

    @Test
    func wrongCommandLines() {
        for (arguments, words) in [
            (["certificates", "generate"], "--key FILE or --install"),
            (["certificates", "export", "--type", "other"], "other"),
            (["join"], "cluster"),
            (["join", "blue", "--id", "7"], "no UUID"),
            (["show", "--node", "beta"], "--user"),
        ] {
            let message = refusal(of: SetupCommand.self, arguments)
            #expect(message?.contains(words) == true, "\(arguments): \(message ?? "accepted")")
        }
        for (arguments, words) in [
            (["--delay", "-1"], "--delay"), (["--timeout", "4294968"], "--timeout"),
            (["--clear-disk", "0"], "--node"), (["--user", "A\\b"], "--node"),
            (["--clear-disk", "0", "--no-wait", "--node", "a", "--user", "A\\b"], "--no-wait"),
        ] {
            let message = refusal(of: CleanupCommand.self, arguments)
            #expect(message?.contains(words) == true, "\(arguments): \(message ?? "accepted")")
        }
        #expect(refusal(of: CleanupCommand.self, ["--timeout", "4294967", "--delay", "0"]) == nil)
    }

    @Test
    func aHelpWithAnExample() {
        for command in [SetupCommand.self, CleanupCommand.self] as [any ParsableCommand.Type] {
            #expect(command.configuration.discussion.contains("\n  clusprep "), "\(command)")
            for sub in command.configuration.subcommands where sub.configuration.subcommands.isEmpty {
                #expect(sub.configuration.discussion.contains("  clusprep "), "\(sub)")
            }
        }
    }
}
