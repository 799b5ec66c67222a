/// ADAPTER ([MS-CSVP] 2.2.13): what an ADAPTERLIST tells of one network adapter.
public struct ADAPTER: Sendable, Hashable {
    /// Description: for people; should be unique in the list.
    public var description: String
    /// FriendlyName: unique in the list.
    public var friendlyName: String
    /// Name: what the adapter identifies itself as; unique in the list.
    public var name: String
    /// Prefix: the networks of the addresses.
    public var prefixes: [IPPREFIX]
    /// PhysicalAddress: `AA-BB-CC-DD-EE-FF`; see ``physicalAddress(of:type:)``.
    public var physicalAddress: String
    /// Address.
    public var addresses: [SocketAddress]
    /// GatewayAddress.
    public var gateways: [SocketAddress]
    /// AdapterType: IANA's ifType.
    public var adapterType: UInt32
    /// TunnelType: IANA's tunnelType, or 0.
    public var tunnelType: UInt32
    /// OperStatus: ifOperStatus of RFC 2863.
    public var operStatus: UInt32
    /// DhcpEnabled.
    public var isDHCPEnabled: Bool
    /// InternalNetwork: recommended for a private network.
    public var isInternalNetwork: Bool
    /// ClusterAdapter: a virtual one of the cluster software's own.
    public var isClusterAdapter: Bool

    /// IF_TYPE_ETHERNET_CSMACD.
    public static let ethernetType: UInt32 = 6

    static let identifier = "class mscs::Adapter"
    /// The octets that one has at least: its identifier, empty strings and lists, the numbers and the flags.
    static let smallest = 2 + 38 + 3 * 2 + 4 * 2 + 3 * 4 + 3

    /// An adapter of these parts.
    public init(
        description: String, friendlyName: String, name: String, prefixes: [IPPREFIX] = [],
        physicalAddress: String = "", addresses: [SocketAddress] = [], gateways: [SocketAddress] = [],
        adapterType: UInt32, tunnelType: UInt32 = 0, operStatus: UInt32, isDHCPEnabled: Bool = false,
        isInternalNetwork: Bool = false, isClusterAdapter: Bool = false
    ) {
        self.description = description
        self.friendlyName = friendlyName
        self.name = name
        self.prefixes = prefixes
        self.physicalAddress = physicalAddress
        self.addresses = addresses
        self.gateways = gateways
        self.adapterType = adapterType
        self.tunnelType = tunnelType
        self.operStatus = operStatus
        self.isDHCPEnabled = isDHCPEnabled
        self.isInternalNetwork = isInternalNetwork
        self.isClusterAdapter = isClusterAdapter
    }

    /// The text of a hardware address: capital digits with hyphens between the octets.
    ///
    /// Octets up to the eighth that an adapter other than Ethernet does not have are zeros: "the server SHOULD treat bytes beyond the
    /// length of the MAC address as 0x00" (2.2.17).
    public static func physicalAddress(of octets: [UInt8], type: UInt32) -> String {
        let padding = type == ethernetType ? 0 : max(0, 8 - octets.count)
        return (octets + [UInt8](repeating: 0, count: padding)).map { octet in
            (octet < 16 ? "0" : "") + String(octet, radix: 16, uppercase: true)
        }.joined(separator: "-")
    }

    init(_ cursor: inout LayoutCursor) throws(LayoutError) {
        let identifier = try cursor.text("AdapterName")
        guard identifier == Self.identifier else {
            throw .contradiction(structure: cursor.structure, reason: "AdapterName is \"\(identifier)\"")
        }
        self.init(description: "", friendlyName: "", name: "", adapterType: 0, operStatus: 0)
        try readTexts(&cursor)
        try readNumbers(&cursor)
    }

    func write(to octets: inout [UInt8]) throws(LayoutError) {
        try octets.append(text: Self.identifier, of: "AdapterName", in: "ADAPTER")
        try writeTexts(to: &octets)
        writeNumbers(to: &octets)
    }

    // MARK: What ADAPTER2 has as well

    /// Description to GatewayAddress.
    mutating func readTexts(_ cursor: inout LayoutCursor) throws(LayoutError) {
        description = try cursor.text("Description")
        friendlyName = try cursor.text("FriendlyName")
        name = try cursor.text("Name")
        prefixes = try cursor.items("Prefix", smallest: IPPREFIX.size) { (cursor) throws(LayoutError) in
            try IPPREFIX(&cursor)
        }
        physicalAddress = try cursor.text("PhysicalAddress")
        addresses = try cursor.items("Address", smallest: SocketAddress.size) { (cursor) throws(LayoutError) in
            try SocketAddress(&cursor)
        }
        gateways = try cursor.items("GatewayAddress", smallest: SocketAddress.size) { (cursor) throws(LayoutError) in
            try SocketAddress(&cursor)
        }
    }

