import ErrorCodes

/// Why an iSCSI target could not be reached or used.
public struct ISCSIError: Error, Sendable, Hashable {
    /// What went wrong.
    public enum Reason: Sendable, Hashable {
        /// No TCP connection came about.
        case connectionFailed(String)
        /// Connecting and logging in took longer than this many seconds.
        case noAnswer(seconds: Double)
        /// The target refused the login, in its own words.
        case loginRefused(String)
        /// The target refused who we say we are.
        case notAuthenticated(hasSecret: Bool)
        /// The target let us in without proving who it is, though a secret for that is configured.
        case targetNotAuthenticated
        /// The target does not want header digests, though they were asked for.
        case headerDigestRefused
        /// The target chose a value for a key that RFC 3720 12 does not allow.
        case badParameter(key: String, value: String)
        /// The target sent us from portal to portal.
        case tooManyRedirections
        /// The connection broke; whether the command under way was executed is not known.
        case connectionLost(String)
        /// The connection broke, and when it stood again, this node's registration was gone: somebody pre-empted it, or the target
        /// forgot it. The command was not sent, or not sent again.
        case registrationLost
        /// The command could not be sent.
        case notSent(String)
        /// The initiator's session identifier is of a kind that has no place in a login (RFC 3720 10.12.5).
        case unusableSessionID(UInt64)
        /// The target did not say which targets or units it has.
        case discoveryFailed(String)
    }

    /// The portal, with its port.
    public let portal: String
    /// The target's name; nil in a discovery.
    public let target: String?
    /// What went wrong.
    public let reason: Reason

    init(portal: String, target: String?, _ reason: Reason) {
        self.portal = portal
        self.target = target
        self.reason = reason
    }
}

extension ISCSIError: HRESULTConvertible {
    /// As of a command that reached no status (``SCSIError``): ERROR_SEM_TIMEOUT where there was no answer in time, else
    /// ERROR_IO_DEVICE.
    public var hresult: HRESULT {
        switch reason {
        case .noAnswer: Win32Error(rawValue: 121).hresult
        default: Win32Error.ioDevice.hresult
        }
    }
}

extension ISCSIError: CustomStringConvertible {
    /// What failed, on what, and what to do about it.
    public var description: String {
        let place = target.map { "iSCSI target \($0) at \(portal)" } ?? "iSCSI portal \(portal)"
        return "\(place): \(explanation)"
    }

    private var explanation: String {
        switch reason {
        case .connectionFailed(let cause):
            "no connection (\(cause)); check the address and the port, and that the target runs"
        case .noAnswer(let seconds):
            "no answer within \(seconds.formattedSeconds); check the network, or give it more time with ?timeout="
        case .loginRefused(let cause):
            "the login was refused (\(cause)); check the target's name, its access list and this node's initiator name"
        case .notAuthenticated(true):
            "the user or the password was refused; check them in the credentials file"
        case .notAuthenticated(false):
            "the target asks for a user and a password; put them into the credentials file"
        case .targetNotAuthenticated:
            "the target did not prove who it is; check its outgoing account and targetUser and targetPassword in the "
                + "credentials file, and whether it is the target you mean"
        case .headerDigestRefused:
            "the target does not use header digests; switch them on there, or leave out header-digest=crc32c"
        case .badParameter(let key, let value):
            "the target chose \(key)=\(value), which the standard does not allow; update or replace it"
        case .tooManyRedirections:
            "the target sent us from portal to portal; name the portal it is to be had at"
        case .connectionLost(let cause):
            "the connection broke (\(cause)); the next command connects again"
        case .registrationLost:
            "the connection broke, and this node's registration was gone when it stood again; register again"
        case .notSent(let cause):
            "the command could not be sent (\(cause))"
        case .unusableSessionID(let sessionID):
            "the session identifier 0x\(String(sessionID, radix: 16)) cannot be sent; use one of the random kind"
        case .discoveryFailed(let cause):
            "discovery failed (\(cause)); check that it is an iSCSI portal that allows discovery"
        }
    }
}

extension Double {
    fileprivate var formattedSeconds: String {
        self == rounded() ? "\(Int(self)) s" : "\(self) s"
    }
}

extension Duration {
    /// The duration in seconds.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
