/// Software at the version at which this host has it: what [MS-CSVP] 3.16.1 calls a ClusterUpdate.
///
/// On Linux a package's version is the unit in which software is brought up to date, so each installed package is one update,
/// whether it came with the system or later: two hosts with the same software have the same updates, however they got there.
public struct HostUpdate: Sendable, Hashable {
    /// The package, its architecture and its version as the package manager itself takes them: `openssl:amd64=3.0.19-1` for
    /// apt-get, `openssl-1:3.0.7-27.el9.x86_64` for rpm. The same on every host.
    public var id: String
    /// The package and its version.
    public var title: String
    /// What the package is and, below an empty line, what this version changed, as its changelog tells. Bounded.
    public var description: String
    /// Where its users are helped: the package's home page, or the distribution's; empty where neither is known.
    public var supportURL: String
    /// The CVE numbers of what the update repaired, in order, each once.
    public var articleIDs: [String]
    /// The advisories that the changelog names, such as `DSA-5764-1`, in order, each once.
    public var bulletinIDs: [String]
    /// The ``id``s of the versions of this package that it took the place of on this host, newest first.
    public var supersededIDs: [String]

    /// From its parts.
    public init(
        id: String, title: String, description: String = "", supportURL: String = "", articleIDs: [String] = [],
        bulletinIDs: [String] = [], supersededIDs: [String] = []
    ) {
        self.id = id
        self.title = title
        self.description = description
        self.supportURL = supportURL
        self.articleIDs = articleIDs
        self.bulletinIDs = bulletinIDs
        self.supersededIDs = supersededIDs
    }

    /// The longest ``description``, in characters of UTF-16: thousands of updates go into one answer.
    static let descriptionLimit = 1024
    /// The most entries of ``articleIDs``, ``bulletinIDs`` and ``supersededIDs`` each.
    static let listLimit = 4096

    /// A description of a package and its change, cut where it is too long.
    static func description(summary: String, changes: String) -> String {
        let text = changes.isEmpty ? summary : summary.isEmpty ? changes : summary + "\n\n" + changes
        guard text.utf16.count > descriptionLimit else { return text }
        var cut = ""
        var length = 0
        for character in text {
            length += character.utf16.count
            guard length < descriptionLimit else { break }
            cut.append(character)
        }
        return cut + "…"
    }
}
