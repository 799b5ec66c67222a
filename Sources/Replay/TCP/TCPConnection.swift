/// The octets of one TCP connection in both directions, put in order.
///
/// Segments may come out of order, more than once, overlapping, or not at all. What one side sends is handed out in the order of
/// its numbers, and never before what that side had received by then: so a response does not overtake its request, however the
/// packets were captured. The memory for what has to wait is bounded; when it is full, or at the end, what is missing is given
/// up and reported as lost.
struct TCPConnection {
    /// Which side of the connection sent something: `first` is the sender of the first segment captured.
    enum Side: Int, Sendable {
        case first, second

        var other: Side { self == .first ? .second : .first }
    }

    /// What the connection hands out.
    enum Event: Sendable {
        /// The next octets of a side.
        case data(Side, [UInt8], CaptureTime)
        /// So many octets of a side were not captured.
        case lost(Side, Int, CaptureTime)
    }

    /// What was out of the ordinary.
    struct Statistics: Sendable, Hashable {
        /// Segments, or parts of them, that had come before.
        var retransmitted = 0
        /// Segments that came before others that belong in front of them.
        var outOfOrder = 0
        /// Octets that the capture does not have.
        var lost = 0
        /// Segments whose numbers are far from all others.
        var strange = 0
    }

    /// The most octets that wait for others before them.
    static let maximumWaiting = 1 << 20
    /// The most segments that do.
    static let maximumSegments = 1024
    /// The largest window there is (RFC 7323 section 2.3).
    private static let window: Int32 = 1 << 30

    private struct Waiting {
        var sequence: UInt32
        var payload: [UInt8]
        var acknowledged: UInt32?
        var isFIN: Bool
        var time: CaptureTime
    }

    private struct Flow {
        /// The number of the next octet to hand out; nil before the first segment.
        var next: UInt32?
        /// The number of its SYN, if that was captured.
        var initial: UInt32?
        /// In the order of their numbers.
        var waiting: [Waiting] = []
        /// What the other side has acknowledged at last.
        var acknowledged: UInt32?
        var isClosed = false
    }

    /// The address of the first segment's sender, and that of its receiver.
    let addresses: (first: TransportAddress, second: TransportAddress)
    /// Whether the first side opened the connection, if the opening was captured.
    private(set) var opener: Side?
    private(set) var statistics = Statistics()
    /// Whether a reset ended it.
    private var isReset = false
    /// When its last segment was captured.
    private(set) var lastTime: CaptureTime
    /// When one side ended it, if that was captured.
    private(set) var closed: CaptureTime?

    private var flows: [Flow] = [Flow(), Flow()]
    /// The time of what was handed out last. What comes behind it in the order of numbers is no earlier, whatever its packet's
    /// time says: a segment may be captured only when it is sent again, and clocks are put back.
    private var clock = CaptureTime(nanoseconds: .min)
    private var waitingOctets = 0

    init(_ segment: TCPSegment) {
        addresses = (segment.source, segment.destination)
        lastTime = segment.time
        if segment.isSYN { opener = segment.acknowledged == nil ? .first : .second }
    }

    /// Whether both sides have said that they are done, or one has cut the connection.
    var isOver: Bool { isReset || flows.allSatisfy(\.isClosed) }

    /// Whether a SYN is not this connection's, but a new one's between the same addresses.
    func isSuperseded(by segment: TCPSegment) -> Bool {
        guard segment.isSYN, segment.acknowledged == nil else { return false }
        let side = side(of: segment)
        // The one that opened it may come again.
        guard let initial = flows[side.rawValue].initial else { return flows[side.rawValue].next != nil }
        return segment.sequence != initial
    }

    func side(of segment: TCPSegment) -> Side {
        segment.source == addresses.first ? .first : .second
    }

    /// Takes a segment, and hands out what is in order now.
    mutating func take(_ segment: TCPSegment, _ emit: (Event) -> Void) {
        lastTime = max(lastTime, segment.time)
        let side = side(of: segment)
        if segment.isRST {
            // It may have been captured before what it follows, so nothing is given up for it.
            isReset = true
            closed = closed ?? max(clock, segment.time)
            return
        }
        let start = segment.isSYN ? segment.sequence &+ 1 : segment.sequence
        if segment.isSYN { flows[side.rawValue].initial = segment.sequence }
        if segment.isSYN, opener == nil { opener = segment.acknowledged == nil ? side : side.other }
        let next = flows[side.rawValue].next ?? start
        flows[side.rawValue].next = next
        if let acknowledged = segment.acknowledged { note(acknowledged, of: side.other) }
        guard !segment.payload.isEmpty || segment.isFIN else { return drain(emit) }
        let distance = Int32(bitPattern: start &- next)
        guard abs(Int64(distance)) <= Int64(Self.window) else {
            statistics.strange += 1
            return
        }
        let end = distance.addingReportingOverflow(Int32(clamping: segment.payload.count)).partialValue
        guard end > 0 || (segment.isFIN && end >= 0 && !flows[side.rawValue].isClosed) else {
            statistics.retransmitted += 1
            return
        }
        if distance > 0 { statistics.outOfOrder += 1 }
        insert(
            Waiting(
                sequence: start, payload: segment.payload, acknowledged: segment.acknowledged, isFIN: segment.isFIN,
                time: segment.time), side, next)
        drain(emit)
        while waitingOctets > Self.maximumWaiting
            || flows.contains(where: { $0.waiting.count > Self.maximumSegments }), giveUp(emit)
        {
            drain(emit)
        }
    }

