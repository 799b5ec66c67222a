/// All TCP connections of a capture, told apart by their addresses; each has a consumer of its own.
struct TCPReassembler<Consumer> {
    /// The most connections that are followed at a time; the one that was silent for the longest makes room.
    static var maximumConnections: Int { 16_384 }

    private struct Key: Hashable {
        let first: TransportAddress
        let second: TransportAddress

        init(_ segment: TCPSegment) {
            let (a, b) = (segment.source, segment.destination)
            let isFirst = a.port != b.port ? a.port < b.port : a.octets.lexicographicallyPrecedes(b.octets)
            (first, second) = isFirst ? (a, b) : (b, a)
        }
    }

    private struct Entry {
        var connection: TCPConnection
        var consumer: Consumer
    }

    private var entries: [Key: Entry] = [:]
    private let make: (TCPConnection) -> Consumer
    private let feed: (inout Consumer, TCPConnection, TCPConnection.Event) -> Void
    private let end: (Consumer, TCPConnection) -> Void

    /// - Parameters:
    ///   - make: makes the consumer of a new connection.
    ///   - feed: gives it an event.
    ///   - end: tells it that nothing follows.
    init(
        make: @escaping (TCPConnection) -> Consumer,
        feed: @escaping (inout Consumer, TCPConnection, TCPConnection.Event) -> Void,
        end: @escaping (Consumer, TCPConnection) -> Void
    ) {
        self.make = make
        self.feed = feed
        self.end = end
    }

    /// Takes a segment of whichever connection.
    mutating func take(_ segment: TCPSegment) {
        let key = Key(segment)
        if let entry = entries[key], entry.connection.isSuperseded(by: segment) { finish(key) }
        if entries[key] == nil {
            // What ended may have a straggler, which is no new connection.
            guard segment.isSYN || !segment.payload.isEmpty else { return }
            makeRoom()
            let connection = TCPConnection(segment)
            entries[key] = Entry(connection: connection, consumer: make(connection))
        }
        guard var entry = entries.removeValue(forKey: key) else { return }
        var events: [TCPConnection.Event] = []
        entry.connection.take(segment) { events.append($0) }
        for event in events { feed(&entry.consumer, entry.connection, event) }
        entries[key] = entry
    }

    /// Nothing follows on any connection.
    mutating func finish() {
        for key in entries.keys.sorted(by: { before($0, $1) }) { finish(key) }
    }

    private func before(_ left: Key, _ right: Key) -> Bool {
        guard let left = entries[left], let right = entries[right] else { return false }
        return left.connection.lastTime < right.connection.lastTime
    }

    private mutating func finish(_ key: Key) {
        guard var entry = entries.removeValue(forKey: key) else { return }
        var events: [TCPConnection.Event] = []
        entry.connection.flush { events.append($0) }
        for event in events { feed(&entry.consumer, entry.connection, event) }
        end(entry.consumer, entry.connection)
    }

    private mutating func makeRoom() {
        guard entries.count >= Self.maximumConnections else { return }
        if let oldest = entries.min(by: { $0.value.connection.lastTime < $1.value.connection.lastTime })?.key {
            finish(oldest)
        }
    }
}
