import Synchronization

/// A logical unit behind one iSCSI portal: one I_T nexus, reached through libiscsi.
///
/// Commands are executed one after the other, each on the thread that asks for it and within the target's time-out. A
/// session that broke is made anew by the next command, with the same initiator name and session identifier, so that to the
/// target it is the same I_T nexus; the registration of this node comes back with it as ``ISCSIRegistration`` describes. A command
/// during which the connection broke is repeated once, unless doing it twice could matter (PERSISTENT RESERVE OUT, commands
/// unknown here) or the registration did not come back. Where it did not, the first command that could change the unit fails
/// likewise, however many have only read since, unless a reservation command has succeeded before it. A command that got no answer in time is not repeated.
///
/// Unit attentions are results like all others; those that seeing to the registration met on its way are told to the next
/// commands.
///
/// Headers can carry a checksum (``ISCSITarget/headerDigest``), data cannot: libiscsi has no data digests.
public final class ISCSITransport: SCSITransport {
    /// The portal, the target's name and the unit.
    public let name: String
    /// iSCSI, with the unit's number.
    public let attachment: DiskAttachment

    private let target: ISCSITarget
    private let parameters: ISCSIConnection.Parameters
    private let timeout: Duration
    private let log: @Sendable (String) -> Void
    private let nexus = Mutex(Nexus())

    /// What changes.
    private struct Nexus {
        var connection: ISCSIConnection?
        var wasConnected = false
        var registration = ISCSIRegistration()
        /// The registration is gone, and nobody who writes has been told.
        var isLossUntold = false
        /// Unit attentions met on the way that nobody was told of yet.
        var attentions: [SenseData] = []
    }

    /// A path to a unit. Nothing is sent before the first command or ``connect()``.
    ///
    /// - Parameters:
    ///   - target: the unit.
    ///   - path: which of the target's portals.
    ///   - initiator: who this node is. Each unit and each path has an initiator port of its own
    ///     (``InitiatorIdentity/port(_:)``), the same one every time.
    ///   - secret: what the target and this node prove themselves with.
    ///   - log: told of lost and new sessions.
    convenience init(
        target: ISCSITarget, path: Int, initiator: InitiatorIdentity, secret: ISCSISecret?,
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.init(
            target: target, path: path, initiator: initiator, secret: secret, timeout: .seconds(target.timeout),
            log: log)
    }

    /// A path with a time-out that need not be whole seconds.
    init(
        target: ISCSITarget, path: Int, initiator: InitiatorIdentity, secret: ISCSISecret?, timeout: Duration,
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        let portal = target.portals[path]
        name = "iscsi://\(portal)/\(target.name)/\(target.unit)"
        attachment = DiskAttachment(
            bus: .iSCSI,
            address: .init(target: UInt8(truncatingIfNeeded: path), unit: UInt8(truncatingIfNeeded: target.unit)),
            adapter: "iSCSI initiator (libiscsi)")
        self.target = target
        self.timeout = timeout
        self.log = log
        parameters = ISCSIConnection.Parameters(
            portal: portal, target: target.name, headerDigest: target.headerDigest,
            initiator: initiator.port(target.initiatorPort(path: path)), secret: secret)
    }

    deinit {
        nexus.withLock { nexus in
            // A target that is there answers at once; one that is not shall not hold up whoever drops the disk.
            if let connection = nexus.connection, connection.isAlive() {
                connection.logOut(until: Deadline(after: min(timeout, .milliseconds(500))))
            }
            nexus.connection = nil
        }
    }

    /// Connects and logs in where there is no session yet.
    ///
    /// - Throws: ``ISCSIError``, which says what to do.
    public func connect() throws {
        try nexus.withLock { nexus in
            _ = try connected(&nexus, until: Deadline(after: timeout))
        }
    }

    /// Executes one command; see ``SCSITransport``.
    ///
    /// It returns within twice the time-out: one for a session where there is none, one for the command.
    public func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        try nexus.withLock { nexus in
            do {
                return try execute(&nexus, cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
            } catch is ISCSIConnection.DeadlinePassed {
                throw SCSIError.timedOut(name: name, limit: timeout)
            } catch let error as ISCSIError {
                throw SCSIError.transport(name: name, cause: error)
            }
        }
    }

    private func execute(
        _ nexus: inout Nexus, cdb: [UInt8], dataOut: [UInt8], dataInLength: Int
    ) throws -> SCSIResult {
        let end = Deadline(after: timeout * 2)
        let connection = try connected(&nexus, until: end.capped(to: timeout)).connection
        // Whoever writes may count on a registration that went while nobody wrote. Reservation commands meet what is.
        if nexus.isLossUntold, Self.writes(cdb) {
            nexus.isLossUntold = false
            throw connection.error(.registrationLost)
        }
        do {
            return try send(&nexus, connection, cdb: cdb, dataOut: dataOut, dataInLength: dataInLength, until: end)
        } catch let lost as ISCSIError {
            guard case .connectionLost = lost.reason, Self.isRepeatable(cdb) else { throw lost }
            log("\(lost)")
            let again = try connected(&nexus, until: end.capped(to: timeout))
            guard again.registration != .lost else {
                // One that only reads says so, too, but not to those who write.
                if Self.writes(cdb) { nexus.isLossUntold = false }
                throw lost.with(.registrationLost)
            }
            return try send(
                &nexus, again.connection, cdb: cdb, dataOut: dataOut, dataInLength: dataInLength, until: end)
        }
    }