    /// Hands out all that waits, with what is missing reported as lost.
    mutating func flush(_ emit: (Event) -> Void) {
        drain(emit)
        while giveUp(emit) { drain(emit) }
        for side in [Side.first, .second] {
            guard let acknowledged = flows[side.rawValue].acknowledged, let next = flows[side.rawValue].next else {
                continue
            }
            // One may be the end of the connection, whose segment was not captured.
            if Int32(bitPattern: acknowledged &- next) > 1 { lose(side, upTo: acknowledged, lastTime, emit) }
        }
    }

    private mutating func note(_ acknowledged: UInt32, of side: Side) {
        guard let next = flows[side.rawValue].next, Int32(bitPattern: acknowledged &- next) < Self.window else {
            return
        }
        let before = flows[side.rawValue].acknowledged ?? acknowledged
        if Int32(bitPattern: acknowledged &- before) >= 0 { flows[side.rawValue].acknowledged = acknowledged }
    }

    // MARK: Order

    private mutating func insert(_ item: Waiting, _ side: Side, _ next: UInt32) {
        let distance = Int32(bitPattern: item.sequence &- next)
        let list = flows[side.rawValue].waiting
        var index = list.count
        while index > 0, Int32(bitPattern: list[index - 1].sequence &- next) > distance { index -= 1 }
        flows[side.rawValue].waiting.insert(item, at: index)
        waitingOctets += item.payload.count
    }

    /// Hands out what is in order, of both sides, until neither has anything.
    private mutating func drain(_ emit: (Event) -> Void) {
        var moves = true
        while moves {
            moves = false
            for side in [Side.first, .second] {
                while isReady(side) {
                    deliver(side, emit)
                    moves = true
                }
            }
        }
    }

    /// Whether a side's first waiting segment continues what was handed out, and the other side's is there that it had received.
    private func isReady(_ side: Side) -> Bool {
        let flow = flows[side.rawValue]
        guard let next = flow.next, let head = flow.waiting.first, Int32(bitPattern: head.sequence &- next) <= 0 else {
            return false
        }
        guard let acknowledged = head.acknowledged, let reached = flows[side.other.rawValue].next else { return true }
        let ahead = Int32(bitPattern: acknowledged &- reached)
        return ahead <= 0 || ahead > Self.window
    }

    private mutating func deliver(_ side: Side, _ emit: (Event) -> Void) {
        let head = flows[side.rawValue].waiting.removeFirst()
        waitingOctets -= head.payload.count
        let next = flows[side.rawValue].next ?? head.sequence
        let known = Int(next &- head.sequence)
        if known > 0, !head.payload.isEmpty { statistics.retransmitted += 1 }
        clock = max(clock, head.time)
        if known < head.payload.count {
            let rest = known == 0 ? head.payload : Array(head.payload.dropFirst(known))
            flows[side.rawValue].next = next &+ UInt32(truncatingIfNeeded: rest.count)
            emit(.data(side, rest, clock))
        }
        if head.isFIN, known <= head.payload.count, !flows[side.rawValue].isClosed {
            flows[side.rawValue].isClosed = true
            closed = closed ?? clock
            flows[side.rawValue].next = (flows[side.rawValue].next ?? 0) &+ 1
        }
    }

    /// Gives up waiting for what seems to be missing in front of the oldest waiting segment; false if nothing waits.
    private mutating func giveUp(_ emit: (Event) -> Void) -> Bool {
        let heads = [Side.first, .second].compactMap { side in
            flows[side.rawValue].waiting.first.map { (side: side, item: $0) }
        }
        guard let oldest = heads.min(by: { $0.item.time < $1.item.time }) else { return false }
        // Both wait for each other, or one waits for what is nowhere: whichever has a hole has it closed.
        let holed = heads.first {
            Int32(bitPattern: $0.item.sequence &- (flows[$0.side.rawValue].next ?? $0.item.sequence)) > 0
        }
        if let holed {
            lose(holed.side, upTo: holed.item.sequence, holed.item.time, emit)
        } else if let acknowledged = oldest.item.acknowledged {
            // It had received octets of the other side that were not captured.
            lose(oldest.side.other, upTo: acknowledged, oldest.item.time, emit)
        }
        if isReady(oldest.side) || isReady(oldest.side.other) { return true }
        lose(oldest.side, upTo: oldest.item.sequence, oldest.item.time, emit)
        deliver(oldest.side, emit)
        return true
    }

    private mutating func lose(_ side: Side, upTo sequence: UInt32, _ time: CaptureTime, _ emit: (Event) -> Void) {
        guard let next = flows[side.rawValue].next else { return }
        let count = Int(Int32(bitPattern: sequence &- next))
        guard count > 0 else { return }
        flows[side.rawValue].next = sequence
        statistics.lost += count
        emit(.lost(side, count, time))
    }
}
