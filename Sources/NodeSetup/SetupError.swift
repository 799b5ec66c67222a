/// Why a node could not be set up, looked at or undone; each says what failed, on what, and what to do.
public enum SetupError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The answers make no sense: the key, and why.
    case badAnswer(String, reason: String)
    /// A file of ours cannot be read as what it should be.
    case badFile(path: String, reason: String)
    /// A file or folder could not be made, read, changed or removed.
    case file(path: String, operation: String, reason: String)
    /// A program ended with an error, or could not be run.
    case program(command: String, reason: String)
    /// One of the node's own parts refused: its users, its firewall.
    case refused(operation: String, reason: String)
    /// Things stand in the way, each with what to do; nothing was changed.
    case blocked([String])
    /// The person at the terminal went away, or gave no usable answer.
    case noAnswer(question: String)
    /// Nobody set this host up.
    case notSetUp(record: String)

    /// The error in words.
    public var description: String {
        switch self {
        case .badAnswer(let key, let reason): "answer \"\(key)\": \(reason)"
        case .badFile(let path, let reason): "\(path): \(reason)"
        case .file(let path, let operation, let reason): "cannot \(operation) \(path): \(reason)"
        case .program(let command, let reason): "\(command): \(reason)"
        case .refused(let operation, let reason): "cannot \(operation): \(reason)"
        case .blocked(let obstacles): "nothing was changed: " + obstacles.joined(separator: "; ")
        case .noAnswer(let question): "no usable answer to \"\(question)\""
        case .notSetUp(let record):
            "this host was not set up by \"clusprep setup\": there is no \(record)"
        }
    }
}
