import Glibc
import Reservations

/// What ifupdown is told to do: `/etc/network/interfaces` (interfaces(5)) and what it draws in.
struct InterfacesFile {
    /// The names of the descriptions that ask for DHCP, in either family.
    private var automatic: Set<String> = []
    /// By the name of each link that ifupdown has brought up, the description it used; nil where it keeps no record.
    private let inUse: [String: String]?

    /// Files that draw each other in end somewhere.
    private static let deepest = 8

    init(files: HostFiles) {
        inUse = files.text("/run/network/ifstate").map { text in
            text.split(whereSeparator: \.isNewline).reduce(into: [:]) { names, line in
                let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
                guard let link = parts.first else { return }
                names[link] = parts.last
            }
        }
        read("/etc/network/interfaces", files: files, depth: 0)
    }

    /// Whether ifupdown has set the link up with DHCP.
    func usesDHCP(_ name: String) -> Bool {
        guard let inUse else { return automatic.contains(name) }
        return inUse[name].map(automatic.contains) ?? false
    }

    private mutating func read(_ path: String, files: HostFiles, depth: Int) {
        guard depth < Self.deepest, let text = files.text(path) else { return }
        // A backslash at its end continues a line.
        for line in text.replacing("\\\n", with: " ").split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            switch words.first {
            case "iface" where words.count >= 4 && words[2].hasPrefix("inet") && words[3] == "dhcp":
                automatic.insert(words[1])
            case "source" where words.count == 2:
                for file in Self.matching(Self.absolute(words[1], from: path), files: files) {
                    read(file, files: files, depth: depth + 1)
                }
            case "source-directory" where words.count == 2:
                let folder = Self.absolute(words[1], from: path)
                for file in files.names(folder) where file.allSatisfy(Self.isPlain) {
                    read("\(folder)/\(file)", files: files, depth: depth + 1)
                }
            default: break
            }
        }
    }

    /// Names of other characters a folder's files are not read under, so that editors' copies are not.
    private static func isPlain(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || character == "_" || character == "-")
    }

    private static func absolute(_ path: String, from file: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        return file.prefix(through: file.lastIndex(of: "/") ?? file.startIndex) + path
    }

    /// The files that a pattern stands for; wildcards are looked for in the last part of the path only.
    private static func matching(_ pattern: String, files: HostFiles) -> [String] {
        guard pattern.contains(where: { "*?[".contains($0) }), let slash = pattern.lastIndex(of: "/") else {
            return [pattern]
        }
        let (folder, names) = (String(pattern[..<slash]), String(pattern[pattern.index(after: slash)...]))
        return files.names(folder).filter { fnmatch(names, $0, FNM_PERIOD) == 0 }.map { "\(folder)/\($0)" }
    }
}
