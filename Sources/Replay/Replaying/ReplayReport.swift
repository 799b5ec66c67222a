/// What came of issuing a capture's calls again.
public struct ReplayReport: Sendable, Codable {
    /// What came of one call, or of one negotiation.
    public enum Verdict: String, Sendable, Codable {
        /// The answers are the same, in every field.
        case same
        /// They differ where a rule lets them.
        case allowed
        /// They differ, or there was no answer.
        case differs
        /// The call could not be issued, because the capture does not have all of it.
        case notReplayed
        /// The call was issued, but the capture has no answer to compare with.
        case notCompared
    }

    /// A call.
    public struct Call: Sendable, Codable {
        /// The ``CapturedCall/id``.
        public let id: Int
        /// The ``CapturedAssociation/id``.
        public let association: Int
        /// The interface's name, or its identifier.
        public let interface: String
        /// The operation's name, or its number.
        public let operation: String
        /// What came of it.
        public let verdict: Verdict
        /// Why there is nothing to compare, or what differs as a whole; nil if the fields tell it all.
        public let detail: String?
        /// Where the answers differ.
        public let differences: [FieldDifference]
    }

    /// An offer of a bind or an alter_context.
    public struct Negotiation: Sendable, Codable {
        /// The ``CapturedAssociation/id``.
        public let association: Int
        /// The interface's name, or its identifier.
        public let interface: String
        /// What came of it.
        public let verdict: Verdict
        /// What differs, or why it was not done.
        public let detail: String?
    }

    /// The live server; where several were named for captured ones, all of them.
    public let host: String
    /// What came of the binds and alter_contexts, association by association.
    public internal(set) var negotiations: [Negotiation]
    /// What came of the calls, in the capture's order.
    public internal(set) var calls: [Call]

    /// How many calls came out so.
    public func count(_ verdict: Verdict) -> Int {
        calls.count { $0.verdict == verdict }
    }

    /// 0 if nothing differs but where a rule lets it, 1 if something does, and 2 if nothing does, but calls were left out, or no
    /// call was compared.
    public var exitStatus: Int32 {
        if calls.contains(where: { $0.verdict == .differs }) || negotiations.contains(where: { $0.verdict == .differs })
        {
            return 1
        }
        // Where nothing was compared, nothing is known to be the same.
        return count(.notReplayed) > 0 || count(.same) + count(.allowed) == 0 ? 2 : 0
    }
}

extension ReplayReport.Negotiation {
    /// One line, if there is anything to say.
    public var line: String? {
        verdict == .same ? nil : "association \(association), bind to \(interface): \(detail ?? verdict.rawValue)"
    }
}

extension ReplayReport.Call {
    /// The call and what came of it, a line to each difference behind.
    ///
    /// - Parameter showingAllowed: Whether the differences that a rule lets pass are told as well.
    public func lines(showingAllowed: Bool) -> [String] {
        let title = "call \(id) on association \(association), \(interface).\(operation): "
        let words =
            switch verdict {
            case .same: "same"
            case .allowed: "same, but for what may differ"
            case .differs: detail.map { "differs: \($0)" } ?? "differs"
            case .notReplayed: "not replayed: \(detail ?? "")"
            case .notCompared: "not compared: \(detail ?? "")"
            }
        return [title + words]
            + differences.filter { showingAllowed || $0.allowed == nil }.map { difference in
                let values = "  \(difference.path): \(difference.captured) in the capture, \(difference.live) now"
                return difference.allowed.map { "\(values) (may differ: \($0))" } ?? values
            }
    }
}

extension ReplayReport {
    /// How many calls came out how, in one sentence.
    public var summary: String {
        let parts: [(Verdict, String)] = [
            (.same, "the same"), (.allowed, "the same but for what may differ"), (.differs, "different"),
            (.notReplayed, "not replayed"), (.notCompared, "without an answer to compare with"),
        ]
        let counts = parts.compactMap { verdict, words in
            count(verdict) == 0 ? nil : "\(count(verdict)) \(words)"
        }
        return "\(calls.count) calls" + (counts.isEmpty ? "." : ": " + counts.joined(separator: ", ") + ".")
    }
}
