/// Which versions packages had before, as the logs of dpkg and apt tell.
struct DpkgHistory {
    private struct Key: Hashable {
        var name: Substring
        var architecture: Substring
    }

    /// The versions that an upgrade took away, by package.
    private var replaced: [Key: Set<String>] = [:]
    private var architectures: [Substring: Set<Substring>] = [:]

    /// Reads a log of dpkg's (dpkg(1), `--log`): "YYYY-MM-DD HH:MM:SS upgrade PACKAGE OLD NEW".
    mutating func add(dpkgLog octets: [UInt8]) {
        for line in octets.lines {
            let words = line.split(separator: 0x20, maxSplits: 6)
            guard words.count == 6, words[2].elementsEqual("upgrade".utf8) else { continue }
            note(words[3], old: words[4], new: words[5])
        }
    }

    /// Reads a history of apt's: "Upgrade: PACKAGE (OLD, NEW), PACKAGE (OLD, NEW)". It calls the architecture of packages that
    /// have none, "all", by that of the host.
    mutating func add(aptHistory octets: [UInt8]) {
        for line in octets.lines where line.starts(with: "Upgrade: ".utf8) {
            for entry in line.dropFirst("Upgrade: ".utf8.count).split(separator: UInt8(ascii: ")")) {
                let words = entry.split { [UInt8(ascii: ","), UInt8(ascii: "("), 0x20].contains($0) }
                guard words.count >= 3 else { continue }
                note(words[0], old: words[1], new: words[2])
            }
        }
    }

    private mutating func note(_ package: ArraySlice<UInt8>, old: ArraySlice<UInt8>, new: ArraySlice<UInt8>) {
        guard old != new, !old.starts(with: "<".utf8) else { return }
        let parts = String(decoding: package, as: UTF8.self).split(separator: ":", maxSplits: 1)
        guard let name = parts.first else { return }
        let key = Key(name: name, architecture: parts.count == 2 ? parts[1] : "")
        replaced[key, default: []].insert(String(decoding: old, as: UTF8.self))
        architectures[name, default: []].insert(key.architecture)
    }

    /// The versions that the one installed now supersedes: those that went in upgrades and are older, newest first.
    func superseded(by package: DpkgPackage) -> [String] {
        let name = package.name[...]
        // dpkg before 1.16.2 and apt do not tell the architecture as the database has it.
        let known = architectures[name, default: []].filter { architecture in
            architecture.isEmpty || package.architecture == "all" || architecture == package.architecture
        }
        let installed = DebianVersion(package.version)
        let versions = known.reduce(into: Set<String>()) { versions, architecture in
            versions.formUnion(replaced[Key(name: name, architecture: architecture), default: []])
        }
        let older = versions.filter { DebianVersion($0) < installed }.sorted { lhs, rhs in
            let (left, right) = (DebianVersion(lhs), DebianVersion(rhs))
            // Two ways of writing one version still have an order.
            return left == right ? lhs > rhs : left > right
        }
        return Array(older.prefix(HostUpdate.listLimit))
    }
}
