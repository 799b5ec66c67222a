/// What is asked of rpm for each package.
enum RPMField: String, CaseIterable {
    case name = "NAME"
    /// 0 where the package has none.
    case epoch = "EPOCHNUM"
    case version = "VERSION"
    case release = "RELEASE"
    case architecture = "ARCH"
    case summary = "SUMMARY"
    case url = "URL"
    case bugURL = "BUGURL"
    /// The newest entry of the changelog: a tag with many values shows its first outside of brackets.
    case change = "CHANGELOGTEXT"

    /// rpm's format for these fields: each in single quotes, as a shell takes them, so that no text of a package's can be
    /// mistaken for the end of a field. A field that is missing is empty; rpm itself would say "(none)".
    static func format(of fields: [RPMField]) -> String {
        fields.map { "%|\($0.rawValue)?{%{\($0.rawValue):shescape}}:{''}|" }.joined(separator: " ") + "\\n"
    }
}

/// The fields of one package.
struct RPMFields: Equatable {
    private var values: [RPMField: String] = [:]

    /// A field; empty where the package has none, or it was not asked for.
    subscript(field: RPMField) -> String {
        values[field] ?? ""
    }

    /// The version with its release, and its epoch where it has one.
    var version: String {
        let version = "\(self[.version])-\(self[.release])"
        return ["", "0"].contains(self[.epoch]) ? version : "\(self[.epoch]):\(version)"
    }

    /// The package's name as rpm and dnf take it: NAME-[EPOCH:]VERSION-RELEASE.ARCH.
    var id: String {
        "\(self[.name])-\(version)" + (self[.architecture].isEmpty ? "" : "." + self[.architecture])
    }

    /// Reads what rpm printed with the format of these fields.
    ///
    /// - Throws: ``HostUpdatesError/malformed(source:reason:)``.
    static func parse(
        _ octets: [UInt8], fields: [RPMField], program: String
    ) throws(HostUpdatesError) -> [RPMFields] {
        var packages: [RPMFields] = []
        var reader = ShellWords(octets: octets)
        while !reader.isAtEnd {
            var package = RPMFields()
            for (index, field) in fields.enumerated() {
                guard let word = reader.word() else {
                    throw .malformed(
                        source: "the output of \(program)", reason: "package \(packages.count + 1) has no \(field)")
                }
                guard reader.skip(index == fields.count - 1 ? 0x0A : 0x20) else {
                    throw .malformed(
                        source: "the output of \(program)", reason: "something follows \(field) of \(package.id)")
                }
                package.values[field] = String(ofUnknownEncoding: word)
            }
            packages.append(package)
        }
        return packages
    }
}

/// Words as a shell reads them, of those forms that rpm writes: digits, 'quoted', and 'it'\''s'.
private struct ShellWords {
    let octets: [UInt8]
    private var position = 0

    init(octets: [UInt8]) {
        self.octets = octets
    }

    var isAtEnd: Bool { position == octets.count }

    mutating func skip(_ octet: UInt8) -> Bool {
        guard position < octets.count, octets[position] == octet else { return false }
        position += 1
        return true
    }

    /// The next word; nil where there is none, or it does not end.
    mutating func word() -> [UInt8]? {
        let quote = UInt8(ascii: "'")
        let start = position
        var word: [UInt8] = []
        while position < octets.count {
            switch octets[position] {
            case quote:
                guard let end = octets[(position + 1)...].firstIndex(of: quote) else { return nil }
                word += octets[(position + 1)..<end]
                position = end + 1
            case UInt8(ascii: "\\"):
                guard position + 1 < octets.count else { return nil }
                word.append(octets[position + 1])
                position += 2
            case 0x30...0x39:
                // Numbers are printed without quotes.
                word.append(octets[position])
                position += 1
            default:
                return position == start ? nil : word
            }
        }
        return position == start ? nil : word
    }
}
