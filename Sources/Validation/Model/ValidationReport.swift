import Foundation

/// Everything a validation learned; what each form of report is made from.
public struct ValidationReport: Sendable, Hashable, Codable {
    /// A node that was validated.
    public struct Node: Sendable, Hashable, Codable {
        /// The name or address by which it was named.
        public var name: String
        /// What it calls itself; nil where it could not be asked.
        public var hostLabel: String?
        /// The version of its operating system, as it presents it.
        public var version: String?
        /// Why it could not be reached; nil where it could.
        public var failure: String?

        /// A node from its parts.
        public init(_ name: String, hostLabel: String? = nil, version: String? = nil, failure: String? = nil) {
            self.name = name
            self.hostLabel = hostLabel
            self.version = version
            self.failure = failure
        }
    }

    /// A logical unit, as recognised by its identification page.
    public struct Disk: Sendable, Hashable, Codable {
        /// The name by which reports call it.
        public var name: String
        /// Its identifier (VPD page 83h), or what it was recognised by otherwise.
        public var identifier: String
        /// Where each node has it: its number there, by the node's name.
        public var numbers: [String: UInt32]
        /// Whether it was tested, and if not, why.
        public var exclusion: String?

        /// A disk from its parts.
        public init(_ name: String, identifier: String, numbers: [String: UInt32], exclusion: String? = nil) {
            self.name = name
            self.identifier = identifier
            self.numbers = numbers
            self.exclusion = exclusion
        }
    }

    /// The version of this form, which changes where a field changes its meaning or goes.
    public static let formatVersion = 1

    /// The version of the form that the report has.
    public var format = ValidationReport.formatVersion
    /// What made it: the program and its version.
    public var generator: String
    /// When the validation began.
    public var began: Date
    /// How long it took, in milliseconds.
    public var took: Double = 0
    /// The nodes, in the order in which they were named.
    public var nodes: [Node]
    /// The logical units that were seen.
    public var disks: [Disk] = []
    /// The tests, in the order of the plan.
    public var tests: [TestResult] = []
    /// What was done to leave everything as it was: "released the reservation of disk 1".
    public var cleanup: [TestStep] = []

    /// A report that is still empty.
    public init(generator: String, began: Date, nodes: [Node]) {
        self.generator = generator
        self.began = began
        self.nodes = nodes
    }

    /// The heaviest verdict of the tests that were run.
    public var verdict: Verdict {
        // Of a node that did not answer nothing can be said, whatever the others did.
        (tests.map(\.verdict) + nodes.compactMap { $0.failure.map { _ in .unfinished } }
            + cleanup.map { $0.outcome == .good || $0.outcome == .note ? .passed : .warning }).heaviest
    }

    /// The results of one category, in their order.
    public func tests(in category: TestCategory) -> [TestResult] { tests.filter { $0.category == category } }

    /// The status a program ends with: 0 where it passed, also with warnings; 1 where something failed; 2 where nothing can be said.
    public var exitStatus: Int32 {
        switch verdict {
        case .passed, .warning: 0
        case .failed: 1
        case .notApplicable, .excluded, .unfinished: tests.contains { $0.verdict == .failed } ? 1 : 2
        }
    }
}
