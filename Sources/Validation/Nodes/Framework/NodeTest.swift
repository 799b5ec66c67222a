/// A test of nodes.
///
/// A test says what it found to its context: steps, findings, tables, charts. What it throws ends it: a ``NodeFailure`` that it did
/// not expect becomes a finding, or, where the node is lost, a test that did not come to its end. Whatever it does to disks it does
/// through the context, whose ledger undoes what is left when the test has ended, however it ended.
protocol NodeTest: Sendable {
    /// What the test is.
    var description: TestDescription { get }
    /// The least number of nodes that must answer for it to say anything.
    var leastNodes: Int { get }
    /// Whether it is about the disks that a cluster could use.
    var needsDisks: Bool { get }
    /// What to say where nothing was found.
    var success: String { get }

    /// Runs it once.
    ///
    /// - Throws: `CancellationError` where the validation is to end; ``NodeFailure``; anything else is a defect of the test, and
    ///   reported as one that did not come to its end.
    func run(_ context: NodeTestContext) async throws
}

extension NodeTest {
    var leastNodes: Int { 1 }
    var needsDisks: Bool { false }
}
