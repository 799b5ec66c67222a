import CISCSI
import Glibc

/// One session with one portal: a libiscsi context and what drives it. Used by one thread at a time.
///
/// libiscsi's own synchronous calls have no time-out that holds when a target is silent and its own reconnection has no end,
/// so neither is used: every step is begun asynchronously and driven from here, against a deadline. After any error the
/// value is of no further use; a new one is made for the next session.
final class ISCSIConnection {
    /// What a session is to be like.
    struct Parameters: Sendable {
        var portal: ISCSIPortal
        /// The target's name; nil for a discovery session.
        var target: String?
        var headerDigest = ISCSITarget.HeaderDigest.none
        var initiator: InitiatorIdentity
        var secret: ISCSISecret?
    }

    /// Nil once the session has failed.
    var context: OpaquePointer?
    let parameters: Parameters
    /// Where libiscsi's callbacks write; it outlives the context.
    let completion = UnsafeMutablePointer<Completion>.allocate(capacity: 1)
    var isLoggedIn = false
    /// Kept because a callback may come as late as the context's end.
    var discovery: DiscoveryAnswer?
    /// What stands between the context and the network, once there is a connection.
    var stream: ISCSIGuard?
    /// Where a redirection has taken us.
    var address: String

    /// How an asynchronous call ended.
    struct Completion {
        var isDone = false
        var status: Int32 = 0
    }

    /// Connects and logs in.
    ///
    /// - Throws: ``ISCSIError``.
    init(_ parameters: Parameters, until deadline: Deadline) throws {
        self.parameters = parameters
        address = parameters.portal.address
        completion.initialize(to: Completion())
        // From here on everything has its value, so deinit cleans up where the rest throws.
        guard let context = iscsi_create_context(parameters.initiator.name) else {
            throw ISCSIError(
                portal: parameters.portal.address, target: parameters.target, .connectionFailed("out of memory"))
        }
        self.context = context
        LineCapture.install(context)
        try configure(context)
        try logIn(context, until: deadline)
    }

    deinit {
        tearDown()
        completion.deallocate()
    }

    /// Ends the connection at once. Callbacks still to come, come before this returns.
    private func tearDown() {
        guard let context else { return }
        self.context = nil
        iscsi_destroy_context(context)
        stream = nil
    }

    func error(_ reason: ISCSIError.Reason) -> ISCSIError {
        ISCSIError(portal: address, target: parameters.target, reason)
    }

    var lastError: String {
        let text = context.flatMap { iscsi_get_error($0) }.map { String(cString: $0) } ?? ""
        return text.isEmpty ? "the connection was closed" : text
    }

    static let onCompletion: iscsi_command_cb = { _, status, _, place in
        guard let completion = place?.assumingMemoryBound(to: Completion.self), !completion.pointee.isDone else {
            return
        }
        completion.pointee = Completion(isDone: true, status: status)
    }
}

extension ISCSIConnection {
    /// The deadline of a step passed.
    struct DeadlinePassed: Error {}

    /// Serves the connection until the call under way has ended.
    func drive(until deadline: Deadline, _ serve: (OpaquePointer, Int32) -> Int32) throws {
        while !completion.pointee.isDone {
            guard let context else { throw error(.connectionLost("it has ended")) }
            guard let milliseconds = deadline.remainingMilliseconds else { throw DeadlinePassed() }
            let file = iscsi_get_fd(context)
            guard file >= 0 else { throw error(.connectionLost(lastError)) }
            if try pass(context, serve) { continue }
            let events = Int16(truncatingIfNeeded: iscsi_which_events(context))
            var requests = [pollfd(fd: file, events: events, revents: 0)]
            if let stream {
                requests.append(pollfd(fd: stream.wire, events: Int16(stream.wireEvents), revents: 0))
            }
            let count = poll(&requests, nfds_t(requests.count), milliseconds)
            if count < 0, errno != EINTR { throw error(.connectionLost(String(cString: strerror(errno)))) }
            guard count > 0, requests[0].revents != 0 else { continue }
            try check(serve(context, Int32(requests[0].revents)))
        }
    }

    /// How often octets of the target are passed on before anything else is looked at; each time as many as the guard's buffer has.
    private static let roundLimit = 16

    /// Moves octets between libiscsi and the network, once in each direction; false where there was nothing to move.
    private func pass(_ context: OpaquePointer, _ serve: (OpaquePointer, Int32) -> Int32) throws -> Bool {
        guard let stream else { return false }
        if iscsi_which_events(context) & POLLOUT != 0 { try check(serve(context, POLLOUT)) }
        var hasMoved = false
        while !completion.pointee.isDone, stream.passOutward() { hasMoved = true }
        // A target that never stops talking must not keep us from looking at the deadline.
        for _ in 0..<Self.roundLimit {
            guard !completion.pointee.isDone, stream.passInward() else { break }
            hasMoved = true
            try check(serve(context, POLLIN))
        }
        if let violation = stream.violation, !completion.pointee.isDone {
            throw error(.connectionLost("the target sent \(violation)"))
        }
        if stream.isClosed, !hasMoved, !stream.isFull, !completion.pointee.isDone {
            // The end itself is told to libiscsi, so that it lets go of the call.
            try check(serve(context, POLLIN))
            if !completion.pointee.isDone { throw error(.connectionLost(lastError)) }
        }
        return hasMoved
    }

