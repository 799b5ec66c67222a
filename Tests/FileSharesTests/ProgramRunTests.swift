import Foundation
import Testing

@testable import FileShares

/// Other programs' ends, with the shell as one.
struct ProgramRunTests {
    private func sh(_ script: String, input: String = "", timeout: Duration = .seconds(60)) async throws
        -> ProgramRun.Result
    {
        try await ProgramRun.run(
            "/bin/sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin", "GREETING": "hello"],
            input: Array(input.utf8), timeout: timeout)
    }

    @Test func statusAndStreams() async throws {
        let result = try await sh("read line; echo $GREETING $line; echo oops >&2; exit 3", input: "you\n")
        #expect(result.status == 3)
        #expect(result.output == "hello you\n")
        #expect(result.errors == "oops\n")
    }

    @Test func signal() async throws {
        #expect(try await sh("kill -TERM $$").status == nil)
    }

    @Test("A program that does not read its input, and one that says more than is kept")
    func streamsOfStrangers() async throws {
        #expect(try await sh("exit 0", input: String(repeating: "x", count: 60_000)).status == 0)
        let result = try await sh("head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2")
        #expect(result.output.utf8.count == 64 << 10)
        #expect(result.errors.utf8.count == 64 << 10)
        #expect(result.status == 0)
    }

    @Test("Nothing of ours is open in it, and no signal is blocked or ignored")
    func inheritance() async throws {
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        let result = try await sh("ls /proc/$$/fd; grep -E 'SigBlk|SigIgn' /proc/self/status")
        // The script's own three; ls has one more, but it lists the shell's.
        #expect(result.output.hasPrefix("0\n1\n2\nSigBlk"))
        // Signals 32 and 33, the highest bits here, are the C library's own.
        for line in result.output.split(separator: "\n").suffix(2) {
            let mask = try #require(line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) })
            #expect(mask & ~0x1_8000_0000 == 0, "\(line)")
        }
    }

    @Test("One that does not end is killed, and its children with it")
    func timeout() async throws {
        let fifo = FileManager.default.temporaryDirectory.appendingPathComponent("fifo-\(UUID().uuidString)").path
        #expect(mkfifo(fifo, 0o600) == 0)
        defer { unlink(fifo) }
        let reader = open(fifo, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        // Long enough for the shell to have its child: before that there is no writer whose end could be seen.
        await #expect(throws: ProgramRun.Failure.self) {
            try await sh("sleep 1000 > \(fifo) & exec sleep 1000", timeout: .seconds(5))
        }
        // The end of the file comes when the last of its writers has gone.
        var polled = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
        #expect(poll(&polled, 1, 60_000) == 1)
        #expect(polled.revents & Int16(POLLHUP) != 0)
    }

    @Test("One that closes its streams and stays is killed, too")
    func silentStay() async throws {
        await #expect(throws: ProgramRun.Failure.self) {
            try await sh("exec sleep 1000 >&- 2>&-", timeout: .milliseconds(300))
        }
    }

    @Test func cancellation() async throws {
        let task = Task { try await sh("exec sleep 1000", timeout: .seconds(2000)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// What blocks, blocks a thread of its own: one more than there are processors would wait for each other for ever.
    @Test(.timeLimit(.minutes(5))) func blockingWorkHoldsUpNobody() async throws {
        let count = ProcessInfo.processInfo.activeProcessorCount + 1
        let arrived = DispatchSemaphore(value: 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count { group.addTask { try await BlockingCall.run { arrived.wait() } } }
            group.addTask { for _ in 0..<count { arrived.signal() } }
            try await group.waitForAll()
        }
    }

    @Test func missing() async throws {
        await #expect(throws: ProgramRun.Failure.self) {
            try await ProgramRun.run("/nowhere", [], environment: [:], timeout: .seconds(60))
        }
    }
}
