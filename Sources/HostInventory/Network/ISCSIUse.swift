import Reservations

/// Through which adapters this host reaches iSCSI targets: by open-iscsi's settings (iscsiadm(8)), by the sessions that the kernel has,
/// by what the firmware booted from, and by targets that are named.
struct ISCSIUse {
    private var indices: Set<UInt32> = []
    private var names: Set<String> = []
    private var addresses: Set<String> = []

    private static let bases = ["/etc/iscsi", "/var/lib/iscsi"]
    /// More portals than this are not looked at: each one costs a question to the kernel.
    private static let mostPortals = 4096

    /// - Parameters:
    ///   - portals: targets' addresses, besides those that are found.
    ///   - route: tells through which link the kernel would send to an address; nil where it would not.
    init(
        files: HostFiles, portals: [HostAddress], route: (HostAddress) throws(HostNetworkError) -> UInt32?
    ) throws(HostNetworkError) {
        var portals = Set(portals)
        for base in Self.bases {
            for name in files.names(base + "/ifaces") { bind(by: files.text("\(base)/ifaces/\(name)") ?? "") }
            for target in files.names(base + "/nodes") {
                let folder = "\(base)/nodes/\(target)"
                for portal in files.names(folder) where !bind(portal: "\(folder)/\(portal)", files: files) {
                    // ADDRESS,PORT,GROUP
                    guard let address = HostAddress(String(portal.prefix { $0 != "," })) else { continue }
                    portals.insert(address)
                }
            }
        }
        for name in files.names("/sys/class/iscsi_connection") {
            let folder = "/sys/class/iscsi_connection/" + name
            let text = files.text(folder + "/persistent_address") ?? files.text(folder + "/address")
            if let address = text.flatMap({ HostAddress($0) }) { portals.insert(address) }
        }
        for name in files.names("/sys/class/iscsi_host") {
            if let link = files.text("/sys/class/iscsi_host/\(name)/netdev"), link != "(null)" { names.insert(link) }
        }
        for name in files.names("/sys/firmware/ibft") where name.hasPrefix("ethernet") {
            if let address = files.text("/sys/firmware/ibft/\(name)/mac") { addresses.insert(address.lowercased()) }
        }
        for portal in portals.prefix(Self.mostPortals) {
            if let index = try route(portal) { indices.insert(index) }
        }
    }

    /// Whether the host is configured to reach targets through a link.
    func isUsed(_ link: LinkRecord) -> Bool {
        if indices.contains(link.index) || names.contains(link.name) { return true }
        let text = link.address.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
        return !text.isEmpty && addresses.contains(text)
    }

    /// Takes the adapters to which the records of a portal are bound; false where one of them goes wherever the kernel routes it.
    ///
    /// Older versions have a file for a portal, newer ones a folder with a file for each interface.
    private mutating func bind(portal path: String, files: HostFiles) -> Bool {
        let records = files.names(path)
        let texts = records.isEmpty ? [files.text(path) ?? ""] : records.map { files.text("\(path)/\($0)") ?? "" }
        return texts.map { bind(by: $0) }.allSatisfy { $0 }
    }

    /// Takes the adapter to which a record is bound; false where it is bound to none.
    @discardableResult
    private mutating func bind(by text: String) -> Bool {
        let settings = SettingsText(text)
        let isNamed: (String) -> Bool = { !$0.isEmpty && $0 != "<empty>" && $0 != "default" }
        if let name = settings["", "iface.net_ifacename"], isNamed(name) {
            names.insert(name)
            return true
        }
        if let address = settings["", "iface.hwaddress"], isNamed(address) {
            addresses.insert(address.lowercased())
            return true
        }
        return false
    }
}
