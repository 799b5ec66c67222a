import ErrorCodes
import Synchronization

/// What is wrong with a fake disk, or with a node's way to it.
enum DiskFlaw: String, CaseIterable, Sendable {
    case registrationUnseen, registrationBelievesAnyKey, reserveByOthers, writesNotKeptOut, registrantsKeptOut
    case releaseByAnybody, preemptChangesNothing, preemptKeepsItsVictim, clearKeepsKeys, reservationOutlivesItsHolder
    case takenFromItsOwner, neverGivenBack, writesLost, slowToRead, slowToWrite, fileSystemUnsupported
    case identifierDiffers, serialNumberDiffers, identifierMissing, pathsNotCombined
    case partitionsWithoutEnd, sectorsCutShort, firstSectorIsFree
}

/// A unit that nodes share: registrations, a reservation, sectors and files, in memory.
final class FakeDisk: Sendable {
    struct State {
        /// The keys, by node.
        var keys: [String: UInt64] = [:]
        /// The node that holds the reservation.
        var holder: String?
        /// The nodes that defend it; a node that has died does not.
        var defenders: Set<String> = []
        var sectors: [UInt32: [UInt8]] = [:]
        var files: [String: [UInt8]] = [:]
    }

    static let zeros = [UInt8](repeating: 0, count: 512)

    let number: UInt32
    let flaws: Set<DiskFlaw>
    private let state = Mutex(State())

    init(_ number: UInt32, flaws: Set<DiskFlaw> = []) {
        self.number = number
        self.flaws = flaws
    }

    func with<Value>(_ body: (inout sending State) throws -> sending Value) rethrows -> Value {
        try state.withLock(body)
    }

    func isFlawed(_ flaw: DiskFlaw) -> Bool { flaws.contains(flaw) }

    /// What tests have left behind; empty where they have left nothing.
    var leftovers: [String] {
        with { state in
            state.keys.keys.sorted().map { "registration of \($0)" } + state.files.keys.sorted()
                + state.sectors.filter { $0.value != Self.zeros }.keys.sorted().map { "sector \($0)" }
                + (state.holder.map { ["reservation of \($0)"] } ?? [])
        }
    }

    // MARK: What nodes do

    func register(_ node: String, _ key: UInt64, replacing old: UInt64) throws {
        try with { state in
            if old != 0, state.keys[node] != old, !isFlawed(.registrationBelievesAnyKey) {
                throw Win32Error.busy.hresult
            }
            state.keys[node] = key == 0 ? nil : key
            if key == 0, state.holder == node, !isFlawed(.reservationOutlivesItsHolder) { state.holder = nil }
        }
    }

    func finds(_ key: UInt64, from node: String) -> Bool {
        with { state in
            if isFlawed(.reservationOutlivesItsHolder), key == 0, state.holder != nil { return true }
            let keys = state.keys.filter { $0.key == node || !isFlawed(.registrationUnseen) }.values
            return key == 0 ? !keys.isEmpty : keys.contains(key)
        }
    }

    func reserve(_ node: String) throws {
        try with { state in
            guard state.keys[node] != nil else { throw Win32Error.busy.hresult }
            if let holder = state.holder, holder != node, !isFlawed(.reserveByOthers) { throw Win32Error.busy.hresult }
            state.holder = node
        }
    }

    func release(_ node: String) {
        with { state in
            if state.holder == node || isFlawed(.releaseByAnybody) { state.holder = nil }
        }
    }

    func preempt(_ node: String, owner: UInt64) throws {
        try with { state in
            guard state.keys[node] != nil else { throw Win32Error.busy.hresult }
            if isFlawed(.preemptChangesNothing) { return }
            let victims = state.keys.filter { $0.value == owner && $0.key != node }.keys
            if let holder = state.holder, victims.contains(holder) { state.holder = node }
            if !isFlawed(.preemptKeepsItsVictim) { for victim in victims { state.keys[victim] = nil } }
        }
    }

    func clear(_ node: String) throws {
        try with { state in
            guard state.keys[node] != nil else { throw Win32Error.busy.hresult }
            state.holder = nil
            if isFlawed(.clearKeepsKeys), state.keys.count > 1 || state.keys[node] == 1 { return }
            state.keys = isFlawed(.clearKeepsKeys) ? state.keys : [:]
        }
    }

    func arbitrate(_ node: String) throws {
        try with { state in
            if isFlawed(.takenFromItsOwner) {
                state.defenders.insert(node)
                state.keys[node] = 1
                state.holder = node
                return
            }
            if let holder = state.holder, holder != node, state.defenders.contains(holder) {
                throw Win32Error.busy.hresult
            }
            if let holder = state.holder, holder != node { state.keys[holder] = nil }
            state.keys[node] = 1
            state.holder = node
            state.defenders.insert(node)
        }
    }

    func stopDefense(_ node: String) {
        with { state in
            if isFlawed(.neverGivenBack) { return }
            state.defenders.remove(node)
            state.keys[node] = nil
            if state.holder == node { state.holder = nil }
        }
    }

    func read(_ sector: UInt32) -> [UInt8] { with { $0.sectors[sector] ?? Self.zeros } }

    func write(_ octets: [UInt8], _ sector: UInt32, by node: String) throws {
        try with { state in
            if state.holder != nil, state.keys[node] == nil, !isFlawed(.writesNotKeptOut) {
                throw Win32Error.busy.hresult
            }
            if let holder = state.holder, holder != node, isFlawed(.registrantsKeptOut) {
                throw Win32Error.busy.hresult
            }
            state.sectors[sector] = octets
        }
    }

    /// The node ends without a word: what it registered stays.
    func abandon(_ node: String) { with { _ = $0.defenders.remove(node) } }

    /// What a node does for an object that is given back.
    func forget(_ node: String) {
        with { state in
            state.defenders.remove(node)
            state.keys[node] = nil
            if state.holder == node { state.holder = nil }
        }
    }
}
