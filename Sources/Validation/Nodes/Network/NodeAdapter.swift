import ClusterProtocols
import NDR

/// A network adapter as a node tells of it, whichever of the two lists it sends.
struct NodeAdapter: Sendable, Hashable {
    /// An address with the length of its network's prefix.
    struct Address: Sendable, Hashable {
        var address: NodeAddress
        var prefixLength: Int

        /// Whether another address is in the network that this one is in.
        func isNeighbour(of other: Address) -> Bool {
            other.prefixLength == prefixLength && networkOctets == other.networkOctets
        }

        /// The network as people write it: "192.0.2.0/24".
        var network: String {
            "\(NodeAddress(octets: networkOctets)?.description ?? "?")/\(prefixLength)"
        }

        /// The address without its host's part.
        private var networkOctets: [UInt8] {
            var octets = address.octets
            let whole = prefixLength / 8
            guard whole < octets.count else { return octets }
            octets[whole] &= ~(0xFF >> UInt8(prefixLength % 8))
            for index in octets.indices.dropFirst(whole + 1) { octets[index] = 0 }
            return octets
        }

        /// Whether it is good on its own link only: fe80::/10 (RFC 4291), 169.254.0.0/16 (RFC 3927).
        var isLinkLocal: Bool {
            let octets = address.octets
            return octets.count == 4
                ? octets[0] == 169 && octets[1] == 254 : octets[0] == 0xFE && octets[1] & 0xC0 == 0x80
        }

        /// Whether the host alone has it.
        var isLoopback: Bool {
            let octets = address.octets
            return octets.count == 4 ? octets[0] == 127 : octets.dropLast().allSatisfy { $0 == 0 } && octets[15] == 1
        }
    }

    /// What people know it by.
    var name: String
    /// Its identifier, which ClusterFirewall has, too; nil where what the node sent is no GUID.
    var id: GUID?
    /// What it is.
    var summary: String
    /// With hyphens; nil where there is none.
    var hardwareAddress: String?
    /// Its addresses.
    var addresses: [Address]
    /// The hosts through which it reaches other networks.
    var gateways: [NodeAddress]
    /// Whether it is up (RFC 2863).
    var isUp: Bool
    /// Whether its addresses come from DHCP.
    var usesDHCP: Bool
    /// Whether clusters use it: it is neither a loopback adapter nor a tunnel nor the cluster software's own ([MS-CSVP] 3.6.4.3).
    var isForClusters: Bool
    /// Octets a second; nil where the node does not tell.
    var speed: UInt64?
    /// Whether iSCSI goes through it; nil where the node does not tell.
    var carriesISCSI: Bool?

    /// The addresses that heartbeats could go by: those that more than one host can have in common with others.
    var clusterAddresses: [Address] { addresses.filter { !$0.isLinkLocal && $0.address.isUnicast } }
}

/// A node's list of adapters.
struct NodeAdapters: Sendable {
    /// The node's name of itself.
    var server: String
    /// The adapters in the node's order.
    var adapters: [NodeAdapter]

    /// The two octets that begin an ADAPTERLIST: the length of its name.
    private static let oldList: [UInt8] = [0x2E, 0]

    /// Reads what GetIpConfigSerialized returned: an ADAPTERLIST2, or an ADAPTERLIST from an older release.
    ///
    /// - Throws: `LayoutError` for what is neither.
    init(octets: [UInt8]) throws {
        if octets.starts(with: Self.oldList) {
            let list = try ADAPTERLIST(octets)
            (server, adapters) = (list.serverName, list.adapters.map { NodeAdapter($0) })
        } else {
            let list = try ADAPTERLIST2(octets)
            server = list.serverName
            adapters = list.adapters.map { adapter in
                var result = NodeAdapter(adapter.adapter)
                // Windows tells of speeds that it does not know as all ones.
                result.speed = adapter.linkSpeed == 0 || adapter.linkSpeed > .max / 8 ? nil : adapter.linkSpeed
                result.carriesISCSI = adapter.isConnectedToISCSI
                return result
            }
        }
    }
}

extension NodeAdapter {
    private static let (loopbackType, tunnelType, up): (UInt32, UInt32, UInt32) = (24, 131, 1)

    init(_ adapter: ADAPTER) {
        name = adapter.friendlyName
        id = GUID(adapter.name)
        summary = adapter.description
        // What the protocol pads with zeros up to eight octets is no address.
        let hasHardwareAddress = adapter.physicalAddress.contains { $0 != "0" && $0 != "-" }
        hardwareAddress = hasHardwareAddress ? adapter.physicalAddress : nil
        addresses = adapter.addresses.compactMap { Self.address($0, among: adapter.prefixes) }
        gateways = adapter.gateways.compactMap { NodeAddress(octets: $0.octets) }
        isUp = adapter.operStatus == Self.up
        usesDHCP = adapter.isDHCPEnabled
        isForClusters =
            !adapter.isClusterAdapter && adapter.tunnelType == 0
            && ![Self.loopbackType, Self.tunnelType].contains(adapter.adapterType)
        speed = nil
        carriesISCSI = nil
    }

    /// An address with its prefix: the one that is told with the very address, or, from nodes that tell networks, the longest one that
    /// the address is in; without any, the address is a network by itself.
    private static func address(_ address: SocketAddress, among prefixes: [IPPREFIX]) -> Address? {
        guard let text = NodeAddress(octets: address.octets) else { return nil }
        let exact = prefixes.first { $0.endpoint.octets == address.octets }
        let network = prefixes.filter { prefix in
            let length = Int(prefix.prefixLength)
            guard let endpoint = NodeAddress(octets: prefix.endpoint.octets), endpoint.family == text.family else {
                return false
            }
            return Address(address: endpoint, prefixLength: length)
                .isNeighbour(of: Address(address: text, prefixLength: length))
        }.max { $0.prefixLength < $1.prefixLength }
        let length = (exact ?? network).map { Int($0.prefixLength) } ?? address.octets.count * 8
        return Address(address: text, prefixLength: length)
    }
}
