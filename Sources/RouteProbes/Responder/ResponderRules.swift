/// What a responder answers.
///
/// Only well-formed requests that one host sent to one of our addresses, with an answer that is as long as the request,
/// so it makes no attack larger than it was. Every source has a limit; all sources that this node probes nothing of share one
/// besides, so that strangers, or one who lends himself their addresses, neither use up this node's time nor the answers
/// for its peers.
struct ResponderRules: Sendable {
    /// Answers a second for one source. A node with sixteen addresses and three monitors on each stays below.
    static let perSource = 500
    /// Answers a second for all strangers.
    static let forStrangers = 4_000
    /// Of so many sources a limit of their own is kept. More sources share the strangers' until one has been quiet.
    static let sources = 1_024

    private var buckets: [ProbeAddress: TokenBucket] = [:]
    private var strangers: TokenBucket
    /// When room was last looked for.
    private var swept: Duration

    init(now: Duration) {
        strangers = TokenBucket(rate: Self.forStrangers, now: now)
        swept = now - .seconds(1)
    }

    /// The answer to a datagram, or nil.
    mutating func answer(
        to octets: some RandomAccessCollection<UInt8>, from source: ProbeAddress, port: UInt16, isPeer: Bool,
        now: Duration
    ) -> [UInt8]? {
        guard port != 0, source.isSingleHost, let message = ProbeMessage(octets), message.kind == .request else {
            return nil
        }
        guard isPeer || strangers.take(rate: Self.forStrangers, now: now) else { return nil }
        guard buckets[source] != nil || makeRoom(for: source, now: now) else {
            return !isPeer || strangers.take(rate: Self.forStrangers, now: now) ? message.answer.octets : nil
        }
        guard buckets[source]?.take(rate: Self.perSource, now: now) == true else { return nil }
        return message.answer.octets
    }

    /// Gives a source a limit of its own; false where there is no room.
    private mutating func makeRoom(for source: ProbeAddress, now: Duration) -> Bool {
        if buckets.count >= Self.sources {
            // A flood from ever new sources must not make the search its work.
            guard now - swept >= .milliseconds(100) else { return false }
            swept = now
            buckets = buckets.filter { !$0.value.isFull(rate: Self.perSource, now: now) }
            guard buckets.count < Self.sources else { return false }
        }
        buckets[source] = TokenBucket(rate: Self.perSource, now: now)
        return true
    }
}
