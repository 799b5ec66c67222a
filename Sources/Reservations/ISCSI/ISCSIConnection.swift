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
    private var context: OpaquePointer?
    private let parameters: Parameters
    /// Where libiscsi's callbacks write; it outlives the context.
    private let completion = UnsafeMutablePointer<Completion>.allocate(capacity: 1)
    private var isLoggedIn = false
    /// Kept because a callback may come as late as the context's end.
    private var discovery: DiscoveryAnswer?
    /// Where a redirection has taken us.
    private var address: String

    /// How an asynchronous call ended.
    private struct Completion {
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
        guard let context = iscsi_create_context(parameters.initiator.name) else {
            completion.deallocate()
            throw ISCSIError(
                portal: parameters.portal.address, target: parameters.target, .connectionFailed("out of memory"))
        }
        // From here on deinit cleans up, also where the initializer throws.
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
        withoutBrokenPipeSignal { _ = iscsi_destroy_context(context) }
    }

    private func configure(_ context: OpaquePointer) throws {
        // Our own reconnection has to know of every lost session, for the sake of the registration.
        iscsi_set_noautoreconnect(context, 1)
        try setSessionID(parameters.initiator.sessionID, of: context)
        if let target = parameters.target {
            iscsi_set_targetname(context, target)
            iscsi_set_session_type(context, ISCSI_SESSION_NORMAL)
        } else {
            iscsi_set_session_type(context, ISCSI_SESSION_DISCOVERY)
        }
        iscsi_set_header_digest(
            context, parameters.headerDigest == .crc32c ? ISCSI_HEADER_DIGEST_CRC32C : ISCSI_HEADER_DIGEST_NONE)
        if let secret = parameters.secret {
            iscsi_set_initiator_username_pwd(context, secret.user, secret.password)
            if let user = secret.targetUser, let password = secret.targetPassword {
                iscsi_set_target_username_pwd(context, user, password)
            }
        }
    }

    /// The type is in the two high bits of the first octet, the qualifier in the low octets (RFC 3720 10.12.5).
    private func setSessionID(_ identifier: UInt64, of context: OpaquePointer) throws {
        let first = UInt8(truncatingIfNeeded: identifier >> 40)
        let middle = UInt32(truncatingIfNeeded: identifier >> 16 & 0xFF_FFFF)
        let qualifier = UInt32(truncatingIfNeeded: identifier & 0xFFFF)
        switch first {
        case 0x00...0x3F:
            iscsi_set_isid_oui(
                context, UInt32(truncatingIfNeeded: identifier >> 24),
                UInt32(truncatingIfNeeded: identifier & 0xFF_FFFF))
        case 0x40: iscsi_set_isid_en(context, middle, qualifier)
        case 0x80: iscsi_set_isid_random(context, middle, qualifier)
        default: throw error(.unusableSessionID(identifier))
        }
    }

    private func logIn(_ context: OpaquePointer, until deadline: Deadline) throws {
        for _ in 0...Self.maximumRedirections {
            try connect(context, until: deadline)
            var replies = ISCSILoginReplies()
            completion.pointee = Completion()
            guard iscsi_login_async(context, Self.onCompletion, completion) == 0 else {
                throw error(.loginRefused(lastError))
            }
            do {
                try drive(until: deadline) { context, events in
                    replies.listen(context) { iscsi_service(context, events) }
                }
            } catch let failure as ISCSIError {
                guard case .connectionLost(let cause) = failure.reason else { throw failure }
                throw error(.loginRefused(cause))
            } catch is DeadlinePassed {
                throw error(.noAnswer(seconds: deadline.limit.seconds))
            }
            switch completion.pointee.status {
            case Int32(bitPattern: SCSI_STATUS_GOOD.rawValue):
                let isMutual = parameters.secret?.targetUser != nil
                if let problem = replies.problem(headerDigest: parameters.headerDigest, isMutual: isMutual) {
                    throw error(problem)
                }
                isLoggedIn = true
                return
            case Int32(bitPattern: SCSI_STATUS_REDIRECT.rawValue):
                guard let next = iscsi_get_target_address(context).map({ String(cString: $0) }), !next.isEmpty else {
                    throw error(.tooManyRedirections)
                }
                address = next
                iscsi_disconnect(context)
            default: throw refusal()
            }
        }
        throw error(.tooManyRedirections)
    }

    private func connect(_ context: OpaquePointer, until deadline: Deadline) throws {
        completion.pointee = Completion()
        guard iscsi_connect_async(context, address, Self.onCompletion, completion) == 0 else {
            throw error(.connectionFailed(lastError))
        }
        do {
            try drive(until: deadline) { iscsi_service($0, $1) }
        } catch is DeadlinePassed {
            throw error(.noAnswer(seconds: deadline.limit.seconds))
        } catch let failure as ISCSIError {
            guard case .connectionLost(let cause) = failure.reason else { throw failure }
            throw error(.connectionFailed(cause))
        }
        guard completion.pointee.status == 0 else { throw error(.connectionFailed(lastError)) }
    }

    /// What a refused login means.
    private func refusal() -> ISCSIError {
        let text = lastError
        // libiscsi names the status of RFC 3720 10.13.5 at the end: 0201h is an authentication failure. Where it finds the target's
        // own proof wrong it says so in words.
        if text.hasSuffix("(513)") { return error(.notAuthenticated(hasSecret: parameters.secret != nil)) }
        if parameters.secret?.targetUser != nil, text.contains("CHAP") { return error(.targetNotAuthenticated) }
        return error(.loginRefused(text))
    }

    func error(_ reason: ISCSIError.Reason) -> ISCSIError {
        ISCSIError(portal: address, target: parameters.target, reason)
    }

    private var lastError: String {
        let text = context.flatMap { iscsi_get_error($0) }.map { String(cString: $0) } ?? ""
        return text.isEmpty ? "the connection was closed" : text
    }

    private static let maximumRedirections = 3

    private static let onCompletion: iscsi_command_cb = { _, status, _, place in
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
    private func drive(until deadline: Deadline, _ serve: (OpaquePointer, Int32) -> Int32) throws {
        while !completion.pointee.isDone {
            guard let context else { throw error(.connectionLost("it has ended")) }
            guard let milliseconds = deadline.remainingMilliseconds else { throw DeadlinePassed() }
            let file = iscsi_get_fd(context)
            guard file >= 0 else { throw error(.connectionLost(lastError)) }
            var request = pollfd(fd: file, events: Int16(truncatingIfNeeded: iscsi_which_events(context)), revents: 0)
            let count = poll(&request, 1, milliseconds)
            if count < 0, errno != EINTR { throw error(.connectionLost(String(cString: strerror(errno)))) }
            guard count > 0 else { continue }
            if serve(context, Int32(request.revents)) < 0, !completion.pointee.isDone {
                throw error(.connectionLost(lastError))
            }
        }
    }

    /// Serves what the target sent while nobody listened, such as its pings; false where it has closed the connection.
    func isAlive() -> Bool {
        guard let context else { return false }
        for _ in 0..<64 {
            var octet: UInt8 = 0
            let file = iscsi_get_fd(context)
            let count = recv(file, &octet, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
            if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { return true }
            if count < 0, errno == EINTR { continue }
            guard count > 0, iscsi_service(context, Int32(POLLIN)) >= 0 else { return false }
        }
        return true
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

    /// Asks a portal for its targets: names, and the addresses of their portals as they stand in the answer.
    func discover(until deadline: Deadline) throws -> [(name: String, addresses: [String])] {
        guard let context else { throw error(.connectionLost("it has ended")) }
        let answer = DiscoveryAnswer(completion)
        discovery = answer
        completion.pointee = Completion()
        let onAnswer: iscsi_command_cb = { _, status, list, place in
            guard let place else { return }
            let answer = Unmanaged<DiscoveryAnswer>.fromOpaque(place).takeUnretainedValue()
            if status == 0 { answer.read(list?.assumingMemoryBound(to: iscsi_discovery_address.self)) }
            ISCSIConnection.onCompletion(nil, status, nil, answer.completion)
        }
        guard iscsi_discovery_async(context, onAnswer, Unmanaged.passUnretained(answer).toOpaque()) == 0 else {
            throw error(.discoveryFailed(lastError))
        }
        do {
            try drive(until: deadline) { iscsi_service($0, $1) }
        } catch is DeadlinePassed {
            throw error(.noAnswer(seconds: deadline.limit.seconds))
        }
        guard completion.pointee.status == 0 else { throw error(.discoveryFailed(lastError)) }
        return answer.targets
    }

    /// Says goodbye, as far as that takes no longer than the deadline.
    func logOut(until deadline: Deadline) {
        guard let context, isLoggedIn else { return }
        completion.pointee = Completion()
        guard iscsi_logout_async(context, Self.onCompletion, completion) == 0 else { return }
        try? drive(until: deadline) { iscsi_service($0, $1) }
    }
}

/// What a discovery's callback leaves behind.
private final class DiscoveryAnswer {
    var targets: [(name: String, addresses: [String])] = []
    let completion: UnsafeMutableRawPointer

    init(_ completion: UnsafeMutableRawPointer) {
        self.completion = completion
    }

    /// Copies the list, which lives no longer than the callback.
    func read(_ list: UnsafeMutablePointer<iscsi_discovery_address>?) {
        var next = list
        while let entry = next?.pointee {
            var addresses: [String] = []
            var portal = entry.portals
            while let found = portal?.pointee {
                if let address = found.portal { addresses.append(String(cString: address)) }
                portal = found.next
            }
            if let name = entry.target_name { targets.append((String(cString: name), addresses)) }
            next = entry.next
        }
    }
}

/// A point in time and how far away it was when it was set.
struct Deadline: Sendable {
    let limit: Duration
    private let instant: ContinuousClock.Instant

    init(after limit: Duration) {
        self.limit = limit
        instant = .now + limit
    }

    /// The earlier one of this and what is to be had now.
    func capped(to limit: Duration) -> Deadline {
        let rest = ContinuousClock.now.duration(to: instant)
        return Deadline(after: max(.zero, min(limit, rest)))
    }

    /// The milliseconds left, rounded up; nil where the time is over.
    var remainingMilliseconds: Int32? {
        let rest = ContinuousClock.now.duration(to: instant)
        guard rest > .zero else { return nil }
        let (seconds, attoseconds) = rest.components
        return Int32(clamping: seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
