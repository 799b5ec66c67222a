import Configuration

/// One thing that can be configured: the same key in a file, in the environment and as a flag.
///
/// `endpointMapperPort` is that word in a JSON file, `CLUSPREPD_ENDPOINT_MAPPER_PORT` in the environment and
/// `--endpoint-mapper-port` on the command line. A flag beats the environment, the environment beats the file.
struct Setting: Sendable {
    /// What a value has to look like.
    enum Kind: Sendable {
        /// Text; the placeholder names it in the help.
        case text(String)
        /// A whole number within bounds.
        case number(ClosedRange<Int>)
        /// A length of time in seconds, whole or with a fraction.
        case seconds(ClosedRange<Double>)
        /// Any number of texts: a list in a file, separated by commas in the environment, the flag repeated.
        case texts(String)
        /// True or false; as a flag without a value it is true.
        case flag
    }

    /// The key, in camel case.
    let name: String
    /// What its value looks like.
    let kind: Kind
    /// What it is for, and its default.
    let help: String

    /// The flag on the command line.
    var flag: String { "--" + dashed }
    /// The variable in the environment.
    var variable: String {
        Setting.environmentPrefix + dashed.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    /// What begins every variable that is meant for the daemon.
    static let environmentPrefix = "CLUSPREPD_"

    private var dashed: String {
        name.map { $0.isUppercase ? "-" + $0.lowercased() : String($0) }.joined()
    }
}

extension Setting {
    static let config = Setting(
        name: "config", kind: .text("FILE"),
        help: "A JSON file with any of these settings; itself only a flag or a variable.")
    static let stateFolder = Setting(
        name: "stateFolder", kind: .text("DIR"),
        help: "Where the node's database and keys live; made if missing. Default /var/lib/clusprep.")
    static let listen = Setting(
        name: "listen", kind: .texts("ADDRESS"), help: "Addresses to listen on, IPv4 or IPv6. Default 0.0.0.0.")
    static let advertise = Setting(
        name: "advertise", kind: .texts("HOST"),
        help: """
            Further names and addresses by which clients reach this node at the same ports. Clients are told the address they \
            came by, the node's names and these names; those who have authenticated also these addresses and those listened on.
            """)
    static let endpointMapperPort = Setting(
        name: "endpointMapperPort", kind: .number(0...65535),
        help: "The endpoint mapper's and activator's port; 0 takes a free one. Default 135, which clients expect.")
    static let exporterPort = Setting(
        name: "exporterPort", kind: .number(0...65535), help: "The objects' port; 0 takes a free one. Default 0.")
    static let nodeName = Setting(
        name: "nodeName", kind: .text("NAME"),
        help: "The node's name, up to 15 characters, as NTLM presents it. Default the host's name up to its first dot.")
    static let fqdn = Setting(
        name: "fqdn", kind: .text("NAME"), help: "The node's full name. Default the host's, or the node's name.")
    static let domain = Setting(
        name: "domain", kind: .text("NAME"), help: "The domain users belong to. Default the node's name in capitals.")
    static let disks = Setting(
        name: "disks", kind: .texts("DISK"),
        help: """
            Shared disks: an image's path, iscsi://HOST[:PORT][,HOST[:PORT]...]/TARGET-NAME/LUN, or a device such as /dev/sdb. \
            A disk's number is its place in the list. Default none.
            """)
    static let localDisks = Setting(
        name: "localDisks", kind: .text("all|none"),
        help: """
            Whether this host's other disks are in the list, too, behind those named; the ones it lives on can only be read. \
            Default all.
            """)
    static let iscsiCredentials = Setting(
        name: "iscsiCredentials", kind: .text("FILE"),
        help: "A JSON file, readable by its owner alone, with the CHAP secrets of iSCSI targets. Default none.")
    static let shareUser = Setting(
        name: "shareUser", kind: .text("NAME"),
        help: """
            The Unix account that tests of file sharing log on as, unknown to Samba between them; the same on all nodes. \
            Default clusprep.
            """)
    static let sharePort = Setting(
        name: "sharePort", kind: .number(1...65535),
        help: "The port of this node's SMB server, and of the other nodes'. Default 445.")
    static let shareAddresses = Setting(
        name: "shareAddresses", kind: .texts("ADDRESS"),
        help: "The addresses that other nodes reach this node's SMB server by. Default those listened on.")
    static let shareFolder = Setting(
        name: "shareFolder", kind: .text("DIR"),
        help: """
            Where the folders of tests' shares are made, which the account has to be able to reach; made if missing. Default \
            /run/clusprep-shares.
            """)
    static let sambaConfiguration = Setting(
        name: "sambaConfiguration", kind: .text("FILE"),
        help: "The smb.conf of this node's SMB server. Default Samba's own.")
    static let pingPeriod = Setting(
        name: "pingPeriod", kind: .seconds(1...3600),
        help: "Seconds between a client's pings; three missed and its objects are collected. Default 120.")
    static let defenseInterval = Setting(
        name: "defenseInterval", kind: .seconds(0.05...60),
        help: "Seconds between two looks at the reservation of a disk that is owned. Default 3.")
    static let challengeTime = Setting(
        name: "challengeTime", kind: .seconds(0.1...120),
        help: "Seconds that arbitration gives a holder to defend itself; more than two of its intervals. Default 7.")
    static let presentedVersion = Setting(
        name: "presentedVersion", kind: .text("MAJOR.MINOR"),
        help: "The operating system's version that clients are told. Default the kernel's.")
    static let functionalLevel = Setting(
        name: "functionalLevel", kind: .number(9...12),
        help: "The highest functional level of a cluster that the node can be in, as Windows counts them. Default 12.")
    static let logFolder = Setting(
        name: "logFolder", kind: .text("DIR"),
        help: """
            Where the log files are made that clients ask for; made if missing, in a folder that is there. Default \
            /var/log/clusprep.
            """)
    static let logShare = Setting(
        name: "logShare", kind: .text("NAME"),
        help: "The share by which those files are fetched, made on this node's SMB server. Default clusprep-logs.")
    static let logGroup = Setting(
        name: "logGroup", kind: .text("GROUP"),
        help: "The Unix group whose members may read the log files. Default the daemon's own.")
    static let eventLogSize = Setting(
        name: "eventLogSize", kind: .number(1...65536),
        help: "MiB of events that are kept in the state folder. Default 64.")
    static let logLevel = Setting(
        name: "logLevel", kind: .text("LEVEL"),
        help: "trace, debug, info, notice, warning, error or critical, to standard error. Default info.")
    static let shutdownTimeout = Setting(
        name: "shutdownTimeout", kind: .seconds(0...600),
        help: "Seconds that calls in progress get when the daemon is told to stop. Default 10.")
    static let diskThreads = Setting(
        name: "diskThreads", kind: .number(1...256), help: "Threads for disk commands, which block. Default 8.")
    static let activationProbe = Setting(
        name: "activationProbe", kind: .flag,
        help: "Offer the class without objects that Samba's DCOM tests activate, and read their pings. For labs.")
    static let ready = Setting(
        name: "ready", kind: .flag, help: "Print one line of JSON on standard output once every address is served.")
    static let stopAtEndOfInput = Setting(
        name: "stopAtEndOfInput", kind: .flag,
        help: "Stop when standard input ends, so that the daemon does not outlive the program that started it.")

    /// Every setting, in the order in which the help shows them.
    static let all: [Setting] =
        [
            config, stateFolder, listen, advertise, endpointMapperPort, exporterPort, nodeName, fqdn, domain, disks,
            localDisks, iscsiCredentials, shareUser, sharePort, shareAddresses, shareFolder, sambaConfiguration,
            pingPeriod, defenseInterval, challengeTime, presentedVersion, functionalLevel, logFolder, logShare,
            logGroup, eventLogSize, logLevel,
        ] + limits + logons + kerberos + [
            shutdownTimeout, diskThreads, activationProbe, ready, stopAtEndOfInput,
        ]
}