    private func check(_ result: Int32) throws {
        if result < 0, !completion.pointee.isDone { throw error(.connectionLost(lastError)) }
    }

    /// Serves what the target sent while nobody listened, such as its pings; false where it has closed the connection.
    func isAlive() -> Bool {
        guard let context, let stream else { return false }
        stream.begin(.idle)
        completion.pointee = Completion()
        do {
            // A target that never stops talking must not keep us here.
            for _ in 0..<64 where try !pass(context, { iscsi_service($0, $1) }) { break }
        } catch {
            return false
        }
        return !stream.isClosed
    }

    /// Executes one command.
    ///
    /// - Parameters:
    ///   - unit: the logical unit's number as it stands in the header.
    ///   - deadline: when to give up; then and after every other error the session is of no further use.
    /// - Throws: ``DeadlinePassed``, ``ISCSIError``.
    func execute(
        unit: UInt16, cdb: [UInt8], dataOut: [UInt8], dataInLength: Int, until deadline: Deadline
    ) throws -> SCSIResult {
        var data = [UInt8](repeating: 0, count: dataOut.isEmpty ? dataInLength : 0)
        var outgoing = dataOut
        let result = try data.withUnsafeMutableBytes { incoming in
            try outgoing.withUnsafeMutableBytes { outgoing in
                try execute(unit: unit, cdb: cdb, outgoing: outgoing, incoming: incoming, until: deadline)
            }
        }
        data.removeLast(data.count - min(data.count, result.received))
        return SCSIResult(status: result.status, sense: result.sense, data: data)
    }

    private func execute(
        unit: UInt16, cdb: [UInt8], outgoing: UnsafeMutableRawBufferPointer, incoming: UnsafeMutableRawBufferPointer,
        until deadline: Deadline
    ) throws -> (status: SCSIStatus, sense: SenseData?, received: Int) {
        let direction = !outgoing.isEmpty ? SCSI_XFER_WRITE : !incoming.isEmpty ? SCSI_XFER_READ : SCSI_XFER_NONE
        let length = outgoing.isEmpty ? incoming.count : outgoing.count
        var cdb = cdb
        guard let context, cdb.count <= 16,
            let task = scsi_create_task(
                Int32(cdb.count), &cdb, Int32(bitPattern: direction.rawValue), Int32(truncatingIfNeeded: length))
        else { throw error(.notSent("a descriptor block of \(cdb.count) octets")) }
        defer { scsi_free_scsi_task(task) }
        if let base = incoming.baseAddress, !incoming.isEmpty, outgoing.isEmpty {
            let place = base.assumingMemoryBound(to: UInt8.self)
            guard scsi_task_add_data_in_buffer(task, Int32(truncatingIfNeeded: length), place) == 0 else {
                throw error(.notSent("out of memory"))
            }
        }
        completion.pointee = Completion()
        stream?.begin(.command(out: outgoing.count, in: incoming.count))
        var sent = iscsi_data(size: outgoing.count, data: outgoing.baseAddress?.assumingMemoryBound(to: UInt8.self))
        let isQueued = withUnsafeMutablePointer(to: &sent) { sent in
            iscsi_scsi_command_async(
                context, Int32(unit), task, Self.onCompletion, outgoing.isEmpty ? nil : sent, completion) == 0
        }
        guard isQueued else { throw error(.notSent(lastError)) }
        do {
            try drive(until: deadline) { iscsi_service($0, $1) }
        } catch {
            // Parts of the command may still wait to be sent; they must not outlive the task and the buffers.
            tearDown()
            throw error
        }
        guard let outcome = Self.outcome(of: task.pointee, status: completion.pointee.status) else {
            let failure = error(.connectionLost(lastError))
            tearDown()
            throw failure
        }
        return outcome
    }

    /// The result of a task; nil where it ended without a status.
    private static func outcome(
        of task: scsi_task, status: Int32
    ) -> (status: SCSIStatus, sense: SenseData?, received: Int)? {
        guard let status = UInt8(exactly: status).map(SCSIStatus.init) else { return nil }
        var received = Int(task.expxferlen)
        if task.residual_status == SCSI_RESIDUAL_UNDERFLOW { received -= min(received, Int(task.residual)) }
        guard status == .checkCondition else { return (status, nil, status == .good ? received : 0) }
        // Sense data comes with its length in front (RFC 3720 10.4.7.2).
        let octets =
            task.datain.data.map { Array(UnsafeBufferPointer(start: $0, count: Int(max(0, task.datain.size)))) } ?? []
        guard octets.count >= 2 else { return (status, nil, 0) }
        return (status, SenseData(Array(octets.dropFirst(2).prefix(Int(octets.field16(0))))), 0)
    }

    /// Says goodbye, as far as that takes no longer than the deadline.
    func logOut(until deadline: Deadline) {
        guard let context, isLoggedIn else { return }
        completion.pointee = Completion()
        stream?.begin(.logout)
        guard iscsi_logout_async(context, Self.onCompletion, completion) == 0 else { return }
        try? drive(until: deadline) { iscsi_service($0, $1) }
    }
}