    /// AdapterType to ClusterAdapter.
    mutating func readNumbers(_ cursor: inout LayoutCursor) throws(LayoutError) {
        adapterType = try cursor.number()
        tunnelType = try cursor.number()
        operStatus = try cursor.number()
        isDHCPEnabled = try cursor.flag("DhcpEnabled")
        isInternalNetwork = try cursor.flag("InternalNetwork")
        isClusterAdapter = try cursor.flag("ClusterAdapter")
    }

    func writeTexts(to octets: inout [UInt8], structure: String = "ADAPTER") throws(LayoutError) {
        try octets.append(text: description, of: "Description", in: structure)
        try octets.append(text: friendlyName, of: "FriendlyName", in: structure)
        try octets.append(text: name, of: "Name", in: structure)
        try octets.append(items: prefixes, of: "prefixes", in: structure) { (item, octets) throws(LayoutError) in
            try item.write(to: &octets)
        }
        try octets.append(text: physicalAddress, of: "PhysicalAddress", in: structure)
        for (list, name) in [(addresses, "addresses"), (gateways, "gateways")] {
            try octets.append(items: list, of: name, in: structure) { (item, octets) throws(LayoutError) in
                try item.write(to: &octets)
            }
        }
    }

    func writeNumbers(to octets: inout [UInt8]) {
        for number in [adapterType, tunnelType, operStatus] { octets.append(littleEndian: number) }
        for flag in [isDHCPEnabled, isInternalNetwork, isClusterAdapter] { octets.append(flag: flag) }
    }
}

/// ADAPTER2 ([MS-CSVP] 2.2.17): what an ADAPTERLIST2 tells of one network adapter.
public struct ADAPTER2: Sendable, Hashable {
    /// What it shares with ADAPTER.
    public var adapter: ADAPTER
    /// InterfaceIndex, which clients ignore.
    public var interfaceIndex: UInt32
    /// ConnectedToiSCSI: the server is configured to reach iSCSI targets through it.
    public var isConnectedToISCSI: Bool
    /// LinkSpeed: octets a second.
    public var linkSpeed: UInt64
    /// RdmaCapable.
    public var isRDMACapable: Bool
    /// RssCapable.
    public var isRSSCapable: Bool

    static let identifier: UInt16 = 0x227B
    /// The octets that one has at least: its identifier, empty strings and lists, the numbers and the flags.
    static let smallest = 4 + 3 * 2 + 4 * 2 + 4 * 4 + 4 + 8 + 2

    /// An adapter of these parts.
    public init(
        adapter: ADAPTER, interfaceIndex: UInt32, isConnectedToISCSI: Bool = false, linkSpeed: UInt64 = 0,
        isRDMACapable: Bool = false, isRSSCapable: Bool = false
    ) {
        self.adapter = adapter
        self.interfaceIndex = interfaceIndex
        self.isConnectedToISCSI = isConnectedToISCSI
        self.linkSpeed = linkSpeed
        self.isRDMACapable = isRDMACapable
        self.isRSSCapable = isRSSCapable
    }

    init(_ cursor: inout LayoutCursor) throws(LayoutError) {
        try cursor.constant(UInt16(2), "Adapter2IdentifierLength")
        try cursor.constant(Self.identifier, "Adapter2Identifier")
        adapter = ADAPTER(description: "", friendlyName: "", name: "", adapterType: 0, operStatus: 0)
        try adapter.readTexts(&cursor)
        interfaceIndex = try cursor.number()
        try adapter.readNumbers(&cursor)
        isConnectedToISCSI = try cursor.flag("ConnectedToiSCSI")
        linkSpeed = try cursor.number()
        isRDMACapable = try cursor.flag("RdmaCapable")
        isRSSCapable = try cursor.flag("RssCapable")
    }

    func write(to octets: inout [UInt8]) throws(LayoutError) {
        octets.append(littleEndian: UInt16(2))
        octets.append(littleEndian: Self.identifier)
        try adapter.writeTexts(to: &octets, structure: "ADAPTER2")
        octets.append(littleEndian: interfaceIndex)
        adapter.writeNumbers(to: &octets)
        octets.append(flag: isConnectedToISCSI)
        octets.append(littleEndian: linkSpeed)
        octets.append(flag: isRDMACapable)
        octets.append(flag: isRSSCapable)
    }
}
