import Synchronization

/// Several paths to one logical unit, used as one.
///
/// Commands go through one path, the active one, and through the next when the path fails: when a command does not reach a
/// status (``SCSIError/transport(name:cause:)``, a time-out, another unit at the path's end), or the target port says that it
/// does not serve the unit now. A command whose path failed may have been executed; sending it again through another
/// path is what every multipath driver does, and reading and writing the same blocks again changes nothing.
///
/// **Reservations.** To a target every path is an I_T nexus of its own, so this host has one registration for each. The
/// set of them is kept as one, by the rules mpathpersist follows: a key is registered through every path, a reservation is
/// taken through one, released through the path that holds it, and a pre-emption or CLEAR, which ends registrations by
/// their key, brings our other paths along. A path that was lost and comes back is registered again only if the key is still
/// among those of the unit: a node that was pre-empted while a cable was out stays pre-empted.
/// ``ReservationType/writeExclusive`` and ``ReservationType/exclusiveAccess`` let only the *holding nexus* in, so with these two
/// all commands go through the path that holds the reservation; when that path fails the reservation moves to another by
/// pre-empting our own key, in one step that fails when the key is gone.
///
/// A reservation key must be one host's alone, as ``ReservationKey/unique(nodeName:)`` makes them: whatever is registered
/// with our key is taken for ours.
///
/// **Another unit.** A path that is used for the first time, that comes back or that tells of a reset or a changed inventory is
/// asked for the unit's identity before anything else goes through it. One at whose end another unit is than at the first path's
/// counts as failed: what was written through it would be written to a disk nobody meant.
///
/// **Unit attentions** are established for each nexus. Those that our own commands raise for our other paths are not told to the
/// caller; all others are, through whichever path they come.
public final class MultipathTransport: SCSITransport {
    /// What to call the unit in messages.
    public let name: String
    /// The paths, the preferred one first.
    public let paths: [any SCSITransport]

    /// PERSISTENT RESERVE OUT commands and the return of paths take turns; all else runs side by side.
    let registration: Mutex<Registration>
    private let condition: Mutex<PathCondition>
    /// Who the unit is; nil before it was asked.
    private let identity = Mutex<DiskIdentity?>(nil)
    private let schedule: PathProbing
    private let joined: DiskAttachment?

    /// The unit attentions a path may have in store: more of them in a row are an error.
    static let attentionLimit = 8

    /// Several paths to one unit.
    ///
    /// - Parameters:
    ///   - name: what to call the unit in messages.
    ///   - paths: at least one; the first is used until it fails.
    ///   - attachment: how the unit hangs on the host as a whole, where that is known; else it is made of the paths'.
    ///   - probing: when to look after paths that have failed.
    public init(
        name: String, paths: [any SCSITransport], attachment: DiskAttachment? = nil,
        probing: PathProbing = .every(.seconds(5))
    ) {
        precondition(!paths.isEmpty, "a unit without a path cannot be reached")
        self.name = name
        self.paths = paths
        schedule = probing
        joined = attachment
        condition = Mutex(PathCondition(count: paths.count))
        registration = Mutex(Registration(count: paths.count))
    }

    /// The first path's, as one disk with all the paths, unless told otherwise.
    public var attachment: DiskAttachment {
        if let joined { return joined }
        var attachment = paths[0].attachment
        attachment.paths = paths.reduce(0) { $0 + max(1, $1.attachment.paths) }
        attachment.isMultipath = attachment.paths > 1
        return attachment
    }

    /// The names of the paths that failed and did not come back yet.
    public var failedPaths: [String] {
        condition.withLock { condition in condition.failed.sorted() }.map { paths[$0].name }
    }

    /// Executes one command; see ``SCSITransport``.
    ///
    /// - Throws: ``SCSIError``, the last path's, where no path brought the command to a status.
    public func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        scheduleProbe()
        let request = SCSIRequest(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        guard cdb.first == OperationCode.persistentReserveOut else { return try transfer(request) }
        return try reserveOut(request)
    }

    // MARK: Paths

