/// All TCP connections of a capture, told apart by their addresses; each has a consumer of its own.
struct TCPReassembler<Consumer> {
    /// The most connections that are followed at a time; those that are over make room, and then those that were silent for the
    /// longest.
    static var maximumConnections: Int { 16_384 }

    private struct Key: Hashable {
        let first: TransportAddress
        let second: TransportAddress

        init(_ segment: TCPSegment) {
            let (a, b) = (segment.source, segment.destination)
            (first, second) = a.precedes(b) ? (a, b) : (b, a)
        }
    }

    private struct Entry {
        var connection: TCPConnection
        var consumer: Consumer
    }

    /// The connections.
    private var entries: [Entry] = []
    /// Places of connections that are over.
    private var free: [Int] = []
    /// Their places.
    private var places: [Key: Int] = [:]
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
        if let place = places[key], entries[place].connection.isSuperseded(by: segment) { finish(key) }
        guard let place = places[key] ?? begin(key, segment) else { return }
        var events: [TCPConnection.Event] = []
        entries[place].connection.take(segment) { events.append($0) }
        let connection = entries[place].connection
        for event in events { feed(&entries[place].consumer, connection, event) }
    }

    /// Nothing follows on any connection.
    mutating func finish() {
        for key in keys(overFirst: false) { finish(key) }
    }

    private mutating func begin(_ key: Key, _ segment: TCPSegment) -> Int? {
        // What ended may have a straggler, which is no new connection.
        guard segment.isSYN || !segment.payload.isEmpty else { return nil }
        makeRoom()
        let connection = TCPConnection(segment)
        let entry = Entry(connection: connection, consumer: make(connection))
        let place = free.popLast() ?? entries.count
        if place == entries.count { entries.append(entry) } else { entries[place] = entry }
        places[key] = place
        return place
    }

    private mutating func finish(_ key: Key) {
        guard let place = places.removeValue(forKey: key) else { return }
        var events: [TCPConnection.Event] = []
        entries[place].connection.flush { events.append($0) }
        let connection = entries[place].connection
        for event in events { feed(&entries[place].consumer, connection, event) }
        end(entries[place].consumer, entries[place].connection)
        free.append(place)
    }

    private mutating func makeRoom() {
        guard places.count >= Self.maximumConnections else { return }
        // Many at a time, for they are found by a look at all.
        for key in keys(overFirst: true).prefix(Self.maximumConnections / 16) { finish(key) }
    }

    /// The connections in the order of their last segments; those that are over in front, if wanted.
    private func keys(overFirst: Bool) -> [Key] {
        let all = places.map { key, place in
            let connection = entries[place].connection
            return (key, overFirst && connection.isOver ? 0 : 1, connection.lastTime, place)
        }
        return all.sorted { ($0.1, $0.2, $0.3) < ($1.1, $1.2, $1.3) }.map(\.0)
    }
}
