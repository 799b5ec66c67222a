import ErrorCodes

/// What can go wrong with the shares of a test: what failed, on what, and what to do about it.
public enum FileShareError: Error, Hashable, Sendable {
    /// A program of Samba's, or ours that speaks SMB, is not there.
    case notInstalled(program: String, remedy: String)
    /// No SMB server answers on these addresses of this host.
    case notServed(addresses: [String], port: UInt16, reason: String)
    /// The host has no address that another node could use.
    case noAddress
    /// The Unix account that tests log on as does not exist.
    case noAccount(name: String)
    /// The Unix account is root's, and the SMB server is one that serves others, too.
    case accountIsRoot(name: String)
    /// Samba knows the account already, and not from us.
    case accountTaken(name: String)
    /// A share of that name shows another folder.
    case shareTaken(name: String)
    /// Another test has its shares on this node.
    case busy
    /// The service has ended.
    case stopped
    /// A command of Samba's failed.
    case commandFailed(command: String, reason: String)
    /// A command of Samba's did not end in time and was killed.
    case commandTimedOut(command: String)
    /// A file or folder of ours cannot be written.
    case fileFailed(path: String, reason: String)
    /// The client's identifier or text for the test cannot be used.
    case badTest(reason: String)
    /// A string that is no `\\address`, or too many or too few of them.
    case badPaths(reason: String)
    /// None of the addresses leads to the share. The failure is that of the address that led furthest.
    case notReached(path: String, failure: ConnectionFailure)

    /// Why one address did not lead to the share, from what leads least far to what leads furthest.
    public enum ConnectionFailure: Int, Error, Hashable, Sendable, Comparable {
        /// Nothing was tried, for the address means nothing on this host.
        case notRoutable
        /// Nobody is there, or nobody listens.
        case unreachable
        /// Nothing came in time.
        case timedOut
        /// What answers speaks no SMB that we speak.
        case notSMB
        /// The server refuses the test's account.
        case accessDenied
        /// The server has no such share.
        case noShare
        /// There is a share of that name, but not this test's.
        case wrongShare

        /// By how far the address led.
        public static func < (lhs: ConnectionFailure, rhs: ConnectionFailure) -> Bool {
            lhs.rawValue < rhs.rawValue
        }
    }
}

extension FileShareError {
    /// Whether it is about this host, so that whoever runs it should hear of it; the rest is the client's or another node's.
    public var concernsHost: Bool {
        switch self {
        case .notInstalled, .notServed, .noAddress, .noAccount, .accountIsRoot, .accountTaken, .shareTaken,
            .commandFailed,
            .commandTimedOut, .fileFailed:
            true
        case .busy, .stopped, .badTest, .badPaths, .notReached: false
        }
    }
}

extension FileShareError: CustomStringConvertible {
    /// What failed, on what, and what to do.
    public var description: String {
        switch self {
        case .notInstalled(let program, let remedy):
            "there is no program \(program): \(remedy)"
        case .notServed(let addresses, let port, let reason):
            "no SMB server answers on port \(port) of \(addresses.joined(separator: ", ")) (\(reason)): start smbd, "
                + "or have it listen there"
        case .noAddress:
            "this host has no address but loopback; name those that serve shares with shareAddresses"
        case .noAccount(let name):
            "there is no account \(name) for tests of shares: useradd --system --no-create-home --shell "
                + "/usr/sbin/nologin \(name), or name another with shareUser"
        case .accountIsRoot(let name):
            "tests of shares do not log on as root to an SMB server that serves others, and \(name) is root: name another "
                + "account with shareUser, or a configuration for tests alone with sambaConfiguration"
        case .accountTaken(let name):
            "Samba has an account \(name) that is not from a test: remove it with pdbedit -x \(name), or name "
                + "another with shareUser"
        case .shareTaken(let name):
            "the share \(name) shows another folder than the node's logs: remove it with net usershare delete \(name), or "
                + "name another with logShare"
        case .busy: "another test has its shares on this node"
        case .stopped: "the node is stopping"
        case .commandFailed(let command, let reason): "\(command) failed: \(reason)"
        case .commandTimedOut(let command): "\(command) did not end in time"
        case .fileFailed(let path, let reason): "cannot write \(path): \(reason)"
        case .badTest(let reason): "cannot set up a test: \(reason)"
        case .badPaths(let reason): "not a list of share addresses: \(reason)"
        case .notReached(let path, let failure): "no address leads to the share; \(path): \(failure)"
        }
    }
}

extension FileShareError.ConnectionFailure: CustomStringConvertible {
    /// In words.
    public var description: String {
        switch self {
        case .notRoutable: "a link-local address means nothing to another host"
        case .unreachable: "nobody answers"
        case .timedOut: "no answer in time"
        case .notSMB: "not an SMB 2 or 3 server"
        case .accessDenied: "the test's account is refused"
        case .noShare: "the server has no such share"
        case .wrongShare: "the share is not this test's"
        }
    }
}

extension FileShareError: HRESULTConvertible {
    /// The nearest Win32 code ([MS-ERREF] 2.2).
    public var hresult: HRESULT {
        win32.hresult
    }

    private var win32: Win32Error {
        switch self {
        case .notInstalled: .serviceDoesNotExist
        case .notServed, .noAddress: .serviceNotActive
        case .noAccount: .noSuchUser
        case .accountIsRoot: .accessDenied
        case .accountTaken: .userExists
        case .shareTaken: .duplicateShare
        case .busy: .busy
        case .stopped: .cancelled
        case .commandFailed: .generalFailure
        case .commandTimedOut: .timeout
        case .fileFailed: .writeFault
        case .badTest, .badPaths: .invalidParameter
        case .notReached(_, let failure): failure.win32
        }
    }
}

extension FileShareError.ConnectionFailure {
    fileprivate var win32: Win32Error {
        switch self {
        case .notRoutable, .unreachable: .badNetworkPath
        case .timedOut: .timeout
        case .notSMB, .wrongShare: .badNetworkResponse
        case .accessDenied: .accessDenied
        case .noShare: .badNetworkName
        }
    }
}

extension Win32Error {
    /// ERROR_BAD_NETPATH.
    static let badNetworkPath = Win32Error(rawValue: 53)
    /// ERROR_BAD_NET_RESP.
    static let badNetworkResponse = Win32Error(rawValue: 58)
    /// ERROR_BAD_NET_NAME.
    static let badNetworkName = Win32Error(rawValue: 67)
    /// ERROR_SERVICE_DOES_NOT_EXIST.
    static let serviceDoesNotExist = Win32Error(rawValue: 1060)
    /// ERROR_SERVICE_NOT_ACTIVE.
    static let serviceNotActive = Win32Error(rawValue: 1062)
    /// NERR_DuplicateShare ([MS-ERREF] 2.2: the share name is already in use).
    static let duplicateShare = Win32Error(rawValue: 2118)
    /// ERROR_USER_EXISTS.
    static let userExists = Win32Error(rawValue: 1316)
    /// ERROR_NO_SUCH_USER.
    static let noSuchUser = Win32Error(rawValue: 1317)
}