    /// A command that any path may execute.
    private func transfer(_ request: SCSIRequest) throws -> SCSIResult {
        var tried: Set<Int> = []
        var unavailable: SCSIResult?
        var failure: (any Error)?
        while let path = condition.withLock({ $0.next(after: tried) }) {
            tried.insert(path)
            do {
                guard let result = try attempt(request, through: path) else { continue }
                if result.isPathUnavailable {
                    unavailable = unavailable ?? result
                    continue
                }
                condition.withLock { $0.active = path }
                return result
            } catch let error where Self.isPathFailure(error) {
                failure = error
            }
        }
        if let unavailable { return unavailable }
        // Every path has failed; one of those that did before this command may be back.
        for path in paths.indices where !tried.contains(path) {
            do {
                guard try restore(path) else { continue }
                if let result = try attempt(request, through: path) { return result }
            } catch let error where Self.isPathFailure(error) {
                failure = failure ?? error
            }
        }
        throw failure ?? SCSIError.transport(name: name, cause: MultipathError.noPath)
    }

    /// Sends the command through the path; where our own reservation on another path is in the way, moves that here first.
    private func attempt(_ request: SCSIRequest, through path: Int) throws -> SCSIResult? {
        let result = try send(request, through: path)
        guard result.status == .reservationConflict, try moveReservation(to: path) else { return result }
        return try send(request, through: path)
    }

    /// The paths in use, in the order in which to try them.
    func usablePaths() -> [Int] {
        condition.withLock { condition in
            var tried: Set<Int> = []
            var order: [Int] = []
            while let path = condition.next(after: tried) {
                order.append(path)
                tried.insert(path)
            }
            return order
        }
    }

    func isUsable(_ path: Int) -> Bool {
        condition.withLock { !$0.failed.contains(path) }
    }

    func activate(_ path: Int) {
        condition.withLock { $0.active = path }
    }

    /// Lets the paths but this one keep to themselves a unit attention that our own command raises for them.
    func expect(_ codes: Set<AdditionalSenseCode>, except path: Int) {
        condition.withLock { condition in
            for other in paths.indices where other != path { condition.expected[other].formUnion(codes) }
        }
    }

    /// Whether an error means that the path, not the command, is at fault. A registration that is gone is gone on all paths.
    static func isPathFailure(_ error: any Error) -> Bool {
        switch error {
        case SCSIError.transport(_, let cause as ISCSIError) where cause.reason == .registrationLost: false
        case SCSIError.transport, SCSIError.timedOut, SCSIError.identityChanged: true
        default: false
        }
    }

    /// Sends a command through one path, and marks the path as failed where it does not reach a status.
    func send(_ request: SCSIRequest, through path: Int) throws -> SCSIResult {
        do {
            while true {
                try confirm(path)
                let result = try paths[path].execute(
                    cdb: request.cdb, dataOut: request.dataOut, dataInLength: request.dataInLength)
                if let sense = result.sense, sense.key == .unitAttention, sense.code.castsDoubtOnIdentity {
                    condition.withLock { _ = $0.unconfirmed.insert(path) }
                }
                guard let sense = result.sense, sense.key == .unitAttention,
                    condition.withLock({ $0.expected[path].remove(sense.code) != nil })
                else { return result }
            }
        } catch {
            if Self.isPathFailure(error) { condition.withLock { $0.fail(path) } }
            throw error
        }
    }

    /// Makes sure that the unit at the path's end is the one at the others', where that is not known.
    ///
    /// - Throws: ``SCSIError/identityChanged(name:expected:found:)``; what keeps the unit from saying who it is.
    private func confirm(_ path: Int) throws {
        guard condition.withLock({ $0.unconfirmed.contains(path) }) else { return }
        let found: DiskIdentity
        do {
            found = try DiskIdentity(CommandSender(transport: paths[path], retries: .standard))
        } catch SCSIError.protected(let name) {
            throw SCSIError.protected(name: name)
        } catch {
            // A path through which the unit does not say who it is serves nobody; another one may.
            throw Self.isPathFailure(error) ? error : SCSIError.transport(name: paths[path].name, cause: error)
        }
        let expected = identity.withLock { identity in
            identity = identity ?? found
            return identity ?? found
        }
        guard found == expected else {
            throw SCSIError.identityChanged(name: paths[path].name, expected: "\(expected)", found: "\(found)")
        }
        condition.withLock { _ = $0.unconfirmed.remove(path) }
    }

    /// ``send(_:through:)``, past unit attentions nobody has asked about.
    func settle(_ request: SCSIRequest, through path: Int) throws -> SCSIResult {
        for _ in 0..<Self.attentionLimit {
            let result = try send(request, through: path)
            guard result.sense?.key == .unitAttention else { return result }
        }
        return try send(request, through: path)
    }

