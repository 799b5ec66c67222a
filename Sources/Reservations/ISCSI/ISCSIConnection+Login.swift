import CISCSI
import Glibc

/// How a session begins.
extension ISCSIConnection {
    /// Says who we are and what the session is to be like.
    func configure(_ context: OpaquePointer) throws {
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

    /// Connects and logs in, at another portal where the target asks for it.
    func logIn(_ context: OpaquePointer, until deadline: Deadline) throws {
        for _ in 0...Self.maximumRedirections {
            try connect(context, until: deadline)
            var replies = ISCSILoginReplies()
            completion.pointee = Completion()
            stream?.begin(.login)
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
                if parameters.headerDigest == .crc32c { stream?.useDigests() }
                isLoggedIn = true
                return
            case Int32(bitPattern: SCSI_STATUS_REDIRECT.rawValue):
                guard let next = iscsi_get_target_address(context).map({ String(cString: $0) }), !next.isEmpty else {
                    throw error(.tooManyRedirections)
                }
                address = next
                iscsi_disconnect(context)
                stream = nil
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
        guard let guarded = ISCSIGuard(replacing: iscsi_get_fd(context)) else {
            throw error(.connectionFailed(String(cString: strerror(errno))))
        }
        stream = guarded
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

    private static let maximumRedirections = 3
}
