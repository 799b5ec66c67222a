/// What is asked of a node that was evicted ([MS-CSVP] 3.8.4.1). No option stands for
/// CLUSTERCLEANUP_STOP_CLUSTER_SERVICE, zero: stop it, and wait until it has stopped.
public struct CleanupOptions: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt32

    /// From the bits; ``unknown`` tells those that mean nothing.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// CLUSTERCLEANUP_DONT_STOP_CLUSTER_SERVICE.
    public static let dontStopService = CleanupOptions(rawValue: 1)
    /// CLUSTERCLEANUP_DONT_WAIT_CLUSTER_SERVICE_STOP.
    public static let dontAwaitServiceStop = CleanupOptions(rawValue: 2)

    /// The bits that the specification gives no meaning.
    public var unknown: UInt32 {
        rawValue & ~(Self.dontStopService.rawValue | Self.dontAwaitServiceStop.rawValue)
    }
}

/// The record of a clean-up that was asked for: on stable storage before anything is removed or anybody is answered, and
/// removed with the last step. Whoever finds it goes on where its phase says.
struct CleanupIntent: Sendable, Equatable, Codable {
    /// How far the clean-up is.
    enum Phase: String, Sendable, Codable {
        /// It waits for its time.
        case waiting
        /// The membership is being removed.
        case begun
        /// Nothing of the membership is in the store any more; what the node has elsewhere may still be there.
        case forgotten
    }

    var phase: Phase
    /// When it is to begin, in milliseconds since 1970-01-01 00:00:00 UTC.
    var due: Int64
    /// How long it was to wait, in milliseconds: a clock that was set must not make it longer.
    var delay: Int64
    /// ``CleanupOptions``.
    var options: UInt32
    /// The same for all requests that one clean-up answers. A request whose time comes when its record is gone finds another
    /// series, or none, and has nothing to do.
    var series = UInt32.random(in: .min ... .max)

    static let key = StoreKey(.node, "clean-up")

    init(phase: Phase, due: Int64, delay: Int64, options: CleanupOptions) {
        self.phase = phase
        self.due = due
        self.delay = delay
        self.options = options.rawValue
    }

    init(entry: StoreEntry) throws(ClusterStoreError) {
        self = try Document.decode(CleanupIntent.self, from: entry)
    }

    var encoded: [UInt8] { get throws(ClusterStoreError) { try Document.encode(self, for: Self.key) } }
}
