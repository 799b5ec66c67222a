import Foundation

/// What was measured, as rows of measures and columns of servers.
struct Report {
    enum Unit: String {
        case calls = "calls/s"
        case values = "values/s"
        case machine = "rounds/s"
        case microseconds = "µs"
        case milliseconds = "ms"
        case kibibytes = "KiB"
        case reads = "reads/s"
        case cycles = "cycles/s"
        case mebibytes = "MiB/s"

        fileprivate var digits: Int {
            switch self {
            case .calls, .values, .machine, .reads, .cycles: 0
            case .microseconds, .milliseconds, .kibibytes, .mebibytes: 1
            }
        }
    }

    private struct Row {
        var measure: String
        var unit: Unit
        /// By column; the machine's own measures are under the empty name.
        var values: [String: Double]
        /// The least and the greatest ratio of a round, and their median.
        var ratio: (least: Double, median: Double, greatest: Double)?
    }

    let rounds: Int
    let seconds: Double
    /// The servers.
    var columns: [String] = []
    private var rows: [Row] = []
    private var notes: [String] = []

    init(rounds: Int, seconds: Double) {
        self.rounds = rounds
        self.seconds = seconds
    }

    mutating func set(_ measure: String, _ column: String = "", _ unit: Unit, _ value: Double) {
        if let index = rows.firstIndex(where: { $0.measure == measure }) {
            rows[index].values[column] = value
        } else {
            rows.append(Row(measure: measure, unit: unit, values: [column: value]))
        }
    }

    mutating func set(_ measure: String, _ unit: Unit, _ value: Double) {
        set(measure, "", unit, value)
    }

    /// Gives a measure the ratios of its two columns, a round each: the median of them is printed, with the spread.
    mutating func set(_ measure: String, ratios: [Double]) {
        guard let index = rows.firstIndex(where: { $0.measure == measure }), let least = ratios.min(),
            let greatest = ratios.max()
        else { return }
        rows[index].ratio = (least, Statistics.median(ratios), greatest)
    }

    mutating func note(_ text: String) {
        notes.append(text)
    }

    /// For people.
    func table() -> String {
        var lines = [["", ""] + (columns.isEmpty ? [""] : columns)]
        // What two servers have in common is told apart by their ratio.
        if columns.count == 2 { lines[0].append("\(columns[0]) / \(columns[1])") }
        for row in rows {
            var cells = [row.measure, row.unit.rawValue]
            if let own = row.values[""] {
                cells.append(text(own, row.unit))
            } else {
                cells += columns.map { name in row.values[name].map { text($0, row.unit) } ?? "-" }
            }
            if let ratio = row.ratio {
                cells.append(String(format: "%.2f (%.2f-%.2f)", ratio.median, ratio.least, ratio.greatest))
            } else if columns.count == 2, let first = row.values[columns[0]], let second = row.values[columns[1]],
                second > 0
            {
                cells.append(String(format: "%.2f", first / second))
            }
            lines.append(cells)
        }
        let columnCount = lines.map(\.count).max() ?? 0
        let widths: [Int] = (0..<columnCount).map { column in
            lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        let body: [String] = lines.map { cells in
            cells.enumerated().map { index, cell -> String in
                let padding = String(repeating: " ", count: widths[index] - cell.count)
                return index < 2 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        let head = "\(Self.machine); medians of \(rounds) rounds of \(seconds) s"
        return ([head, ""] + body + (notes.isEmpty ? [] : [""] + notes)).joined(separator: "\n")
    }

    /// For programs: an array of the reports.
    static func json(_ reports: [Report]) throws -> String {
        let data = try JSONSerialization.data(
            withJSONObject: reports.map(\.object), options: [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }

    private var object: [String: Any] {
        let measures = rows.map { row -> [String: Any] in
            var object: [String: Any] = [
                "measure": row.measure, "unit": row.unit.rawValue,
                "values": row.values.mapKeys { $0.isEmpty ? "machine" : $0 },
            ]
            if let ratio = row.ratio {
                object["ratio"] = ["least": ratio.least, "median": ratio.median, "greatest": ratio.greatest]
            }
            return object
        }
        return [
            "machine": Self.machine, "rounds": rounds, "seconds": seconds, "measures": measures, "notes": notes,
        ]
    }

    private func text(_ value: Double, _ unit: Unit) -> String {
        String(format: "%.\(unit.digits)f", value)
    }

    private static var machine: String {
        let information = ProcessInfo.processInfo
        #if DEBUG
            let configuration = ", a debug build of the client"
        #else
            let configuration = ""
        #endif
        return
            "\(information.activeProcessorCount) processors, \(information.operatingSystemVersionString)\(configuration)"
    }
}

extension Dictionary where Key == String {
    fileprivate func mapKeys(_ transform: (String) -> String) -> [String: Value] {
        Dictionary(uniqueKeysWithValues: map { (transform($0.key), $0.value) })
    }
}

enum Statistics {
    /// The middle one, or the mean of the middle two.
    static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

extension Duration {
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }

    var milliseconds: Double {
        seconds * 1000
    }
}
