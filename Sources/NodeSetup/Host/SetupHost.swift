import Reservations

/// The host that is being set up: the seam between what a set-up decides and what it does. Tests have one in memory.
public protocol SetupHost: Sendable {
    /// Whether we may change the host: root.
    var isAdministrator: Bool { get }
    /// The host's name, with its domain where it has one.
    var name: String { get }
    /// Whether systemd runs here.
    var hasServiceManager: Bool { get }

    /// What lies at a path; nil where there is nothing. Links are followed.
    func status(of path: String) throws(SetupError) -> FileStatus?
    /// The path with every link followed, as far as it leads somewhere; the rest of it stays what it is.
    func resolved(_ path: String) -> String
    /// A file's octets, up to 1 MiB; nil where there is no file.
    func contents(of path: String) throws(SetupError) -> [UInt8]?
    /// Makes one folder, of ours alone. The one above has to be there.
    func makeFolder(_ path: String, mode: UInt32) throws(SetupError)
    /// Puts a file in place, whole or not at all, durable when it returns.
    func write(_ contents: [UInt8], to path: String, mode: UInt32) throws(SetupError)
    /// Removes a file, or a folder that is empty; what is not there is gone already, and a folder that is not empty stays.
    func remove(_ path: String) throws(SetupError)
    /// Removes a folder with all that is in it.
    func removeTree(_ path: String) throws(SetupError)

    /// The path of a program in the system's folders; nil where it is not installed.
    func program(_ name: String) -> String?
    /// Runs a program to its end, without a shell.
    func run(_ program: String, _ arguments: [String]) async throws(SetupError) -> ProgramResult
    /// Whether there is a Unix account of this name.
    func hasAccount(_ name: String) -> Bool
    /// Whether one could listen there.
    func canListen(address: String, port: Int) -> ListenTrial

    /// Whether OpenSSL has what NTLM is made of; else why not.
    func cryptographyProblem() -> String?
    /// The node's users, by name; none where there is no state folder.
    func users(stateFolder: String) async throws(SetupError) -> [String]
    /// Adds a user to the node's store, which is made if it is not there.
    func addUser(_ user: SetupAnswers.User, password: String, stateFolder: String) async throws(SetupError)
    /// Removes a user.
    func removeUser(_ name: String, stateFolder: String) async throws(SetupError)
    /// What a keytab lacks for a node of this name; nil where it is good.
    func keytabProblem(path: String, fqdn: String) -> String?
    /// Makes the firewall's table of ours in the kernel.
    func openFirewall(exporterPort: Int, interfaces: [String]) async throws(SetupError)
    /// Removes it.
    func closeFirewall() async throws(SetupError)
    /// This host's disks and those behind portals, and what did not answer.
    func disks(behind portals: [ISCSIPortal], credentials: String?) async -> (
        found: [DiskCandidate], problems: [String]
    )
    /// One disk, looked at without changing it.
    func disk(_ target: DiskTarget, credentials: String?) async -> DiskCandidate
}

/// What lies at a path.
public struct FileStatus: Equatable, Sendable {
    /// Whether it is a folder.
    public var isFolder: Bool
    /// Whether it is a regular file: no folder, and no device, pipe or socket.
    public var isRegular: Bool
    /// The permission bits.
    public var mode: UInt32
    /// The owner's number.
    public var owner: UInt32

    /// From its parts; what is no folder is a regular file unless the opposite is said.
    public init(isFolder: Bool, isRegular: Bool? = nil, mode: UInt32, owner: UInt32) {
        self.isFolder = isFolder
        self.isRegular = isRegular ?? !isFolder
        self.mode = mode
        self.owner = owner
    }
}

/// How a program ended.
public struct ProgramResult: Equatable, Sendable {
    /// Its exit status; nil where a signal ended it.
    public var status: Int32?
    /// What it wrote, up to 64 KiB.
    public var output: String
    /// What it complained of, up to 64 KiB.
    public var errors: String

    /// From its parts.
    public init(status: Int32?, output: String = "", errors: String = "") {
        self.status = status
        self.output = output
        self.errors = errors
    }
}

/// What came of a trial to listen.
public enum ListenTrial: Equatable, Sendable {
    /// It can be done.
    case free
    /// Somebody listens there.
    case inUse
    /// The address is not this host's.
    case foreignAddress
    /// It cannot be done for another reason.
    case refused(String)
}

/// A disk that a node could share.
public struct DiskCandidate: Equatable, Sendable {
    /// The disk, as the answers name it.
    public var target: String
    /// Vendor and product, or what else to call it.
    public var name: String
    /// The octets; nil where it does not answer.
    public var size: UInt64?
    /// This host lives on it.
    public var isProtected: Bool
    /// Why a failover cluster cannot use it, in words; empty where it can.
    public var obstacles: [String]
    /// Why it cannot be opened; nil where it can.
    public var problem: String?

    /// From its parts.
    public init(
        target: String, name: String, size: UInt64?, isProtected: Bool = false, obstacles: [String] = [],
        problem: String? = nil
    ) {
        self.target = target
        self.name = name
        self.size = size
        self.isProtected = isProtected
        self.obstacles = obstacles
        self.problem = problem
    }

    /// Whether it may be offered: it answers, a cluster can use it, and this host does not live on it.
    public var isUsable: Bool { !isProtected && obstacles.isEmpty && problem == nil }
}
