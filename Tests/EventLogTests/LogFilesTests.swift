import Foundation
import Testing

@testable import EventLog

@Suite struct LogFilesTests {
    private func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    private func draft(_ name: String, _ lines: String...) -> LogFiles.Draft {
        LogFiles.Draft(name: name) { writer in for line in lines { try writer.line(line) } }
    }

    @Test("A file has its lines, a name of its own, and no readers but its own")
    func files() throws {
        try withFolder { folder throws in
            let files = LogFiles(folder: folder)
            #expect(try files.make([draft("node-cluster", "a", "é")]) == ["node-cluster.log"])
            #expect(
                try files.make([draft("node-cluster", "b"), draft("node-cluster")])
                    == ["node-cluster-2.log", "node-cluster-3.log"])
            #expect(try names(folder) == ["node-cluster-2.log", "node-cluster-3.log", "node-cluster.log"])
            #expect(try String(contentsOfFile: folder + "/node-cluster.log", encoding: .utf8) == "a\né\n")
            #expect(try String(contentsOfFile: folder + "/node-cluster-3.log", encoding: .utf8) == "")
            var status = stat()
            #expect(stat(folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
            #expect(stat(folder + "/node-cluster.log", &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
    }

    @Test("The group's members may read, nobody else")
    func group() throws {
        try withFolder { folder throws in
            _ = try LogFiles(folder: folder, group: getegid()).make([draft("a", "b")])
            var status = stat()
            #expect(stat(folder, &status) == 0 && status.st_mode & 0o777 == 0o750 && status.st_gid == getegid())
            #expect(stat(folder + "/a.log", &status) == 0 && status.st_mode & 0o777 == 0o640)
        }
    }

    @Test("No name leads out of the folder or makes a path of its own")
    func hostileNames() throws {
        try withFolder { folder throws in
            let made = try LogFiles(folder: folder).make(
                ["../../etc/passwd", "a\\b:c;d", ".hidden", "ü\0", String(repeating: "x", count: 300)].map { draft($0) }
            )
            #expect(
                made == [
                    "_.._etc_passwd.log", "a_b_c_d.log", "hidden.log", "__.log",
                    String(repeating: "x", count: 100) + ".log",
                ])
            #expect(try names(folder).count == 5)
        }
    }

    @Test("The oldest make room, by number and by octets; what was just made stays")
    func limits() throws {
        try withFolder { folder throws in
            let files = LogFiles(folder: folder, limits: .init(count: 3, octets: 1000))
            for number in 1...5 {
                _ = try files.make([draft("f\(number)", "x")])
                // Older ones get older times, whatever the clock's resolution.
                for older in 1...number {
                    let times = [
                        timespec(tv_sec: 1000 + older, tv_nsec: 0), timespec(tv_sec: 1000 + older, tv_nsec: 0),
                    ]
                    utimensat(AT_FDCWD, folder + "/f\(older).log", times, 0)
                }
            }
            #expect(try names(folder) == ["f3.log", "f4.log", "f5.log"])
            _ = try files.make([draft("g", String(repeating: "y", count: 996))])
            #expect(try names(folder) == ["f5.log", "g.log"])
            _ = try files.make([draft("h", String(repeating: "y", count: 2000)), draft("i")])
            #expect(try names(folder) == ["h.log", "i.log"])
            try Data().write(to: URL(fileURLWithPath: folder + "/not ours"))
            _ = try files.make((0..<5).map { draft("j\($0)") })
            #expect(try names(folder) == ["j0.log", "j1.log", "j2.log", "j3.log", "j4.log", "not ours"])
        }
    }

    @Test("A file that cannot be finished leaves nothing behind, nor does a process that is killed")
    func unfinished() throws {
        struct Failure: Error {}
        try withFolder { folder throws in
            let files = LogFiles(folder: folder)
            #expect(throws: Failure.self) {
                try files.make([
                    draft("first", "a"),
                    LogFiles.Draft(name: "second") { writer in
                        try writer.line("b")
                        throw Failure()
                    },
                ])
            }
            #expect(try names(folder).isEmpty)
            try Data().write(to: URL(fileURLWithPath: folder + "/0.unfinished"))
            try Data().write(to: URL(fileURLWithPath: folder + "/7.unfinished"))
            _ = try files.make([draft("a", "b")])
            #expect(try names(folder) == ["a.log"])
        }
    }

    @Test("A folder that others may change or use is not ours")
    func unsafeFolder() throws {
        try withFolder { folder throws in
            mkdir(folder, 0o700)
            let files = LogFiles(folder: folder)
            for mode: mode_t in [0o777, 0o720, 0o701, 0o755] {
                chmod(folder, mode)
                #expect(throws: EventLogError.unsafe(path: folder)) { try files.make([draft("a")]) }
            }
            chmod(folder, 0o700)
            symlink("/etc/hostname", folder + "/0.unfinished")
            #expect(try files.make([draft("a", "b")]) == ["a.log"])
            rename(folder, folder + "-moved")
            symlink(folder + "-moved", folder)
            #expect(throws: EventLogError.self) { try files.make([draft("a")]) }
        }
    }

    @Test func hresults() {
        #expect(EventLogError.failed(operation: "write", path: "x", errno: ENOSPC).hresult.rawValue == 0x8007_0070)
        #expect(EventLogError.failed(operation: "write", path: "x", errno: EACCES).hresult.rawValue == 0x8007_0005)
        #expect(EventLogError.failed(operation: "write", path: "x", errno: EIO).hresult.rawValue == 0x8007_001D)
        #expect(EventLogError.unsafe(path: "x").hresult.rawValue == 0x8007_0005)
        #expect(
            "\(EventLogError.failed(operation: "write", path: "/x", errno: ENOSPC))"
                == "cannot write /x: No space left on device")
    }

    @Test("Each kind has the events that its name promises")
    func kinds() {
        func kinds(_ component: String, _ level: EventLevel = .information) -> Set<LogKind> {
            let record = EventRecord(
                number: 1, time: EventTime(wall: 0, uptime: 0, boot: 0), process: 1, thread: 1, level: level,
                component: component, text: "")
            return Set(LogKind.allCases.filter { $0.includes(record) })
        }
        #expect(kinds("storage") == [.cluster, .health])
        #expect(kinds("ntlm") == [.cluster])
        #expect(kinds("ntlm", .warning) == [.cluster, .health])
        #expect(kinds("routes") == [.cluster, .network, .netft])
        #expect(kinds("rpc.server", .error) == [.cluster, .health, .network])
        #expect(kinds("setup") == [.cluster, .clusterSet])
        #expect(kinds("performance.rpc", .error) == [.performance])
    }
}
