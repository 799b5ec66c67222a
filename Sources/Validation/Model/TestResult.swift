/// What became of one test.
public struct TestResult: Sendable, Hashable, Codable {
    /// A table of what was found, for tests that list things.
    public struct Table: Sendable, Hashable, Codable {
        /// What it lists.
        public var title: String
        /// The columns' heads.
        public var columns: [String]
        /// The rows, each with as many cells as there are columns.
        public var rows: [[String]]

        /// A table from its parts.
        public init(_ title: String, columns: [String], rows: [[String]]) {
            self.title = title
            self.columns = columns
            self.rows = rows
        }
    }

    /// The test's identifier, which `--include` and `--exclude` take.
    public var id: String
    /// The test's name.
    public var title: String
    /// The category.
    public var category: TestCategory
    /// What the test is for.
    public var purpose: String
    /// How it ended.
    public var verdict: Verdict
    /// The outcome in one sentence.
    public var summary: String
    /// What is to be acted on.
    public var findings: [Finding] = []
    /// What was listed.
    public var tables: [Table] = []
    /// What was measured.
    public var charts: [Chart] = []
    /// What was done, in its order.
    public var steps: [TestStep] = []
    /// When it began, in milliseconds since the validation began.
    public var began: Double = 0
    /// How long it took, in milliseconds.
    public var took: Double = 0

    /// A result that is still empty.
    public init(
        id: String, title: String, category: TestCategory, purpose: String, verdict: Verdict, summary: String
    ) {
        self.id = id
        self.title = title
        self.category = category
        self.purpose = purpose
        self.verdict = verdict
        self.summary = summary
    }
}
