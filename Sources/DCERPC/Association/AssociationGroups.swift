import Synchronization

/// The association groups of one endpoint: which exist, whose they are, and how many connections each has
/// ([MS-RPCE] 3.3.1.1.5 and 3.3.1.5.7).
final class AssociationGroups: Sendable {
    private struct Group {
        let client: String
        var connections: Int
    }

    private struct State {
        var groups: [UInt32: Group] = [:]
    }

    private let state = Mutex(State())
    /// Numbers of all endpoints come from one source, so that a group's number tells its endpoint apart as well. The start is
    /// random: a client must not be able to take a number over a restart of the server.
    private static let next = Atomic<UInt32>(UInt32.random(in: 0x1000...0xFFFF))

    /// Makes a group for `client` (an IP address), or joins it to one of its own; nil if there is none by that number.
    func join(_ id: UInt32, client: String) -> UInt32? {
        state.withLock { state in
            if id == 0 {
                var new: UInt32 = 0
                while new == 0 || state.groups[new] != nil {
                    new = Self.next.wrappingAdd(1, ordering: .relaxed).newValue
                }
                state.groups[new] = Group(client: client, connections: 1)
                return new
            }
            guard state.groups[id]?.client == client else { return nil }
            state.groups[id]?.connections += 1
            return id
        }
    }

    /// Takes one connection away; true if it was the group's last and the group is no more.
    func leave(_ id: UInt32) -> Bool {
        state.withLock { state in
            guard let group = state.groups[id] else { return false }
            guard group.connections == 1 else {
                state.groups[id]?.connections -= 1
                return false
            }
            state.groups[id] = nil
            return true
        }
    }
}
