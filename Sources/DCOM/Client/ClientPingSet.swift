/// A client's side of a ping set ([MS-DCOM] 3.2.6.1), without a clock and without a connection: which ping is due, and what
/// its answer changes.
struct ClientPingSet: Equatable {
    /// What is to be sent.
    enum Ping: Equatable {
        /// Nothing: there is no object to ping for, and no set.
        case none
        /// The objects are those of the last time.
        case simple(set: UInt64)
        /// A new set (zero), or a change of the one there is.
        case complex(set: UInt64, sequence: UInt16, add: [UInt64], remove: [UInt64])
    }

    private(set) var set: UInt64 = 0
    private(set) var sequence: UInt16 = 0
    private(set) var members: Set<UInt64> = []

    /// The ping that tells the server about these objects.
    func next(for objects: Set<UInt64>) -> Ping {
        if set == 0 {
            return objects.isEmpty ? .none : .complex(set: 0, sequence: 1, add: objects.sorted(), remove: [])
        }
        guard objects != members else { return .simple(set: set) }
        return .complex(
            set: set, sequence: sequence &+ 1, add: objects.subtracting(members).sorted(),
            remove: members.subtracting(objects).sorted())
    }

    /// The server has answered a complex ping.
    mutating func applied(_ ping: Ping, set newSet: UInt64) {
        guard case .complex(_, let sequence, let add, let remove) = ping else { return }
        self.sequence = sequence
        members.formUnion(add)
        members.subtract(remove)
        // An empty set needs no more pings; the server drops it when its time is over.
        set = members.isEmpty ? 0 : newSet
    }

    /// The server does not know the set: it has been restarted, or we were silent for too long. A new one is due.
    mutating func forgotten() {
        self = ClientPingSet()
    }
}
