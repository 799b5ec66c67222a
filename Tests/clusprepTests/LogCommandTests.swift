import ArgumentParser
import EventLog
import Foundation
import Testing

@testable import clusprep

@Suite struct LogCommandTests {
    /// A state folder with three events, and what the command writes into a file for these arguments.
    private func output(_ arguments: String..., damage: Bool = false) async throws -> (text: String, status: Int32) {
        try await withFolder { folder in
            let log = try EventLog.open(folder: EventLog.folder(inStateFolder: folder.path))
            log.append(.information, component: "storage", text: "disk\tattached")
            log.append(.warning, component: "ntlm", text: "logon refused")
            log.append(.debug, component: "performance.rpc", text: "calls-in=1")
            log.close()
            if damage {
                let file = folder.appendingPathComponent("events/events-0000000000000001.log")
                var octets = try Data(contentsOf: file)
                octets[20] ^= 1
                try octets.write(to: file)
            }
            let path = folder.path + "/out"
            let command = try LogCommand.parse(["--state-folder", folder.path, "--output", path] + arguments)
            var status: Int32 = 0
            do { try await command.run() } catch let code as ExitCode { status = code.rawValue }
            return (try String(contentsOfFile: path, encoding: .utf8), status)
        }
    }

    @Test("Lines of a cluster log, by kind")
    func lines() async throws {
        let (text, status) = try await output()
        #expect(status == 0)
        let lines = text.split(separator: "\n")
        #expect(lines.map { $0.suffix(33) }.count == 2)
        #expect(lines[0].hasSuffix(" INFO  [storage] disk\\tattached"))
        #expect(lines[1].hasSuffix(" WARN  [ntlm] logon refused"))
        #expect(try await output("--kind", "performance").text.hasSuffix("[performance.rpc] calls-in=1\n"))
        #expect(try await output("--kind", "netft").text == "")
        #expect(try await output("--span", "5").text.split(separator: "\n").count == 2)
        #expect(try await output("--span", "0").text == "")
        #expect(try await output("--span", "4294967295", "--local-time").text.split(separator: "\n").count == 2)
    }

    @Test func json() async throws {
        let (text, _) = try await output("--json")
        struct Entry: Decodable {
            var number: UInt64, level: String, component: String, text: String, microseconds: Int64
        }
        let entries = try text.split(separator: "\n").map {
            try JSONDecoder().decode(Entry.self, from: Data($0.utf8))
        }
        #expect(entries.map(\.number) == [1, 2])
        #expect(entries.map(\.text) == ["disk\tattached", "logon refused"])
        #expect(entries.map(\.level) == ["INFO", "WARN"])
    }

    @Test("What is damaged is told, and the rest is shown")
    func damage() async throws {
        let (text, status) = try await output(damage: true)
        #expect(status == 2)
        #expect(text.hasSuffix("[ntlm] logon refused\n"))
    }

    @Test("A file that is there, a folder without a log, and wrong arguments")
    func refusals() async throws {
        try await withFolder { folder in
            await #expect(throws: CommandFailure.self) {
                try await LogCommand.parse(["--state-folder", folder.path]).run()
            }
            try EventLog.open(folder: EventLog.folder(inStateFolder: folder.path)).close()
            let path = folder.path + "/out"
            try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
            await #expect(throws: CommandFailure.self) {
                try await LogCommand.parse(["--state-folder", folder.path, "--output", path]).run()
            }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
        }
        for arguments in [
            ["--kind", "nonsense"], ["--span", "-1"], ["--span", "4294967296"], ["--stream", "rpc"],
            ["--separate-sections"], ["--skip-cluster-state"], ["--node", "a"],
            ["--node", "a", "--user", "D\\u", "--output", "x"], ["--node", "a", "--user", "D\\u", "--stream", "rpc"],
            ["--node", "a", "--user", "D\\u", "--kind", "performance", "--span", "1"],
        ] {
            #expect(refusal(of: LogCommand.self, arguments) != nil, "\(arguments)")
        }
        #expect(refusal(of: LogCommand.self, ["--kind", "health", "--span", "0"]) == nil)
    }
}
