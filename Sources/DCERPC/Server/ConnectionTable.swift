/// The connections of one endpoint: which there are, whose, and which are of strangers, clients that have not authenticated
/// themselves.
///
/// Two limits make strangers give way: one on all strangers, and one on the connections of one address. In both cases the oldest
/// stranger's connection is the one that ends, and never one whose client has proved who he is; an address that has
/// nothing but such connections gets no further one.
struct ConnectionTable<Connection> {
    /// What becomes of a new connection.
    enum Admission {
        /// It stays; the connection given with it, if there is one, has to be closed in its place.
        case admitted(insteadOf: Connection?)
        /// It has to be closed.
        case refused
    }

    private struct Entry {
        let connection: Connection
        let peer: PeerNetwork
    }

    private let maximumStrangers: Int
    private let maximumOfPeer: Int
    private var entries: [UInt64: Entry] = [:]
    private var counts: [PeerNetwork: Int] = [:]
    /// The oldest first.
    private var strangers: [UInt64] = []

    /// Makes a table without connections; each limit is one at least.
    init(maximumStrangers: Int, maximumOfPeer: Int) {
        self.maximumStrangers = max(1, maximumStrangers)
        self.maximumOfPeer = max(1, maximumOfPeer)
    }

    /// All connections but those that had to give way.
    var connections: [Connection] { entries.values.map(\.connection) }

    /// Adds a connection, of a stranger as yet, under a number that is its own.
    mutating func add(_ number: UInt64, _ connection: Connection, of peer: PeerNetwork) -> Admission {
        var insteadOf: Connection?
        if counts[peer, default: 0] >= maximumOfPeer {
            guard let oldest = strangers.first(where: { entries[$0]?.peer == peer }) else { return .refused }
            insteadOf = remove(oldest)
        }
        entries[number] = Entry(connection: connection, peer: peer)
        counts[peer, default: 0] += 1
        strangers.append(number)
        // Not after the other limit: then there is no stranger more than before.
        if strangers.count > maximumStrangers, let oldest = strangers.first { insteadOf = remove(oldest) }
        return .admitted(insteadOf: insteadOf)
    }

    /// Removes a connection that is closed, or is to be; nil if it is gone already.
    @discardableResult
    mutating func remove(_ number: UInt64) -> Connection? {
        guard let entry = entries.removeValue(forKey: number) else { return nil }
        forgetStranger(number)
        let left = counts[entry.peer, default: 1] - 1
        counts[entry.peer] = left == 0 ? nil : left
        return entry.connection
    }

    /// Takes note that a connection's client has proved who he is.
    mutating func authenticated(_ number: UInt64) {
        forgetStranger(number)
    }

    private mutating func forgetStranger(_ number: UInt64) {
        if let place = strangers.firstIndex(of: number) { strangers.remove(at: place) }
    }
}
