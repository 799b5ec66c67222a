import InterfaceValues
import NDR

/// What may differ between a capture's answers and a live server's, and what is to be changed in the requests.
///
/// A file of rules has one rule to a line; `#` begins a comment:
///
/// ```
/// allow IClusterStorage2.*.ulLatency : a measured time
/// allow-type FILETIME : a time
/// replace-text node1 node2
/// replace IClusterStorage2.CprepDiskRawRead.ulSector 34 63
/// ```
public struct ReplayRules: Sendable, Hashable {
    /// A rule that lets values differ.
    public struct Allowance: Sendable, Hashable {
        /// Which values.
        public enum Selection: Sendable, Hashable {
            /// Those whose path is this: `Interface.Operation.field.field[0]`, where `*` stands for any characters.
            case path(String)
            /// Those of this type, as the IDL spells it, and all that is in them.
            case type(String)
        }

        /// Which values.
        public var selection: Selection
        /// Why they may differ.
        public var reason: String

        /// From its parts.
        public init(_ selection: Selection, reason: String) {
            self.selection = selection
            self.reason = reason
        }
    }

    /// A rule that changes an integer of a request.
    public struct Replacement: Sendable, Hashable {
        /// The values' path.
        public var path: String
        /// The value that is changed.
        public var from: UInt64
        /// What it becomes.
        public var to: UInt64
    }

    /// What may differ; the first one that fits is the one that is named.
    public var allowances: [Allowance]
    /// What is changed in the texts of requests.
    public var texts: [String: String]
    /// What is changed among the GUIDs of requests.
    public var guids: [GUID: GUID]
    /// What is changed among the integers of requests.
    public var replacements: [Replacement]
    /// Associations that are left out, by their number in the capture, and why.
    public var skippedAssociations: [Int: String] = [:]

    /// From its parts.
    public init(
        allowances: [Allowance] = [], texts: [String: String] = [:], guids: [GUID: GUID] = [:],
        replacements: [Replacement] = []
    ) {
        self.allowances = allowances
        self.guids = guids
        self.texts = texts
        self.replacements = replacements
    }

    /// What differs between any two servers, or any two days.
    ///
    /// OXIDs, OIDs, IPIDs, ping sets, context handles and causality identifiers need no rule: they are mapped.
    public static let standard = ReplayRules(allowances: [
        Allowance(.type("DUALSTRINGARRAY"), reason: "the addresses and principals of a host"),
        Allowance(.type("twr_t"), reason: "the address of a host"),
        Allowance(.type("FILETIME"), reason: "a time"),
        Allowance(.type("SYSTEMTIME"), reason: "a time"),
        Allowance(.path("IClusterStorage2.*.ulLatency"), reason: "a measured time"),
        Allowance(.path("IClusterNetwork2.SendRTMessage.RTElapsedTime"), reason: "a measured time"),
    ])

