import ClusterProtocols
import HostInventory

/// One network adapter, as `clusprep network` shows it: the same whether the kernel of this host or another node has told of it.
struct AdapterEntry: Encodable, Equatable {
    /// An address of an adapter.
    struct Address: Encodable, Equatable {
        var address: String
        /// The bits of its network's prefix.
        var prefixLength: Int
    }

    /// What people know it by, such as `eth0`.
    var name: String
    /// Its identifier, as IClusterFirewall has it, too.
    var id: String
    /// The kernel's index; nil from a node that does not tell.
    var index: UInt32?
    var description: String
    /// RFC 2863's word.
    var status: String
    /// IANA's ifType.
    var type: UInt32
    /// IANA's tunnelType, or 0.
    var tunnelType: UInt32
    /// With colons; nil where there is none.
    var hardwareAddress: String?
    var addresses: [Address]
    var gateways: [String]
    var dhcp: Bool
    /// Bits a second; nil where it is not known, or not told.
    var bitsPerSecond: UInt64?
    var rdma: Bool?
    var rss: Bool?
    var iscsi: Bool?
    /// Recommended for a private network between the nodes.
    var internalNetwork: Bool
    /// Left out of what clusters use: loopback and tunnels.
    var filtered: Bool
}

extension AdapterEntry {
    /// An adapter of this host.
    init(_ adapter: HostAdapter) {
        self.init(
            name: adapter.name, id: adapter.id.description, index: adapter.index, description: adapter.summary,
            status: Self.word(for: adapter.status.rawValue), type: adapter.type.rawValue,
            tunnelType: adapter.tunnelType.rawValue,
            hardwareAddress: Self.colons(adapter.hardwareAddressText),
            addresses: adapter.addresses.map {
                Address(address: $0.address.description, prefixLength: Int($0.prefixLength))
            },
            gateways: adapter.gateways.map(\.description), dhcp: adapter.usesDHCP,
            bitsPerSecond: Self.bits(adapter.speed), rdma: adapter.hasRDMA, rss: adapter.hasRSS,
            iscsi: adapter.carriesISCSI, internalNetwork: adapter.suitsPrivateNetwork,
            filtered: adapter.isFilteredForClusters)
    }

    /// An adapter of a node that tells of it as Windows Server 2008 and 2008 R2 do.
    init(_ adapter: ADAPTER) {
        self.init(
            name: adapter.friendlyName, id: adapter.name.filter { $0 != "{" && $0 != "}" },
            description: adapter.description, status: Self.word(for: adapter.operStatus), type: adapter.adapterType,
            tunnelType: adapter.tunnelType, hardwareAddress: Self.colons(adapter.physicalAddress),
            addresses: Self.addresses(of: adapter), gateways: adapter.gateways.map(Self.text),
            dhcp: adapter.isDHCPEnabled, internalNetwork: adapter.isInternalNetwork,
            // 3.6.4.3: cluster adapters, loopback adapters, and tunnel adapters.
            filtered: adapter.isClusterAdapter || adapter.tunnelType != 0
                || [HostAdapter.InterfaceType.loopback, .tunnel].map(\.rawValue).contains(adapter.adapterType))
    }

    /// An adapter of another node.
    init(_ adapter: ADAPTER2) {
        self.init(adapter.adapter)
        index = adapter.interfaceIndex
        bitsPerSecond = Self.bits(adapter.linkSpeed)
        rdma = adapter.isRDMACapable
        rss = adapter.isRSSCapable
        iscsi = adapter.isConnectedToISCSI
    }

    /// The addresses with their prefixes. A prefix is that of the address it is told with, or, from nodes that tell networks, the longest one
    /// that the address is in; without any, the address is a network by itself.
    private static func addresses(of adapter: ADAPTER) -> [Address] {
        adapter.addresses.map { address in
            let fitting = adapter.prefixes.filter { prefix in
                prefix.endpoint.octets == address.octets
                    || prefix.endpoint.octets.shares(Int(prefix.prefixLength), with: address.octets)
            }
            let exact = fitting.first { $0.endpoint.octets == address.octets }
            let length = (exact ?? fitting.max { $0.prefixLength < $1.prefixLength })?.prefixLength
            return Address(address: text(address), prefixLength: length.map { Int($0) } ?? address.octets.count * 8)
        }
    }

    private static func text(_ address: SocketAddress) -> String {
        // A socket address has four octets or sixteen, which is all that can be asked for.
        HostAddress(octets: address.octets)?.description ?? "?"
    }

    private static func bits(_ octets: UInt64) -> UInt64? {
        // Windows tells of speeds that it does not know as all ones.
        octets == 0 || octets > UInt64.max / 8 ? nil : octets * 8
    }

    private static func colons(_ text: String) -> String? {
        // What the protocol pads with zeros up to eight octets is no address.
        text.allSatisfy { $0 == "0" || $0 == "-" } ? nil : text.replacing("-", with: ":").lowercased()
    }

    /// RFC 2863's words.
    private static func word(for status: UInt32) -> String {
        let words = ["up", "down", "testing", "unknown", "dormant", "notPresent", "lowerLayerDown"]
        return status >= 1 && status <= words.count ? words[Int(status) - 1] : "\(status)"
    }
}

extension [UInt8] {
    /// Whether so many leading bits are the same; never for octets of another number.
    fileprivate func shares(_ bits: Int, with other: [UInt8]) -> Bool {
        guard count == other.count, bits <= count * 8 else { return false }
        let (whole, rest) = (bits / 8, bits % 8)
        guard self[..<whole] == other[..<whole] else { return false }
        return rest == 0 || (self[whole] ^ other[whole]) >> UInt8(8 - rest) == 0
    }
}
