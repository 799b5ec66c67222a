/// How a test, or a whole validation, ended. The later ones in this list outweigh the earlier ones.
public enum Verdict: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    /// There was nothing to test: no such disks, too few nodes.
    case notApplicable
    /// It was not asked for.
    case excluded
    /// Everything that was looked at is as a cluster needs it.
    case passed
    /// A cluster can be made, but something is worth a look.
    case warning
    /// A cluster cannot be relied on as things are.
    case failed
    /// It was interrupted, or what it needs could not be reached: nothing can be said.
    case unfinished

    /// Orders verdicts by their weight.
    public static func < (one: Verdict, other: Verdict) -> Bool {
        one.weight < other.weight
    }

    private var weight: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The verdict in words.
    public var words: String {
        switch self {
        case .notApplicable: "not applicable"
        case .excluded: "left out"
        case .passed: "passed"
        case .warning: "warning"
        case .failed: "failed"
        case .unfinished: "not finished"
        }
    }
}

extension Sequence<Verdict> {
    /// The heaviest of them; not applicable where there are none.
    public var heaviest: Verdict { self.max() ?? .notApplicable }
}
