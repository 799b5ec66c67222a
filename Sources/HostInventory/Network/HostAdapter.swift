/// A network adapter of this host: what the kernel calls a link, with its addresses and gateways.
///
/// It has what an ADAPTER2 ([MS-CSVP] 2.2.17) tells of one, in the host's own units.
public struct HostAdapter: Sendable, Hashable, Identifiable {
    /// What names the adapter for as long as it is this adapter, across restarts of the host.
    public var id: ID
    /// The kernel's index: unique while the adapter is there, and another one when it comes back.
    public var index: UInt32
    /// The kernel's name, such as `eth0`.
    public var name: String
    /// What it is, for people: the name its administrator gave it (`ip link set … alias`), or its driver and hardware.
    public var summary: String
    /// The hardware address as it is now; empty where the link has none.
    public var hardwareAddress: [UInt8]
    /// The octets of the largest packet.
    public var mtu: UInt32
    /// IANA's ifType.
    public var type: InterfaceType
    /// IANA's tunnelType; ``TunnelType/none`` for what is no tunnel.
    public var tunnelType: TunnelType
    /// The state by RFC 2863.
    public var status: OperationalStatus
    /// The addresses, in the kernel's order, those left out that duplicate address detection has found elsewhere.
    public var addresses: [Address]
    /// The next hops of default routes through this adapter, the preferred one first; both families.
    public var gateways: [HostAddress]
    /// Whether addresses come from DHCP, by what systemd-networkd, NetworkManager, ifupdown and dhclient have on disk.
    public var usesDHCP: Bool
    /// Octets a second; zero where the driver does not know.
    public var speed: UInt64
    /// Whether it offers Remote Direct Memory Access.
    public var hasRDMA: Bool
    /// Whether it spreads what it receives over several processors.
    public var hasRSS: Bool
    /// Whether this host is configured to reach iSCSI targets through it.
    public var carriesISCSI: Bool

    /// Makes a description of an adapter; what is left out is not there.
    public init(
        id: ID, index: UInt32, name: String, summary: String, hardwareAddress: [UInt8] = [], mtu: UInt32 = 1500,
        type: InterfaceType = .ethernet, tunnelType: TunnelType = .none, status: OperationalStatus = .up,
        addresses: [Address] = [], gateways: [HostAddress] = [], usesDHCP: Bool = false, speed: UInt64 = 0,
        hasRDMA: Bool = false, hasRSS: Bool = false, carriesISCSI: Bool = false
    ) {
        self.id = id
        self.index = index
        self.name = name
        self.summary = summary
        self.hardwareAddress = hardwareAddress
        self.mtu = mtu
        self.type = type
        self.tunnelType = tunnelType
        self.status = status
        self.addresses = addresses
        self.gateways = gateways
        self.usesDHCP = usesDHCP
        self.speed = speed
        self.hasRDMA = hasRDMA
        self.hasRSS = hasRSS
        self.carriesISCSI = carriesISCSI
    }

    /// Whether it leads nowhere but to the host itself.
    public var isLoopback: Bool { type == .loopback }

    /// Whether what goes through it is packed into packets of another adapter.
    public var isTunnel: Bool { type == .tunnel || tunnelType != .none }

    /// Whether ApplyClusterFilter ([MS-CSVP] 3.6.4.3) leaves it out: loopback and tunnel adapters. The third kind it names, virtual
    /// adapters of the cluster software's own, this project does not make.
    public var isFilteredForClusters: Bool { isLoopback || isTunnel }

    /// Whether it is recommended for a private network between the nodes (InternalNetwork, [MS-CSVP] 2.2.17; the algorithm is
    /// the implementation's): it has an address, no gateway leads away from it, and no storage traffic would share it.
    public var suitsPrivateNetwork: Bool {
        !isFilteredForClusters && !addresses.isEmpty && gateways.isEmpty && !carriesISCSI
    }

    /// The hardware address as 2.2.17 of [MS-CSVP] writes it, such as `AA-BB-CC-DD-EE-FF`; empty where there is none.
    public var hardwareAddressText: String {
        hardwareAddress.map { $0.hexadecimalDigits }.joined(separator: "-")
    }
}

