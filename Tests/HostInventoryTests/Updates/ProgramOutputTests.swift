import Foundation
import TestSupport
import Testing

@testable import HostInventory

@Suite(.offThePool)
struct ProgramOutputTests {
    private func shell(_ script: String, limit: Int = 1 << 20, seconds: Int = 60) throws -> ProgramOutput {
        try ProgramOutput.of("/bin/sh", ["-c", script], limit: limit, seconds: seconds)
    }

    @Test func output() throws {
        #expect(try shell("printf 'one\\0two'").octets == Array("one\0two".utf8))
        #expect(try shell("echo $LC_ALL $HOME").octets == Array("C.UTF-8 /nonexistent\n".utf8))
        #expect(try shell("true").octets == [])
        #expect(try shell("echo x >&2").octets == [])
        #expect(try shell("cat").octets == [], "standard input is empty")
    }

    @Test func limits() throws {
        let exact = try shell("printf 12345", limit: 5)
        #expect(exact.octets.count == 5 && !exact.isCut)
        let cut = try shell("printf 123456", limit: 5)
        #expect(cut.octets == Array("12345".utf8) && cut.isCut)
        // One that would print for ever is ended.
        #expect(try shell("while :; do echo y; done", limit: 1 << 20).octets.count == 1 << 20)
    }

    @Test func failures() {
        #expect(throws: HostUpdatesError.notStarted(program: "/nonexistent", code: ENOENT)) {
            try ProgramOutput.of("/nonexistent", [], limit: 1, seconds: 1)
        }
        #expect(throws: HostUpdatesError.failed(program: "/bin/sh", reason: "it ended with status 3")) {
            try shell("echo x; exit 3")
        }
        #expect(throws: HostUpdatesError.failed(program: "/bin/sh", reason: "signal 9 ended it")) {
            try shell("kill -9 $$")
        }
        #expect(throws: HostUpdatesError.failed(program: "/bin/sh", reason: "it did not end in 0 seconds")) {
            try shell("exec sleep 600", seconds: 0)
        }
    }

    @Test func nothingOfOursIsOpen() throws {
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        #expect(try String(decoding: shell("ls /proc/self/fd").octets, as: UTF8.self).split(separator: "\n").count == 4)
    }
}
