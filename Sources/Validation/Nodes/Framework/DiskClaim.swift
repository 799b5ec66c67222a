import Foundation

/// What a validation writes to a sector that belongs to nothing, so that another validation knows of it.
struct DiskClaim: Sendable, Hashable {
    /// The validation.
    var id: UUID
    /// The machine that it is run from.
    var host: String
    /// Its process there.
    var process: Int32
    /// When it last said so.
    var renewed: Date

    /// After this time without a renewal nobody is behind a claim any more: longer than any test takes.
    static let lifetime: TimeInterval = 30 * 60

    private static let thisHost = ProcessInfo.processInfo.hostName
    private static let heading = "clusprep validation"

    /// A sector of 512 octets: readable text, then zeros.
    var sector: [UInt8] {
        let text = "\(Self.heading)\n\(id.uuidString)\n\(Int64(renewed.timeIntervalSince1970))\n\(process)\n\(host)\n"
        let octets = Array(text.utf8.prefix(512))
        return octets + [UInt8](repeating: 0, count: 512 - octets.count)
    }

    init(
        id: UUID, host: String? = nil, process: Int32 = ProcessInfo.processInfo.processIdentifier,
        renewed: Date = Date()
    ) {
        self.id = id
        self.host = host ?? Self.thisHost
        self.process = process
        self.renewed = renewed
    }

    /// What a sector says; nil for one with anything else in it.
    init?(sector: [UInt8]) {
        let lines = String(decoding: sector.prefix { $0 != 0 }, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 5, lines[0] == Self.heading, let id = UUID(uuidString: String(lines[1])),
            let seconds = Int64(lines[2]), seconds.magnitude < 1 << 40, let process = Int32(lines[3]), process > 0
        else { return nil }
        self.init(
            id: id, host: String(lines[4]), process: process,
            renewed: Date(timeIntervalSince1970: TimeInterval(seconds)))
    }

    /// Whether somebody is still behind it.
    func isAlive(at now: Date) -> Bool {
        // Of a process here more is known than when it last said something. A number that was given to another one since is taken for it.
        if host == Self.thisHost, kill(process, 0) != 0, errno == ESRCH { return false }
        // A clock that is ahead of ours counts as well: the distance is what matters.
        return abs(now.timeIntervalSince(renewed)) < Self.lifetime
    }

    /// Who it is, for somebody who was kept away by it.
    var words: String {
        "another validation, run from \(host), is at work on it (it last said so at \(renewed.formatted(.iso8601)))"
    }
}