extension HostAdapter {
    /// What names an adapter: a version 8 UUID (RFC 9562 5.8), derived from the host and from what is lasting about the adapter.
    public struct ID: Sendable, Hashable, CustomStringConvertible {
        /// Sixteen octets in the order of the UUID's text.
        public let octets: [UInt8]

        /// An identifier of sixteen octets in the order of the text; nil for any other number.
        public init?(octets: [UInt8]) {
            guard octets.count == 16 else { return nil }
            self.octets = octets
        }

        /// The text: `8-4-4-4-12` digits, letters in capitals, no braces.
        public var description: String {
            let digits = octets.map { $0.hexadecimalDigits }
            let parts = [0..<4, 4..<6, 6..<8, 8..<10, 10..<16]
            return parts.map { digits[$0].joined() }.joined(separator: "-")
        }
    }

    /// An address of an adapter.
    public struct Address: Sendable, Hashable {
        /// The adapter's own address.
        public var address: HostAddress
        /// How many leading bits its network has in common.
        public var prefixLength: UInt8
        /// The other end of a point-to-point link, which then is what the prefix belongs to; nil elsewhere.
        public var peer: HostAddress?
        /// Whether duplicate address detection still runs, so that it cannot be used yet.
        public var isTentative: Bool

        /// An address with the length of its network's prefix.
        public init(address: HostAddress, prefixLength: UInt8, peer: HostAddress? = nil, isTentative: Bool = false) {
            self.address = address
            self.prefixLength = prefixLength
            self.peer = peer
            self.isTentative = isTentative
        }
    }

    /// A kind of interface by the Internet Assigned Numbers Authority's ifType (IANAifType-MIB).
    public struct InterfaceType: RawRepresentable, Sendable, Hashable {
        /// The number.
        public var rawValue: UInt32

        /// The kind with this number.
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// other: none of the following.
        public static let other = InterfaceType(rawValue: 1)
        /// ethernetCsmacd: whatever carries Ethernet frames.
        public static let ethernet = InterfaceType(rawValue: 6)
        /// softwareLoopback.
        public static let loopback = InterfaceType(rawValue: 24)
        /// ieee80211: a wireless one.
        public static let wireless = InterfaceType(rawValue: 71)
        /// tunnel: encapsulation.
        public static let tunnel = InterfaceType(rawValue: 131)
        /// infiniband.
        public static let infiniBand = InterfaceType(rawValue: 199)
    }

    /// How a tunnel encapsulates, by the Internet Assigned Numbers Authority's tunnelType (IANAifType-MIB).
    public enum TunnelType: UInt32, Sendable, Hashable {
        /// None, or not specified (TUNNEL_TYPE_NONE).
        case none = 0
        /// A way of its own.
        case other = 1
        /// No header in between.
        case direct = 2
        /// Generic Routing Encapsulation.
        case gre = 3
        /// Layer Two Tunneling Protocol.
        case l2tp = 5
        /// In UDP datagrams.
        case udp = 8
        /// 6to4.
        case sixToFour = 11
        /// 6over4.
        case sixOverFour = 12
        /// ISATAP.
        case isatap = 13
    }

    /// ifOperStatus of RFC 2863.
    public enum OperationalStatus: UInt32, Sendable, Hashable {
        /// Packets pass.
        case up = 1
        /// None do.
        case down = 2
        /// It is in some test mode.
        case testing = 3
        /// The state cannot be told.
        case unknown = 4
        /// It waits for something external, such as authentication.
        case dormant = 5
        /// A component, typically hardware, is missing.
        case notPresent = 6
        /// What it stands on is down.
        case lowerLayerDown = 7
    }
}

extension UInt8 {
    /// Two digits, letters in capitals.
    fileprivate var hexadecimalDigits: String {
        let digits = String(self, radix: 16, uppercase: true)
        return digits.count == 1 ? "0" + digits : digits
    }
}