    // MARK: Paths that come back

    /// Looks after the paths that failed: those that answer again are registered with our key, if that is still one of the
    /// unit's, and used again.
    ///
    /// This happens by itself as ``PathProbing`` says.
    ///
    /// - Returns: the names of the paths that came back.
    @discardableResult
    public func probeFailedPaths() -> [String] {
        let failed = condition.withLock { $0.failed.sorted() }
        return failed.filter { (try? restore($0)) == true }.map { paths[$0].name }
    }

    /// - Returns: whether the path is in use again.
    private func restore(_ path: Int) throws -> Bool {
        // Nobody has to wait for a path that does not answer, so the question is asked outside the lock.
        _ = try settle(SCSIRequest(.testUnitReady), through: path)
        return try registration.withLock { registration in
            guard try align(path, &registration) else { return false }
            condition.withLock { _ = $0.failed.remove(path) }
            return true
        }
    }

    /// The same for a caller that has the lock.
    func restore(_ path: Int, _ registration: inout Registration) throws -> Bool {
        _ = try settle(SCSIRequest(.testUnitReady), through: path)
        guard try align(path, &registration) else { return false }
        condition.withLock { _ = $0.failed.remove(path) }
        return true
    }

    private func scheduleProbe() {
        guard case .every(let interval, let now) = schedule else { return }
        let time = now()
        let isDue = condition.withLock { $0.takeProbe(at: time, interval: interval) }
        guard isDue else { return }
        Task {
            _ = try? await Self.probers.run { self.probeFailedPaths() }
            condition.withLock { $0.isProbing = false }
        }
    }

    /// Paths that do not answer hold up these threads and nobody else.
    private static let probers = BlockingExecutor(threads: 2)
}

/// When to look after paths that have failed.
public enum PathProbing: Sendable {
    /// Only when no other path is left, when a key is registered or removed, or when told.
    case whenNeeded
    /// Also in the background, at most once in an interval, set off by the commands that go by.
    case every(Duration, now: @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now })
}

/// Why a unit with several paths cannot be reached.
public enum MultipathError: Error, Sendable, Hashable, CustomStringConvertible {
    /// No path is left.
    case noPath

    /// What happened.
    public var description: String {
        switch self {
        case .noPath: "no path to the unit is left"
        }
    }
}

/// One call of ``SCSITransport/execute(cdb:dataOut:dataInLength:)``.
struct SCSIRequest {
    var cdb: [UInt8]
    var dataOut: [UInt8] = []
    var dataInLength = 0
}

extension SCSIRequest {
    init(_ command: SCSICommand, dataOut: [UInt8] = [], dataInLength: Int = 0) {
        self.init(cdb: command.cdb, dataOut: dataOut, dataInLength: dataInLength)
    }
}

/// What is known of the paths.
private struct PathCondition {
    /// The path that commands go through.
    var active = 0
    var failed: Set<Int> = []
    /// The paths at whose end another unit may be.
    var unconfirmed: Set<Int>
    /// The unit attentions our own commands have raised for each path.
    var expected: [Set<AdditionalSenseCode>]
    var isProbing = false
    private var lastProbe: ContinuousClock.Instant?

    init(count: Int) {
        expected = Array(repeating: [], count: count)
        unconfirmed = Set(0..<count)
    }

    /// The next path to try: the active one, then those behind it.
    func next(after tried: Set<Int>) -> Int? {
        (0..<expected.count).lazy.map { (active + $0) % expected.count }
            .first { !failed.contains($0) && !tried.contains($0) }
    }

    mutating func fail(_ path: Int) {
        failed.insert(path)
        unconfirmed.insert(path)
        if path == active, let other = next(after: []) { active = other }
    }

    mutating func takeProbe(at time: ContinuousClock.Instant, interval: Duration) -> Bool {
        guard !failed.isEmpty, !isProbing else { return false }
        if let lastProbe, lastProbe.duration(to: time) < interval { return false }
        lastProbe = time
        isProbing = true
        return true
    }
}

extension SCSIResult {
    /// Whether the target port does not serve the unit for now: LOGICAL UNIT NOT ACCESSIBLE (SPC-3 5.8.2.4) in transition, in
    /// standby or unavailable.
    fileprivate var isPathUnavailable: Bool {
        guard let sense, sense.key == .notReady else { return false }
        return [0x040A, 0x040B, 0x040C].contains(sense.code.rawValue)
    }
}