    private func send(
        _ nexus: inout Nexus, _ connection: ISCSIConnection, cdb: [UInt8], dataOut: [UInt8], dataInLength: Int,
        until end: Deadline
    ) throws -> SCSIResult {
        if !nexus.attentions.isEmpty, Self.tellsAttentions(cdb) {
            return SCSIResult(status: .checkCondition, sense: nexus.attentions.removeFirst())
        }
        do {
            let result = try connection.execute(
                unit: target.addressedUnit, cdb: cdb, dataOut: dataOut, dataInLength: dataInLength,
                until: end.capped(to: timeout))
            nexus.registration.note(cdb: cdb, dataOut: dataOut, result: result)
            if cdb.first == OperationCode.persistentReserveOut, result.status == .good { nexus.isLossUntold = false }
            return result
        } catch {
            nexus.connection = nil
            throw error
        }
    }

    /// The session, a new one where there is none or it has broken; and what became of the registration, nil where there was
    /// nothing to see to.
    private func connected(
        _ nexus: inout Nexus, until deadline: Deadline
    ) throws -> (connection: ISCSIConnection, registration: ISCSIRegistration.Outcome?) {
        if let connection = nexus.connection {
            if connection.isAlive() { return (connection, nil) }
            nexus.connection = nil
        }
        let connection = try ISCSIConnection(parameters, until: deadline)
        var outcome: ISCSIRegistration.Outcome?
        if let key = nexus.registration.key {
            let found = try nexus.registration.restore(isOnlyPath: target.portals.count == 1) { command, dataOut in
                try settled(&nexus.attentions, connection, command, dataOut, until: deadline)
            }
            outcome = found
            switch found {
            case .kept: log("\(name): connected again; the registration \(key) was kept")
            case .restored: log("\(name): connected again; the registration \(key) was made again")
            case .lost:
                nexus.registration = ISCSIRegistration()
                nexus.isLossUntold = true
                log("\(name): connected again; the registration \(key) is gone")
            }
        } else {
            log("\(name): connected\(nexus.wasConnected ? " again" : "")")
        }
        nexus.wasConnected = true
        nexus.connection = connection
        return (connection, outcome)
    }

    /// Executes a command of our own and puts by the unit attentions on its way.
    private func settled(
        _ attentions: inout [SenseData], _ connection: ISCSIConnection, _ command: SCSICommand, _ dataOut: [UInt8],
        until deadline: Deadline
    ) throws -> SCSIResult {
        let length = if case .persistentReserveIn(_, let length) = command { Int(length) } else { 0 }
        for _ in 0..<Self.attentionLimit {
            let result = try connection.execute(
                unit: target.addressedUnit, cdb: command.cdb, dataOut: dataOut, dataInLength: length, until: deadline)
            guard result.status == .checkCondition, let sense = result.sense, sense.key == .unitAttention else {
                return result
            }
            if attentions.count < Self.attentionLimit { attentions.append(sense) }
        }
        throw connection.error(.connectionLost("no end of unit attentions"))
    }

    /// The unit attentions a unit may have in store.
    private static let attentionLimit = 8

    /// Whether a command may be told of a unit attention (SPC-3 5.11; SAM-3 5.9.7): these three are executed regardless.
    private static func tellsAttentions(_ cdb: [UInt8]) -> Bool {
        ![OperationCode.inquiry, OperationCode.reportLUNs, OperationCode.requestSense].contains(cdb.first ?? 0)
    }

    /// Whether a command may change what is on the unit, rather than who has it.
    private static func writes(_ cdb: [UInt8]) -> Bool {
        !GuardedTransport.reads(cdb) && cdb.first != OperationCode.persistentReserveOut
    }

    /// Whether doing the command twice comes to the same as doing it once.
    static func isRepeatable(_ cdb: [UInt8]) -> Bool {
        cdb.first.map(repeatable.contains) ?? false
    }

    private static let repeatable: Set<UInt8> = [
        OperationCode.testUnitReady, OperationCode.requestSense, OperationCode.inquiry, OperationCode.modeSense6,
        OperationCode.modeSense10, OperationCode.readCapacity10, OperationCode.serviceActionIn16,
        OperationCode.reportLUNs,
        OperationCode.maintenanceIn, OperationCode.persistentReserveIn, OperationCode.synchronizeCache10,
        OperationCode.synchronizeCache16, OperationCode.read6, OperationCode.read10, OperationCode.read12,
        OperationCode.read16, OperationCode.write6, OperationCode.write10, OperationCode.write12, OperationCode.write16,
    ]
}

extension ISCSIError {
    fileprivate func with(_ reason: Reason) -> ISCSIError {
        ISCSIError(portal: portal, target: target, reason)
    }
}
