/// The unit of systemd that runs the daemon, and what a host's answers change of it (systemd.exec(5), systemd.resource-control(5)).
///
/// The daemon is root's, because Samba's commands, which make the shares of tests, ask for that; it is root with the few capabilities that
/// are named here, with a file system that it can only read but for its own folders, and with no way to get more.
public enum ServiceUnit {
    /// A privilege, and what for.
    enum Capability: String {
        /// The endpoint mapper's port 135.
        case bindService = "CAP_NET_BIND_SERVICE"
        /// Reading the firewall's rules.
        case netAdmin = "CAP_NET_ADMIN"
        /// Answers to ICMP echo.
        case netRaw = "CAP_NET_RAW"
        /// SCSI's reservation commands, which the kernel lets through to others for reading devices only.
        case rawIO = "CAP_SYS_RAWIO"
        /// NVMe's, and asking device-mapper for paths.
        case sysAdmin = "CAP_SYS_ADMIN"
        /// The group of log files.
        case chown = "CAP_CHOWN"
        /// The helper that looks at other nodes' shares becomes nobody.
        case setUID = "CAP_SETUID"
        /// The same of its groups.
        case setGID = "CAP_SETGID"
        /// And is ended where it does not come back.
        case kill = "CAP_KILL"

        static let network: [Capability] = [.bindService, .netAdmin, .netRaw]
        static let devices: [Capability] = [.rawIO, .sysAdmin]
        static let shares: [Capability] = [.chown, .setUID, .setGID, .kill]
    }

    private static func list(_ capabilities: [Capability]) -> String {
        capabilities.map(\.rawValue).joined(separator: " ")
    }

    /// Whether a unit takes a path for one word and for what it says: its specifiers, quotes and spaces would change it.
    public static func isWord(_ path: String) -> Bool {
        !path.unicodeScalars.contains {
            $0.value <= 0x20 || $0.value == 0x7F || "%\"'\\$;".unicodeScalars.contains($0)
        }
    }

    /// The unit for every configuration; what one host does not need its drop-in takes away.
    public static func text(_ paths: SetupPaths) -> String {
        """
        [Unit]
        Description=ClusPrep failover-cluster node ([MS-CSVP])
        Documentation=man:clusprepd(8) man:clusprep(1)
        Wants=network-online.target
        # What the host mounts for itself is mounted before disks are offered to others.
        After=remote-fs.target network-online.target nss-lookup.target multipathd.service smbd.service
        # Until "clusprep setup", or somebody by hand, has written it there is no node to run.
        ConditionPathExists=\(paths.configuration)

        [Service]
        Type=notify
        ExecStart=\(paths.daemon) --config \(paths.configuration)
        EnvironmentFile=-/etc/default/clusprepd
        Restart=on-failure
        RestartSec=5s
        # A bad configuration (EX_USAGE, EX_CONFIG of sysexits.h) does not get better.
        RestartPreventExitStatus=64 78
        # What is in progress gets 10 s, giving back disks as long again.
        TimeoutStopSec=30s

        StateDirectory=clusprep
        StateDirectoryMode=0700
        LogsDirectory=clusprep
        # Of the daemon's own: it refuses one that others can look into.
        LogsDirectoryMode=0750
        RuntimeDirectory=clusprep-shares
        UMask=0077

        CapabilityBoundingSet=\(list(Capability.network + Capability.devices + Capability.shares))
        NoNewPrivileges=yes
        ProtectSystem=strict
        ReadWritePaths=-/var/lib/samba -/var/cache/samba -/var/log/samba -/run/samba
        ProtectHome=yes
        PrivateTmp=yes
        ProtectClock=yes
        ProtectHostname=yes
        ProtectKernelTunables=yes
        ProtectKernelModules=yes
        ProtectKernelLogs=yes
        ProtectControlGroups=yes
        ProtectProc=invisible
        RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        KeyringMode=private
        RemoveIPC=yes
        SystemCallArchitectures=native
        SystemCallFilter=@system-service
        SystemCallErrorNumber=EPERM
        DevicePolicy=closed
        DeviceAllow=block-* rw
        DeviceAllow=char-sg rw
        DeviceAllow=char-nvme rw
        DeviceAllow=/dev/mapper/control rw

        [Install]
        WantedBy=multi-user.target

        """
    }

    /// What a host's answers change of the unit: what they do not need is taken away, the folders of their images are opened.
    ///
    /// - Parameters:
    ///   - answers: they have been checked, so no path holds what a unit would take for more than a path.
    ///   - usesSamba: whether this host has Samba, by which the node's logs are fetched, too.
    ///   - opensFirewall: whether the service lets a cluster's traffic in while it runs.
    ///   - imageFolders: the folders of the images, those that links lead to among them; nil for those of the answers.
    public static func dropIn(
        _ answers: SetupAnswers, paths: SetupPaths, usesSamba: Bool, opensFirewall: Bool,
        imageFolders: [String]? = nil
    ) -> String {
        var lines = [
            "# Made by \"clusprep setup\", which makes it anew, and removed by \"clusprep setup remove\".",
            "# Changes of your own go to another file of this folder.",
        ]
        let usual = SetupAnswers.usualStateFolder
        var folders = imageFolders ?? answers.imageFolders
        if answers.stateFolder != usual { folders.append(answers.stateFolder) }
        if !folders.isEmpty { lines += ["[Unit]", "RequiresMountsFor=\(folders.joined(separator: " "))", ""] }
        var capabilities = Capability.network
        if answers.usesDevices { capabilities += Capability.devices }
        if usesSamba { capabilities += Capability.shares }
        // An empty value forgets what the unit itself says.
        lines += ["[Service]", "CapabilityBoundingSet=", "CapabilityBoundingSet=\(list(capabilities))"]
        if !answers.usesDevices { lines += ["DeviceAllow=", "PrivateDevices=yes"] }
        if !usesSamba { lines += ["ReadWritePaths=", "RuntimeDirectory="] }
        if answers.stateFolder != usual { lines.append("StateDirectory=") }
        lines += folders.map { "ReadWritePaths=\($0)" }
        if opensFirewall {
            let through = answers.firewallInterfaces.map { " --interface \($0)" }.joined()
            lines += [
                // Whole, because the table is the kernel's; and a firewall that stays shut is no reason not to run.
                "ExecStartPre=-+\(paths.tool) firewall open --ports \(answers.exporterPort)\(through)",
                "ExecStopPost=-+\(paths.tool) firewall close",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
