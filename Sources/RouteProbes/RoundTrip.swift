/// A message to another host and its answer.
public struct RoundTrip: Sendable, Hashable {
    /// What answered.
    public enum Answer: Sendable, Hashable {
        /// The other node's responder.
        case responder
        /// The other host's ICMP, because no responder answered.
        case echo
    }

    /// From sending the message that was answered to reading the answer.
    public var elapsed: Duration
    /// What answered.
    public var answer: Answer

    /// A round trip that took so long.
    public init(elapsed: Duration, answer: Answer) {
        self.elapsed = elapsed
        self.answer = answer
    }
}
