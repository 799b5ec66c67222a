/// The names of vulnerabilities and advisories in a changelog.
struct Advisories: Equatable {
    /// CVE numbers, in the order in which they come, each once.
    private(set) var vulnerabilities: [String] = []
    /// Advisories of distributions, likewise.
    private(set) var bulletins: [String] = []
    private var seen: Set<String> = []

    private static let vulnerability = Array("CVE".utf8)
    /// How a distribution's advisories begin, and of which parts of digits they consist, by what stands before each.
    private static let families: [(prefix: [UInt8], separators: [UInt8])] =
        ["DSA", "DLA", "ELA", "USN", "LSN"].map { (Array($0.utf8), Array("--".utf8)) }
        + ["RHSA", "RHBA", "RHEA", "ALSA", "ALBA", "ALEA", "RLSA", "RLBA", "RLEA"].map {
            (Array($0.utf8), Array("-:".utf8))
        }
        + ["ELSA", "ELBA", "ELEA"].map { (Array($0.utf8), Array("--".utf8)) }
        + ["SUSE-SU", "SUSE-RU", "openSUSE-SU"].map { (Array($0.utf8), Array("-:-".utf8)) }

    /// Adds what a piece of text names.
    mutating func add(_ text: some Collection<UInt8>) {
        let octets = Array(text)
        var isInWord = false
        for index in octets.indices {
            let isWord = Self.isAlphanumeric(octets[index])
            if isWord, !isInWord { add(at: octets[index...]) }
            isInWord = isWord
        }
    }

    private mutating func add(at text: ArraySlice<UInt8>) {
        // CVE-2024-6387: a year, and four digits or more.
        if let rest = Self.rest(of: text, after: Self.vulnerability) {
            if let name = Self.numbers(rest, Array("--".utf8), named: Self.vulnerability), name.utf8.count >= 13 {
                note(name, in: \.vulnerabilities)
            }
            return
        }
        for family in Self.families {
            guard let rest = Self.rest(of: text, after: family.prefix) else { continue }
            if let name = Self.numbers(rest, family.separators, named: family.prefix) { note(name, in: \.bulletins) }
            return
        }
    }

    private mutating func note(_ name: String, in list: WritableKeyPath<Advisories, [String]>) {
        guard self[keyPath: list].count < HostUpdate.listLimit, seen.insert(name).inserted else { return }
        self[keyPath: list].append(name)
    }

    /// What comes after the prefix, in whatever case it is written.
    private static func rest(of text: ArraySlice<UInt8>, after prefix: [UInt8]) -> ArraySlice<UInt8>? {
        guard text.count > prefix.count, zip(text, prefix).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) else { return nil }
        return text.dropFirst(prefix.count)
    }

    /// The name as it is written properly, of as many numbers as there are separators. Anything may follow it.
    private static func numbers(_ text: ArraySlice<UInt8>, _ separators: [UInt8], named prefix: [UInt8]) -> String? {
        var rest = text
        var name = prefix
        for separator in separators {
            guard rest.first == separator else { return nil }
            let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty, digits.count <= 19 else { return nil }
            name += [separator] + digits
            rest = rest.dropFirst(1 + digits.count)
        }
        return String(decoding: name, as: UTF8.self)
    }

    private static func isAlphanumeric(_ octet: UInt8) -> Bool {
        (0x30...0x39).contains(octet) || (0x61...0x7A).contains(octet | 0x20)
    }
}
