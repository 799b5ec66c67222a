/// The start of a Debian package's changelog (deb-changelog(5)).
struct DebianChangelog {
    /// What one version changed.
    struct Entry: Equatable {
        var version: String
        /// A rebuild without a change of the source.
        var isBinaryOnly: Bool
        /// The lines between the heading and the signature.
        var body: [ArraySlice<UInt8>]
    }

    /// The entries, newest first. The last one may be cut.
    let entries: [Entry]

    /// Reads a changelog, or its start.
    init(_ octets: [UInt8]) {
        var entries: [Entry] = []
        for line in octets.lines {
            if let heading = Self.heading(line) {
                entries.append(heading)
            } else if line.starts(with: " -- ".utf8) {
                continue
            } else if !entries.isEmpty {
                entries[entries.count - 1].body.append(line)
            }
        }
        self.entries = entries
    }

    /// "package (version) distributions; metadata", at the start of the line.
    private static func heading(_ line: ArraySlice<UInt8>) -> Entry? {
        guard let first = line.first, first > 0x20,
            let open = line.firstIndex(of: UInt8(ascii: "(")), open > line.startIndex,
            line[line.index(before: open)] == 0x20,
            let close = line[open...].firstIndex(of: UInt8(ascii: ")")),
            let semicolon = line[close...].firstIndex(of: UInt8(ascii: ";")),
            !line[line.startIndex..<(open - 1)].contains(0x20)
        else { return nil }
        let version = line[(open + 1)..<close]
        guard !version.isEmpty, !version.contains(0x20) else { return nil }
        let metadata = String(decoding: line[semicolon...], as: UTF8.self).lowercased()
        return Entry(
            version: String(ofUnknownEncoding: version), isBinaryOnly: metadata.contains("binary-only=yes"), body: [])
    }

    /// What an update brought to a host: the newest entry, and further ones down to the version that the host had before.
    ///
    /// - Parameter previous: that version; nil where none is known. Where the changelog counts differently than the package, its
    ///   versions cannot be compared, and the newest entry stands alone.
    func entries(since previous: String?) -> ArraySlice<Entry> {
        // The change is below the note that the package was built again.
        let newest = entries.firstIndex { !$0.isBinaryOnly } ?? entries.startIndex
        guard let previous, !entries.isEmpty else { return entries.prefix(newest + 1) }
        let old = DebianVersion(previous)
        guard let end = entries.firstIndex(where: { DebianVersion($0.version) <= old }) else {
            return entries.prefix(newest + 1)
        }
        return entries.prefix(max(end, newest + 1))
    }

    /// The text of the newest change, without the indentation and empty lines around it.
    var newestChange: String {
        guard let entry = entries.first(where: { !$0.isBinaryOnly }) ?? entries.first else { return "" }
        var lines: [String] = []
        var length = 0
        for line in entry.body {
            var text = String(ofUnknownEncoding: line)[...]
            if text.hasPrefix("  ") { text = text.dropFirst(2) }
            while text.last?.isWhitespace == true { text.removeLast() }
            if text.isEmpty, lines.last?.isEmpty ?? true { continue }
            lines.append(String(text))
            length += text.utf16.count + 1
            if length > HostUpdate.descriptionLimit { break }
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.joined(separator: "\n")
    }

    /// The advisories that some entries name.
    static func advisories(in entries: ArraySlice<Entry>) -> Advisories {
        var advisories = Advisories()
        for entry in entries {
            for line in entry.body { advisories.add(line) }
        }
        return advisories
    }
}
