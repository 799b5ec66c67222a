import Foundation

/// What a process and its descendants have used, by /proc.
struct ProcessTree {
    let root: pid_t

    /// Seconds of processor time in user and kernel mode, of those that are alive and the children they have waited for.
    func processorTime() -> Double {
        let ticks = members().reduce(UInt64(0)) { sum, process in sum + (Self.fields(process).map(Self.ticks) ?? 0) }
        return Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Octets of memory that is theirs alone: anonymous and resident.
    func anonymousMemory() -> UInt64 {
        members().reduce(0) { sum, process in sum + Self.anonymousMemory(process) }
    }

    private func members() -> [pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
        var children: [pid_t: [pid_t]] = [:]
        for process in all {
            guard let fields = Self.fields(process), fields.count > 1, let parent = pid_t(fields[1]) else { continue }
            children[parent, default: []].append(process)
        }
        var result: [pid_t] = []
        var waiting = [root]
        while let process = waiting.popLast() {
            result.append(process)
            waiting += children[process] ?? []
        }
        return result
    }

    /// The fields of /proc/PID/stat from the third (state) on: the second is a name that may hold anything.
    private static func fields(_ process: pid_t) -> [Substring]? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        return text[text.index(after: end)...].split(separator: " ")
    }

    /// utime, stime, cutime, cstime: fields 14 to 17.
    private static func ticks(_ fields: [Substring]) -> UInt64 {
        fields.count > 14 ? fields[11...14].reduce(0) { $0 + (UInt64($1) ?? 0) } : 0
    }

    private static func anonymousMemory(_ process: pid_t) -> UInt64 {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else { return 0 }
        for line in text.split(separator: "\n") where line.hasPrefix("RssAnon:") {
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { UInt64($0) }.map { $0 * 1024 }
                ?? 0
        }
        return 0
    }
}
