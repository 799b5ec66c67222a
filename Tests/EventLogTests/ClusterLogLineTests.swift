import Logging
import Testing

@testable import EventLog

@Suite struct ClusterLogLineTests {
    private func record(_ text: String, level: EventLevel = .information, milliseconds: Int64 = 0) -> EventRecord {
        EventRecord(
            number: 1, time: EventTime(wall: milliseconds * 1000, uptime: 0, boot: 0), process: 0xE34, thread: 0x1C98,
            level: level, component: "disk", text: text)
    }

    @Test func lines() {
        #expect(
            ClusterLogLine.format(record("up", milliseconds: 1_700_000_000_123), in: .gmt)
                == "00000e34.00001c98::2023/11/14-22:13:20.123 INFO  [disk] up")
        #expect(
            EventLevel.allCases.map { String(ClusterLogLine.format(record("x", level: $0), in: .gmt).suffix(14)) }
                == [" DBG   [disk] x", " INFO  [disk] x", " WARN  [disk] x", " ERR   [disk] x"].map {
                    String($0.suffix(14))
                })
    }

    /// The dates by date(1): `date -u -d @1709251199`.
    @Test(
        arguments: [
            (1_709_251_199_999, "2024/02/29-23:59:59.999"), (1_709_251_200_000, "2024/03/01-00:00:00.000"),
            (951_868_799_000, "2000/02/29-23:59:59.000"), (4_107_542_399_000, "2100/02/28-23:59:59.000"),
            (4_107_542_400_000, "2100/03/01-00:00:00.000"), (0, "1970/01/01-00:00:00.000"),
            (-1, "1969/12/31-23:59:59.999"), (-2_208_988_800_000, "1900/01/01-00:00:00.000"),
            (253_402_300_799_999, "9999/12/31-23:59:59.999"), (253_402_300_800_000, "10000/01/01-00:00:00.000"),
        ] as [(Int64, String)])
    func times(milliseconds: Int64, text: String) {
        #expect(
            ClusterLogLine.time(EventTime(wall: milliseconds * 1000 + 999, uptime: 0, boot: 0), in: .gmt) == text)
    }

    @Test func timesThatNoCalendarHas() {
        for wall in [Int64.min, .max] {
            #expect(!ClusterLogLine.time(EventTime(wall: wall, uptime: 0, boot: 0), in: .gmt).isEmpty)
        }
    }

    /// Berlin, 2023-10-29: from 01:00 UTC on an hour behind.
    @Test func localTime() {
        let berlin = LogTimeZone(name: "Berlin") { $0 < 1_698_541_200 ? 7200 : 3600 }
        func text(_ seconds: Int64) -> String {
            ClusterLogLine.time(EventTime(wall: seconds * 1_000_000, uptime: 0, boot: 0), in: berlin)
        }
        #expect(text(1_698_541_199) == "2023/10/29-02:59:59.000")
        #expect(text(1_698_541_200) == "2023/10/29-02:00:00.000")
        #expect(ClusterLogLine.time(EventTime(wall: 0, uptime: 0, boot: 0), in: .local).hasSuffix(":00.000"))
    }

    @Test("No text makes a line of its own or commands a terminal")
    func hostileTexts() {
        let text =
            "a\n00000001.00000001::2023/11/14-22:13:20.123 ERR   [disk] forged\r\t\u{1B}[31m\u{85}\u{2028}\u{202E}\0 \\ é ß 漢"
        #expect(
            ClusterLogLine.escaped(text)
                == "a\\n00000001.00000001::2023/11/14-22:13:20.123 ERR   [disk] forged\\r\\t\\u{1b}[31m"
                + "\\u{85}\\u{2028}\\u{202e}\\u{0} \\ é ß 漢")
        #expect(!ClusterLogLine.format(record(text), in: .gmt).contains { $0.isNewline })
    }
}

@Suite struct EventLogHandlerTests {
    @Test func components() {
        #expect(EventLogHandler.component(of: "clusprepd.storage") == "storage")
        #expect(EventLogHandler.component(of: "clusprepd.storage.pr") == "storage.pr")
        #expect(EventLogHandler.component(of: "clusprepd") == "clusprepd")
        #expect(EventLogHandler.component(of: "clusprepd.") == "clusprepd.")
        #expect(EventLogHandler.component(of: "rpc.server") == "rpc.server")
        #expect(EventLogHandler.component(of: "") == "")
    }

    @Test("Everything from the level on, with its metadata and its error, beside another handler")
    func logger() throws {
        struct Failure: Error, CustomStringConvertible {
            let description = "no disk"
        }
        try withFolder { folder in
            let log = try EventLog.open(folder: folder)
            var logger = Logger(label: "clusprepd.storage") { label in
                MultiplexLogHandler([
                    SwiftLogNoOpLogHandler(label),
                    EventLogHandler(
                        label: label, log: log, level: .info,
                        metadataProvider: .init { ["call": "7", "b": "provided"] }),
                ])
            }
            logger[metadataKey: "b"] = "own"
            logger.debug("not kept")
            logger.notice("kept", metadata: ["z": "1", "a": ["x", "y"]])
            logger.critical("failed", error: Failure())
            let records = try log.reader.all()
            #expect(records.map(\.level) == [.information, .error])
            #expect(records.map(\.component) == ["storage", "storage"])
            #expect(records[0].text == #"kept a=["x", "y"] b=provided call=7 z=1"#)
            #expect(records[1].text == "failed b=provided call=7 error=no disk")
        }
    }
}
