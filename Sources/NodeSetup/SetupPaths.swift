/// Where what a set-up makes is kept on a host.
public struct SetupPaths: Sendable, Equatable {
    /// The folder of the node's configuration, mode 0700.
    public var configurationFolder = "/etc/clusprep"
    /// Where systemd looks for the units of this host's administrator.
    public var unitFolder = "/etc/systemd/system"
    /// Where a package puts its units.
    public var packagedUnit = "/usr/lib/systemd/system/clusprepd.service"
    /// The daemon's program.
    public var daemon: String
    /// This tool's program.
    public var tool: String

    /// The usual places.
    ///
    /// - Parameters:
    ///   - daemon: the path of clusprepd.
    ///   - tool: the path of clusprep.
    public init(daemon: String, tool: String) {
        self.daemon = daemon
        self.tool = tool
    }

    /// The daemon's configuration file.
    public var configuration: String { configurationFolder + "/clusprepd.json" }
    /// What was answered and changed, for checking and undoing.
    public var record: String { configurationFolder + "/setup.json" }
    /// The node's copy of its keytab.
    public var keytab: String { configurationFolder + "/clusprep.keytab" }
    /// The unit, where no package brought one.
    public var unit: String { unitFolder + "/" + Self.service }
    /// The folder of what this host's answers change of the unit.
    public var dropInFolder: String { unitFolder + "/" + Self.service + ".d" }
    /// What this host's answers change of the unit.
    public var dropIn: String { dropInFolder + "/50-setup.conf" }

    /// What a file's name ends in until it is in place, whole.
    static let unfinished = ".clusprep-new"
    /// The unit's name.
    public static let service = "clusprepd.service"
}