    /// The rules of a file, behind those that this one has.
    ///
    /// - Throws: ``ReplayRuleError``, which names the line.
    public mutating func add(_ text: String) throws(ReplayRuleError) {
        // A carriage return and a line feed are one character, which is a newline as well.
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            do throws(ReplayRuleError.Reason) {
                try add(rule: String(line))
            } catch {
                throw ReplayRuleError(line: index + 1, reason: error)
            }
        }
    }

    private mutating func add(rule line: String) throws(ReplayRuleError.Reason) {
        let content = line.prefix { $0 != "#" }
        // Behind a colon there is a reason, but what replaces has none: its texts may be paths and addresses with colons.
        let hasReason = !content.drop(while: \.isWhitespace).hasPrefix("replace")
        let parts = content.split(separator: ":", maxSplits: hasReason ? 1 : 0).map(String.init)
        let words = (parts.first ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
        let reason = parts.count == 2 ? parts[1].trimmingSpaces : ""
        guard let keyword = words.first else { return }
        switch (keyword, words.count) {
        case ("allow", 2), ("allow-type", 2):
            guard !reason.isEmpty else { throw .missingReason }
            allowances.append(Allowance(keyword == "allow" ? .path(words[1]) : .type(words[1]), reason: reason))
        case ("skip-association", 2):
            guard !reason.isEmpty else { throw .missingReason }
            guard let number = Int(words[1]) else { throw .notANumber }
            skippedAssociations[number] = reason
        case ("replace-text", 3):
            texts[words[1]] = words[2]
        case ("replace-guid", 3):
            guard let from = GUID(words[1]), let to = GUID(words[2]) else { throw .notAGUID }
            guids[from] = to
        case ("replace", 4):
            guard let from = UInt64(prefixed: words[2]), let to = UInt64(prefixed: words[3]) else { throw .notANumber }
            replacements.append(Replacement(path: words[1], from: from, to: to))
        case ("allow", _), ("allow-type", _), ("skip-association", _), ("replace-text", _), ("replace-guid", _),
            ("replace", _):
            throw .wrongNumberOfWords(keyword)
        default:
            throw .unknownRule(keyword)
        }
    }

    /// The reason for which a value at this path may differ; nil if it may not.
    ///
    /// - Parameter types: The type of the value, and those of all that it is in.
    func allowance(path: String, types: [String]) -> String? {
        allowances.first { allowance in
            switch allowance.selection {
            case .path(let pattern): Self.matches(path, pattern)
            case .type(let type): types.contains(type)
            }
        }?.reason
    }

    /// Whether `*` in a pattern can stand for such characters that it becomes the text.
    static func matches(_ text: String, _ pattern: String) -> Bool {
        let pieces = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard pieces.count > 1 else { return text == pattern }
        guard text.hasPrefix(pieces[0]) else { return false }
        var rest = text.dropFirst(pieces[0].count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let range = rest.firstRange(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return rest.hasSuffix(pieces[pieces.count - 1])
    }
}

/// A line that is no rule.
public struct ReplayRuleError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong with it.
    public enum Reason: Error, Sendable, Hashable {
        /// The first word is no rule's.
        case unknownRule(String)
        /// There are too few or too many words.
        case wrongNumberOfWords(String)
        /// A value may differ, but nothing says why.
        case missingReason
        /// A number is neither decimal nor `0x` and hexadecimal digits.
        case notANumber
        /// A GUID is not `8-4-4-4-12` hexadecimal digits.
        case notAGUID
    }

    /// The line, from 1.
    public let line: Int
    /// What is wrong with it.
    public let reason: Reason

    /// One sentence with the line's number.
    public var description: String {
        switch reason {
        case .unknownRule(let word):
            "line \(line): '\(word)' is no rule: allow, allow-type, replace-text, replace-guid, replace and "
                + "skip-association are"
        case .wrongNumberOfWords(let word): "line \(line): '\(word)' has too few or too many words"
        case .missingReason: "line \(line): say behind a colon why the values may differ"
        case .notANumber: "line \(line): a number is decimal, or 0x and hexadecimal digits"
        case .notAGUID: "line \(line): a GUID is 8-4-4-4-12 hexadecimal digits"
        }
    }
}

// MARK: - Replacements

extension ReplayRules {
    /// The value with what the rules replace.
    func replaced(_ value: FieldValue, _ path: String) -> FieldValue {
        switch value {
        case .unsigned(let number): .unsigned(replaced(number, path))
        case .signed(let number): .signed(Int64(bitPattern: replaced(UInt64(bitPattern: number), path)))
        case .guid(let guid): .guid(guids[guid] ?? guid)
        case .wideString(let units): .wideString(Array(replaced(String(decoding: units, as: UTF16.self)).utf16))
        case .units(let units, isText: true):
            .units(Array(replaced(String(decoding: units, as: UTF16.self)).utf16), isText: true)
        default: value
        }
    }

    func replaced(_ value: UInt64, _ path: String) -> UInt64 {
        replacements.first { $0.from == value && Self.matches(path, $0.path) }?.to ?? value
    }

    func replaced(_ text: String) -> String {
        guard !texts.isEmpty else { return text }
        // All at once, and the longest that fits at each place: what one rule has put in is nothing for another.
        let rules = texts.filter { !$0.key.isEmpty }.sorted { $0.key.count > $1.key.count }
        var (result, rest) = ("", text[...])
        while let first = rest.first {
            if let rule = rules.first(where: { rest.hasPrefix($0.key) }) {
                result += rule.value
                rest = rest.dropFirst(rule.key.count)
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        let start = drop(while: \.isWhitespace)
        guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...end])
    }
}

extension UInt64 {
    fileprivate init?(prefixed text: String) {
        guard let value = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text) else { return nil }
        self = value
    }
}
