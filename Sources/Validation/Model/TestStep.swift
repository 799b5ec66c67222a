/// One step of a test: a call to a node, a command to a disk, or a conclusion from what they said.
public struct TestStep: Sendable, Hashable, Codable {
    /// How a step ended.
    public enum Outcome: String, Sendable, Hashable, Codable {
        /// As it has to.
        case good
        /// It tells something and judges nothing.
        case note
        /// Not as it should, but a cluster can live with it.
        case doubtful
        /// Not as it has to.
        case bad
        /// There was no answer.
        case lost
    }

    /// A call or a command, and what it returned.
    public struct Call: Sendable, Hashable, Codable {
        /// The interface or command set: "IClusterStorage2", "SCSI".
        public var interface: String
        /// The method or command: "CprepDiskAttach", "PERSISTENT RESERVE OUT / REGISTER".
        public var name: String
        /// The operation's number, or the SCSI operation code.
        public var number: UInt16?
        /// What it returned, as the field writes it: "0x8007045D", "RESERVATION CONFLICT". Nil where nothing came back.
        public var result: String?
        /// The result in words.
        public var meaning: String?

        /// A call from its parts.
        public init(
            interface: String, name: String, number: UInt16? = nil, result: String? = nil, meaning: String? = nil
        ) {
            self.interface = interface
            self.name = name
            self.number = number
            self.result = result
            self.meaning = meaning
        }
    }

    /// What was done, or concluded, in words.
    public var text: String
    /// The node that did it; nil where it concerns none, or all.
    public var node: String?
    /// The disk that it was done to.
    public var disk: String?
    /// The call behind it, if there was one.
    public var call: Call?
    /// How it ended.
    public var outcome: Outcome
    /// More about the outcome.
    public var detail: String?
    /// When it began, in milliseconds since the test began.
    public var began: Double
    /// How long it took, in milliseconds.
    public var took: Double

    /// A step from its parts.
    public init(
        _ text: String, node: String? = nil, disk: String? = nil, call: Call? = nil, outcome: Outcome,
        detail: String? = nil, began: Double = 0, took: Double = 0
    ) {
        self.text = text
        self.node = node
        self.disk = disk
        self.call = call
        self.outcome = outcome
        self.detail = detail
        self.began = began
        self.took = took
    }
}
