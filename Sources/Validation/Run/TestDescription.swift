/// What a test is, before anybody has run it.
public struct TestDescription: Sendable, Hashable {
    /// The identifier, which `--include` and `--exclude` take.
    public var id: String
    /// The name; Windows' where it has such a test.
    public var title: String
    /// The category.
    public var category: TestCategory
    /// What the test is for, in one or two sentences.
    public var purpose: String
    /// Whether it writes to disks, or changes their reservations.
    public var changesDisks: Bool
    /// What it writes, for whoever is asked whether it may; nil for a test that writes nothing.
    public var writes: String?

    /// A description from its parts.
    public init(
        _ id: String, _ title: String, _ category: TestCategory, changesDisks: Bool = false, writes: String? = nil,
        _ purpose: String
    ) {
        self.id = id
        self.title = title
        self.category = category
        self.purpose = purpose
        self.changesDisks = changesDisks
        self.writes = writes
    }

    /// Whether a user means it: by its identifier, its name, or the name of its category.
    func goes(by name: String) -> Bool {
        let wanted = name.lowercased()
        return [id, title, category.rawValue, category.title, category.title.replacing(" ", with: "-")]
            .contains { $0.lowercased() == wanted }
    }

    /// A result for it that says why there is none.
    func withoutResult(_ verdict: Verdict, _ summary: String) -> TestResult {
        TestResult(id: id, title: title, category: category, purpose: purpose, verdict: verdict, summary: summary)
    }
}
