import CLinuxNetwork
import Glibc
import Reservations

/// The network adapters of this Linux host, as the kernel's routing socket, its drivers and the files of network managers tell.
///
/// It sees the network namespace of the thread that asks. No other program is run.
public struct HostAdapters: AdapterSource {
    private let files: HostFiles
    private let hardware: any HardwareSource
    private let initiatorPortals: [HostAddress]
    private let port: @Sendable () throws(HostNetworkError) -> any NetlinkPort

    /// The adapters of this host.
    ///
    /// - Parameters:
    ///   - root: the folder that stands for `/` where files are read; adapters, addresses and routes are always the kernel's.
    ///   - initiatorPortals: iSCSI targets that this node reaches by itself, besides those that open-iscsi is configured for.
    public init(root: String = "/", initiatorPortals: [HostAddress] = []) {
        let files = HostFiles(root: root)
        self.init(
            files: files, hardware: KernelHardware(files: files), initiatorPortals: initiatorPortals
        ) { () throws(HostNetworkError) in try NetlinkSocket() }
    }

    init(
        files: HostFiles, hardware: any HardwareSource, initiatorPortals: [HostAddress] = [],
        port: @escaping @Sendable () throws(HostNetworkError) -> any NetlinkPort
    ) {
        self.files = files
        self.hardware = hardware
        self.initiatorPortals = initiatorPortals
        self.port = port
    }

    /// The adapters, by the kernel's index.
    ///
    /// Links are read last: one that went in the meantime is not listed, one that came has at least what it had by then.
    ///
    /// - Throws: ``HostNetworkError`` where the kernel does not answer, or the host's network changed during every attempt to read it.
    public func list() throws(HostNetworkError) -> [HostAdapter] {
        var kernel = NetlinkConversation(port: try port())
        let addresses = try kernel.list(
            RTM_GETADDR, answer: RTM_NEWADDR, payload: AddressRecord.request, operation: "list addresses"
        ) { (octets) throws(HostNetworkError) in try AddressRecord(octets) }
        let gateways = try Self.gateways(&kernel)
        let storage = try ISCSIUse(files: files, portals: initiatorPortals) { (address) throws(HostNetworkError) in
            try Self.link(to: address, &kernel)
        }
        let links = try kernel.list(
            RTM_GETLINK, answer: RTM_NEWLINK, payload: LinkRecord.request, operation: "list links"
        ) { (octets) throws(HostNetworkError) in try LinkRecord(octets) }
        let hardware = try hardware.hardware(of: links)
        let identifiers = try AdapterIdentity(files: files).identifiers(of: links)
        let leases = DHCPUse(files: files)
        let addressesOf = Dictionary(grouping: addresses, by: \.index)
        let gatewaysOf = Dictionary(grouping: gateways, by: \.index)
        var adapters: [HostAdapter] = []
        for link in links.sorted(by: { $0.index < $1.index }) {
            // Every link has got an identifier above.
            guard let id = identifiers[link.index] else { continue }
            let device = hardware[link.index] ?? AdapterHardware()
            let own = addressesOf[link.index]?.map(\.address) ?? []
            let type = link.type(isWireless: device.isWireless)
            adapters.append(
                HostAdapter(
                    id: id, index: link.index, name: link.name, summary: link.summary(device),
                    // A loopback link has an address of zeros, which is none; a tunnel's is the IP address of its end.
                    hardwareAddress: type == .loopback || type == .tunnel && !link.hasEthernetAddress
                        ? [] : link.address,
                    mtu: link.mtu, type: type, tunnelType: link.tunnelType, status: link.status, addresses: own,
                    gateways: Self.ordered(gatewaysOf[link.index] ?? []),
                    usesDHCP: leases.isUsed(by: link.name, index: link.index, addresses: own.map(\.address)),
                    speed: device.speed, hasRDMA: device.hasRDMA || type == .infiniBand,
                    hasRSS: device.spreadsReceived,
                    carriesISCSI: storage.isUsed(link)))
        }
        return adapters
    }

    /// The next hops of all default routes, whatever table they stand in: a router's virtual one has a table of its own.
    private static func gateways(_ kernel: inout NetlinkConversation) throws(HostNetworkError) -> [RouteRecord] {
        var found: [RouteRecord] = []
        for family in [AF_INET, AF_INET6] {
            let routes = try kernel.list(
                RTM_GETROUTE, answer: RTM_NEWROUTE, payload: RouteRecord.request(family: family),
                operation: "list routes"
            ) { (octets) throws(HostNetworkError) -> [RouteRecord]? in
                let gateways = try RouteRecord.gateways(octets)
                return gateways.isEmpty ? nil : gateways
            }
            found += routes.flatMap { $0 }
        }
        return found
    }

    /// The index of the link through which the kernel would send to an address; nil where it knows no way there.
    private static func link(
        to address: HostAddress, _ kernel: inout NetlinkConversation
    ) throws(HostNetworkError) -> UInt32? {
        try kernel.one(
            RTM_GETROUTE, answer: RTM_NEWROUTE, payload: RouteRecord.request(to: address),
            operation: "find the route to \(address)",
            absent: [ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES, ENODEV, EAFNOSUPPORT, ENETDOWN, EOPNOTSUPP]
        ) { (octets) throws(HostNetworkError) in try RouteRecord.link(octets) }
    }

    /// The gateways by preference, each once; IPv4 first, as they were asked for.
    private static func ordered(_ routes: [RouteRecord]) -> [HostAddress] {
        var seen: Set<HostAddress> = []
        let sorted = routes.enumerated().sorted { left, right in
            (left.element.gateway.family == .v4 ? 0 : 1, left.element.priority, left.offset)
                < (right.element.gateway.family == .v4 ? 0 : 1, right.element.priority, right.offset)
        }
        return sorted.map(\.element.gateway).filter { seen.insert($0).inserted }
    }
}

extension LinkRecord {
    /// Whether the hardware address is one of Ethernet, which a tunnel of Ethernet frames has.
    fileprivate var hasEthernetAddress: Bool { hardwareType == 1 }

    /// What it is, for people: never the same for two links, since their names are in it.
    fileprivate func summary(_ hardware: AdapterHardware) -> String {
        if let alias { return "\(alias) (\(name))" }
        if type(isWireless: hardware.isWireless) == .loopback { return "Loopback adapter \(name)" }
        let what = kind ?? hardware.driver
        let beginning = what.map { "\($0) network adapter" } ?? "Network adapter"
        return "\(beginning) \(name)" + (hardware.place.map { " at \($0)" } ?? "")
    }
}
