import Reservations

/// Which adapters take addresses from DHCP, by what the host's network managers have on disk.
///
/// A manager's word for how the adapter is set up right now counts most; dhclient's leases stand for themselves only
/// where the adapter has the address that the last of them gave.
struct DHCPUse {
    private let files: HostFiles
    private let interfaces: InterfacesFile
    private let leases: DHClientLeases

    /// Where NetworkManager keeps its connections, what has precedence first (NetworkManager.conf(5)).
    private static let connectionFolders = [
        "/etc/NetworkManager/system-connections", "/run/NetworkManager/system-connections",
        "/usr/lib/NetworkManager/system-connections",
    ]

    init(files: HostFiles) {
        self.files = files
        interfaces = InterfacesFile(files: files)
        leases = DHClientLeases(files: files)
    }

    /// Whether a link takes addresses from DHCP.
    func isUsed(by name: String, index: UInt32, addresses: [HostAddress]) -> Bool {
        usesNetworkd(index: index) || usesNetworkManager(name: name, index: index) || interfaces.usesDHCP(name)
            || leases.gave(name, oneOf: addresses)
    }

    // MARK: systemd-networkd

    /// A lease, or DHCP= in the file that networkd says it has set the link up by (systemd.network(5)).
    private func usesNetworkd(index: UInt32) -> Bool {
        if files.exists("/run/systemd/netif/leases/\(index)") { return true }
        guard let state = files.text("/run/systemd/netif/links/\(index)").map(SettingsText.init),
            let file = state["", "NETWORK_FILE"]
        else { return false }
        let additions = (state["", "NETWORK_FILE_DROPINS"] ?? "").split(whereSeparator: { " \"".contains($0) })
        var answer: String?
        for path in [file] + additions.map(String.init) {
            if let value = files.text(path).map(SettingsText.init)?["Network", "DHCP"] { answer = value }
        }
        // The third group is of networkd's before version 219.
        return ["yes", "true", "1", "on", "y", "t", "ipv4", "ipv6", "both", "v4", "v6"]
            .contains(answer?.lowercased() ?? "")
    }

    // MARK: NetworkManager

    /// The method of the connection that is active on the link; where that is in no file of NetworkManager's own form, a lease of it.
    private func usesNetworkManager(name: String, index: UInt32) -> Bool {
        guard let state = files.text("/run/NetworkManager/devices/\(index)").map(SettingsText.init),
            let uuid = state["device", "connection-uuid"]
        else { return false }
        for folder in Self.connectionFolders {
            for file in files.names(folder) {
                guard let connection = files.text("\(folder)/\(file)").map(SettingsText.init),
                    connection["connection", "uuid"] == uuid
                else { continue }
                // IPv6's "auto" is what routers advertise, whose flags may then ask for DHCPv6.
                return connection["ipv4", "method"] == "auto" || connection["ipv6", "method"] == "dhcp"
                    || hasLease(uuid: uuid, name: name, programs: ["internal6", "dhclient6"])
            }
        }
        return hasLease(uuid: uuid, name: name, programs: ["internal", "internal6", "dhclient", "dhclient6"])
    }

    private func hasLease(uuid: String, name: String, programs: [String]) -> Bool {
        programs.contains { files.exists("/var/lib/NetworkManager/\($0)-\(uuid)-\(name).lease") }
    }
}
