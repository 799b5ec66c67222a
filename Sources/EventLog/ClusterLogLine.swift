import Foundation

/// In which time a log is written.
public struct LogTimeZone: Sendable {
    /// As it is called in the log's header.
    public let name: String
    private let offset: @Sendable (Int64) -> Int64

    /// Any zone: seconds east of Greenwich at a moment, which is given in seconds since 1970.
    public init(name: String, offset: @escaping @Sendable (Int64) -> Int64) {
        self.name = name
        self.offset = offset
    }

    /// Greenwich mean time, or UTC.
    public static let gmt = LogTimeZone(name: "GMT") { _ in 0 }

    /// This host's local time, with the daylight saving time of each moment.
    public static let local = LogTimeZone(name: "local time") { seconds in
        var time = time_t(seconds)
        var parts = tm()
        return localtime_r(&time, &parts) == nil ? 0 : Int64(parts.tm_gmtoff)
    }

    func secondsFromGMT(at seconds: Int64) -> Int64 { offset(seconds) }
}

/// The lines of a cluster log: `pid.tid::yyyy/mm/dd-hh:mm:ss.mmm LEVEL [component] text`, the numbers of process and thread with
/// eight hexadecimal digits, the level's word filled up to five characters.
public enum ClusterLogLine {
    /// The line of an event, without an end of line.
    ///
    /// Control characters and what else ends a line are escaped, so that no text makes a line of its own, and no line commands the
    /// terminal it is shown on.
    public static func format(_ record: EventRecord, in zone: LogTimeZone) -> String {
        let level = record.level.rawValue
        return hexadecimal(record.process) + "." + hexadecimal(record.thread) + "::" + time(record.time, in: zone) + " "
            + level + String(repeating: " ", count: max(0, 5 - level.count)) + " [" + escaped(record.component) + "] "
            + escaped(record.text)
    }

    /// `yyyy/mm/dd-hh:mm:ss.mmm`; milliseconds are rounded down.
    public static func time(_ time: EventTime, in zone: LogTimeZone) -> String {
        var seconds = floored(time.wall, 1_000_000)
        let milliseconds = (time.wall % 1_000_000 + 1_000_000) % 1_000_000 / 1000
        seconds += zone.secondsFromGMT(at: seconds)
        let days = floored(seconds, 86400)
        let second = seconds - days * 86400
        let (year, month, day) = date(days)
        return padded(year, 4) + "/" + padded(month, 2) + "/" + padded(day, 2) + "-" + padded(second / 3600, 2) + ":"
            + padded(second / 60 % 60, 2) + ":" + padded(second % 60, 2) + "." + padded(milliseconds, 3)
    }

    /// Text that stays on one line.
    public static func escaped(_ text: String) -> String {
        // Most has nothing to escape.
        if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\t": result.append(contentsOf: "\\t".unicodeScalars)
            default:
                switch scalar.properties.generalCategory {
                case .control, .lineSeparator, .paragraphSeparator, .format:
                    result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
                default: result.append(scalar)
                }
            }
        }
        return String(result)
    }

    /// A day's date in the proleptic Gregorian calendar, from its number since 1970-01-01: years that begin in March, of which 400
    /// have 146,097 days.
    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floored(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func floored(_ value: Int64, _ divisor: Int64) -> Int64 {
        value / divisor - (value % divisor < 0 ? 1 : 0)
    }

    private static func padded(_ value: Int64, _ digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 8 - text.utf8.count) + text
    }
}
