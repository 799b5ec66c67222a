import Foundation

/// What a validation writes to a sector that belongs to nothing, so that another validation knows of it.
struct DiskClaim: Sendable, Hashable {
    /// The validation.
    var id: UUID
    /// The machine that it is run from.
    var host: String
    /// Its process there.
    var process: Int32
    /// What tells that machine, from its start on, and the numbering of its processes from any other; empty where nothing does.
    var place: String
    /// When it last said so.
    var renewed: Date

    /// After this time without a renewal nobody is behind a claim any more: longer than any test takes.
    static let lifetime: TimeInterval = 30 * 60

    /// The octets of a sector, as CprepDiskRawRead and CprepDiskRawWrite have them.
    static let size = 512

    private static let thisHost = ProcessInfo.processInfo.hostName
    /// This start of this machine, and its namespace of processes: names of hosts are given more than once.
    private static let thisPlace: String = {
        let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        let processes = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
        guard let boot, let processes else { return "" }
        return boot.trimmingCharacters(in: .whitespacesAndNewlines) + " " + processes
    }()
    private static let heading = "clusprep validation"

    /// A sector of 512 octets: readable text, then zeros.
    var sector: [UInt8] { sector(filledWith: 0) }

    /// The same with something else behind the text, for tests to write: whoever reads it knows whose it is, and that it is not what
    /// belongs there.
    func sector(filledWith filler: UInt8) -> [UInt8] {
        let time = Int64(renewed.timeIntervalSince1970)
        let text = "\(Self.heading)\n\(id.uuidString)\n\(time)\n\(process)\n\(place)\n\(host)\n"
        let octets = Array(text.utf8.prefix(Self.size))
        return octets + [UInt8](repeating: filler, count: Self.size - octets.count)
    }

    init(
        id: UUID, host: String? = nil, process: Int32 = ProcessInfo.processInfo.processIdentifier,
        place: String? = nil, renewed: Date = Date()
    ) {
        self.id = id
        self.host = host ?? Self.thisHost
        self.process = process
        self.place = place ?? Self.thisPlace
        self.renewed = renewed
    }

    /// What a sector says; nil for one with anything else in it.
    init?(sector: [UInt8]) {
        let lines = String(decoding: sector.prefix { $0 != 0 }, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 6, lines[0] == Self.heading, let id = UUID(uuidString: String(lines[1])),
            let seconds = Int64(lines[2]), seconds.magnitude < 1 << 40, let process = Int32(lines[3]), process > 0
        else { return nil }
        self.init(
            id: id, host: String(lines[5]), process: process, place: String(lines[4]),
            renewed: Date(timeIntervalSince1970: TimeInterval(seconds)))
    }

    /// Whether somebody is still behind it.
    func isAlive(at now: Date) -> Bool {
        // Of a process here more is known than when it last said something. A number that was given to another one since is taken for it.
        if !place.isEmpty, place == Self.thisPlace, kill(process, 0) != 0, errno == ESRCH { return false }
        // A clock that is ahead of ours counts as well: the distance is what matters.
        return abs(now.timeIntervalSince(renewed)) < Self.lifetime
    }

    /// Who it is, for somebody who was kept away by it.
    var words: String {
        "another validation, run from \(host), is at work on it (it last said so at \(renewed.formatted(.iso8601)))"
    }
}
