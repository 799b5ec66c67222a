import ClusterProtocols
import HostInventory

/// What `clusprep updates --json` prints.
struct UpdateListing: Encodable, Equatable {
    /// One update. The lists may be empty; there is no field that is missing.
    struct Entry: Encodable, Equatable {
        /// What it is recognized by, the same on every node.
        var id: String
        var title: String
        var description: String
        var supportURL: String
        /// Articles of a knowledge base; CVE numbers on a Linux node.
        var articles: [String]
        /// Security bulletins: advisories.
        var bulletins: [String]
        /// The identifiers of the updates that it supersedes.
        var supersedes: [String]

        init(_ update: NodeUpdate) {
            id = update.id
            title = update.title
            description = update.description
            supportURL = update.supportURL
            articles = update.articleIDs
            bulletins = update.bulletinIDs
            supersedes = update.supersededIDs
        }

        init(_ update: HostUpdate) {
            id = update.id
            title = update.title
            description = update.description
            supportURL = update.supportURL
            articles = update.articleIDs
            bulletins = update.bulletinIDs
            supersedes = update.supersededIDs
        }

        /// Whether it is known to repair a vulnerability.
        var isSecurity: Bool { !articles.isEmpty || !bulletins.isEmpty }
    }

    /// Grows when a field changes its meaning or goes; new fields do not change it.
    var schema = 1
    /// The number of updates that are installed, also where fewer are listed.
    var count: Int
    /// The updates.
    var updates: [Entry]

    /// - Parameter security: leave out what is not known to repair a vulnerability.
    init(_ updates: [Entry], security: Bool) {
        count = updates.count
        self.updates = security ? updates.filter(\.isSecurity) : updates
    }

    /// For people: a line for each update, and below it what it superseded and repaired.
    func lines(on terminal: Terminal) -> [String] {
        var lines: [String] = []
        for update in updates {
            lines.append(Terminal.printable(Self.line(update.title)))
            var details: [String] = []
            if let previous = update.supersedes.first {
                let more = update.supersedes.count > 1 ? " and \(update.supersedes.count - 1) before it" : ""
                details.append("supersedes \(previous)\(more)")
            }
            if update.isSecurity { details.append("repairs " + Self.abridged(update.bulletins + update.articles)) }
            lines += details.map { "    " + terminal.styled(Terminal.printable(Self.line($0)), .dim) }
        }
        let listed = updates.count == count ? "" : ", \(updates.count) listed"
        lines.append(terminal.styled("\(count) \(count == 1 ? "update" : "updates")\(listed)", .bold))
        return lines
    }

    /// A node's text does not get to make lines of its own.
    private static func line(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    private static func abridged(_ names: [String]) -> String {
        let shown = 6
        guard names.count > shown else { return names.joined(separator: ", ") }
        return names.prefix(shown).joined(separator: ", ") + " and \(names.count - shown) more"
    }
}
