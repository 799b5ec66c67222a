import ClusterProtocols
import NDR
import TestSupport
import Testing

/// ADAPTERLIST and ADAPTERLIST2 ([MS-CSVP] 2.2.11 to 2.2.17). The expected octets are written down by hand from the figures there.
@Suite(.offThePool)
struct AdapterListTests {
    // MARK: What both have

    /// sockaddr_in: AF_INET 2, no port, 192.0.2.7, and zeros up to 128.
    private static let v4Octets: [UInt8] = [2, 0, 0, 0, 192, 0, 2, 7] + [UInt8](repeating: 0, count: 120)

    /// sockaddr_in6: Windows' AF_INET6 23, no port, no flow, fe80::7, scope 4, and zeros: 2 + 2 + 4 + 16 + 4 = 28, so 100 of them.
    private static let v6Octets: [UInt8] =
        [23, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [7, 4, 0, 0, 0]
        + [UInt8](repeating: 0, count: 100)

    private static let v4 = SocketAddress.v4(address: [192, 0, 2, 7])
    private static let v6 = SocketAddress.v6(
        address: [0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [7], scope: 4)

    private static func wide(_ text: String) -> [UInt8] { text.utf8.flatMap { [$0, 0] } }

    /// Description to GatewayAddress.
    private static let textsAndAddresses: [UInt8] =
        [6, 0] + wide("NIC")  // DescriptionLength: 3 characters
        + [8, 0] + wide("eth0")  // FriendlyNameLength
        + [2, 0] + wide("n")  // NameLength
        + [2, 0]  // NumberOfPrefixes
        + v4Octets + [24, 0, 0, 0] + v6Octets + [64, 0, 0, 0]
        + [34, 0] + wide("02-00-5E-00-0A-FF")  // PhysicalAddressLength: 17 characters
        + [2, 0] + v4Octets + v6Octets  // NumberOfAddresses
        + [1, 0] + v4Octets  // NumberOfGatewayAddresses

    /// AdapterType ethernetCsmacd, TunnelType none, OperStatus up, DhcpEnabled, no InternalNetwork, no ClusterAdapter.
    private static let numbers: [UInt8] = [6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]

    private static let guidTexts = ["00112233-4455-6677-8899-aabbccddeeff", "ffeeddcc-bbaa-9988-7766-554433221100"]
    private static let guids: [GUID] = [
        "00112233-4455-6677-8899-aabbccddeeff", "ffeeddcc-bbaa-9988-7766-554433221100",
    ]

    /// NumberOfGuids, and each with its length, 72.
    private static let guidOctets: [UInt8] = [2, 0] + guidTexts.flatMap { [0x48, 0] + wide($0) }

    private static let adapter = ADAPTER(
        description: "NIC", friendlyName: "eth0", name: "n",
        prefixes: [IPPREFIX(endpoint: v4, prefixLength: 24), IPPREFIX(endpoint: v6, prefixLength: 64)],
        physicalAddress: ADAPTER.physicalAddress(of: [2, 0, 0x5E, 0, 0x0A, 0xFF], type: 6), addresses: [v4, v6],
        gateways: [v4], adapterType: 6, operStatus: 1, isDHCPEnabled: true)

    // MARK: ADAPTERLIST

    private static let list = ADAPTERLIST(serverName: "n.example", adapters: [adapter], guids: guids)

    private static let listOctets: [UInt8] =
        [0x2E, 0] + wide("class mscs::AdapterList")  // 23 characters
        + [18, 0] + wide("n.example") + [1, 0]
        + [0x26, 0] + wide("class mscs::Adapter")  // 19 characters
        + textsAndAddresses + numbers + guidOctets

    @Test func theOlderListAsInTheFigures() throws {
        #expect(try Self.list.encoded() == Self.listOctets)
        #expect(try ADAPTERLIST(Self.listOctets) == Self.list)
        // 48 + 20 + 2 + 40 + 8 + 10 + 4 + (2 + 2 × 132) + 36 + (2 + 256) + (2 + 128) + 15 + (2 + 2 × 74)
        #expect(Self.listOctets.count == 987)
    }

    // MARK: ADAPTERLIST2

    private static let adapter2 = ADAPTER2(
        adapter: adapter, interfaceIndex: 4, isConnectedToISCSI: true, linkSpeed: 125_000_000, isRSSCapable: true)
    private static let list2 = ADAPTERLIST2(serverName: "n.example", adapters: [adapter2], guids: guids)

    private static let list2Octets: [UInt8] =
        [2, 0, 0x7A, 0x22, 18, 0] + wide("n.example") + [1, 0]
        + [2, 0, 0x7B, 0x22] + textsAndAddresses
        + [4, 0, 0, 0]  // InterfaceIndex
        + numbers
        + [1]  // ConnectedToiSCSI
        + [0x40, 0x59, 0x73, 0x07, 0, 0, 0, 0]  // LinkSpeed: 1 Gb/s are 125,000,000 octets, 0x07735940
        + [0, 1]  // RdmaCapable, RssCapable
        + guidOctets

    @Test func theListAsInTheFigures() throws {
        #expect(try Self.list2.encoded() == Self.list2Octets)
        #expect(try ADAPTERLIST2(Self.list2Octets) == Self.list2)
    }

    @Test func noAdapters() throws {
        let octets: [UInt8] = [2, 0, 0x7A, 0x22, 0, 0, 0, 0, 0, 0]
        let list = ADAPTERLIST2(serverName: "", adapters: [], guids: [])
        #expect(try list.encoded() == octets)
        #expect(try ADAPTERLIST2(octets) == list)
    }

    @Test func moreGUIDsThanAskedForAndOctetsBehindThem() throws {
        let list = ADAPTERLIST2(serverName: "", adapters: [], guids: Self.guids)
        #expect(try ADAPTERLIST2(try list.encoded() + [1, 2, 3]) == list)
    }

    // MARK: What is not a list

    @Test func everyListThatIsCutOff() {
        for count in Self.listOctets.indices {
            #expect(throws: LayoutError.self) { try ADAPTERLIST(Array(Self.listOctets[..<count])) }
        }
        for count in Self.list2Octets.indices {
            #expect(throws: LayoutError.self) { try ADAPTERLIST2(Array(Self.list2Octets[..<count])) }
        }
    }

    @Test(arguments: [
        // Offsets in the octets above: what identifies the list and its adapter, the first sockaddr's family, a prefix of 129 bits.
        (0, 3), (2, 0x7B), (26, 3), (28, 0x7A), (54, 10), (182, 33), (314, 129),
    ])
    func demandsThatAreBroken(offset: Int, value: UInt8) throws {
        var octets = Self.list2Octets
        octets[offset] = value
        #expect(throws: LayoutError.self) { try ADAPTERLIST2(octets) }
    }

    @Test func flagsAreZeroOrOne() throws {
        // From the end: 150 octets of GUIDs, RssCapable, RdmaCapable.
        for offset in [Self.list2Octets.count - 151, Self.list2Octets.count - 152] {
            var octets = Self.list2Octets
            octets[offset] = 2
            #expect(throws: LayoutError.self) { try ADAPTERLIST2(octets) }
        }
    }

    @Test func namesOfTheOlderList() {
        for offset in [2, 74] {
            var octets = Self.listOctets
            octets[offset] = UInt8(ascii: "K")
            #expect(throws: LayoutError.self) { try ADAPTERLIST(octets) }
        }
    }

    @Test func twoGUIDsForEachAdapter() throws {
        var list = Self.list2
        list.guids.removeLast()
        #expect(throws: LayoutError.contradiction(structure: "ADAPTERLIST2", reason: "1 GUIDs for 1 adapters")) {
            try list.encoded()
        }
        let octets = Self.list2Octets.dropLast(150) + [1, 0] + Self.guidOctets[2..<76]
        #expect(throws: LayoutError.contradiction(structure: "ADAPTERLIST2", reason: "1 GUIDs for 1 adapters")) {
            try ADAPTERLIST2(Array(octets))
        }
    }

    @Test func numbersWithoutItemsCostNothing() {
        #expect(throws: LayoutError.self) { try ADAPTERLIST2([2, 0, 0x7A, 0x22, 0, 0, 0xFF, 0xFF] + [0, 0]) }
        #expect(throws: LayoutError.self) { try ADAPTERLIST2([2, 0, 0x7A, 0x22, 0, 0, 0, 0, 0xFF, 0xFF]) }
    }

    // MARK: Limits

    @Test func theLongestTexts() throws {
        func list(_ name: String) -> ADAPTERLIST2 { ADAPTERLIST2(serverName: name, adapters: [], guids: []) }
        let longest = String(repeating: "x", count: 32767)
        #expect(try ADAPTERLIST2(list(longest).encoded()).serverName == longest)
        #expect(
            throws: LayoutError.tooLong(structure: "ADAPTERLIST2", field: "ServerName", limit: 65534, actual: 65536)
        ) { try list(longest + "x").encoded() }
    }

    @Test func theMostAddresses() throws {
        func list(_ count: Int) -> ADAPTERLIST2 {
            var adapter = Self.adapter2
            adapter.adapter.addresses = [SocketAddress](repeating: Self.v4, count: count)
            return ADAPTERLIST2(serverName: "", adapters: [adapter], guids: Self.guids)
        }
        #expect(try ADAPTERLIST2(list(65535).encoded()).adapters[0].adapter.addresses.count == 65535)
        #expect(throws: LayoutError.self) { try list(65536).encoded() }
    }

    @Test func hardwareAddresses() {
        #expect(ADAPTER.physicalAddress(of: [2, 0, 0x5E, 0, 0x0A, 0xFF], type: 6) == "02-00-5E-00-0A-FF")
        // What Windows shows of its tunnel adapters has eight octets, too.
        #expect(ADAPTER.physicalAddress(of: [], type: 24) == "00-00-00-00-00-00-00-00")
        #expect(ADAPTER.physicalAddress(of: [1, 2, 3, 4, 5, 6], type: 71) == "01-02-03-04-05-06-00-00")
        #expect(ADAPTER.physicalAddress(of: [UInt8](1...9), type: 199) == "01-02-03-04-05-06-07-08-09")
    }

    @Test func addressesOfTheWrongLengthAreNotWritten() {
        for address in [SocketAddress.v4(address: [1, 2, 3]), .v6(address: [1, 2, 3, 4])] {
            var list = Self.list2
            list.adapters[0].adapter.gateways = [address]
            #expect(throws: LayoutError.self) { try list.encoded() }
        }
    }

    @Test func portsAndFlowsAreKept() throws {
        var list = Self.list2
        list.adapters[0].adapter.gateways = [
            .v4(address: [192, 0, 2, 1], port: 3343),
            .v6(address: [UInt8](1...16), scope: 1, flow: 0x0102_0304, port: 3343),
        ]
        let octets = try list.encoded()
        #expect(try ADAPTERLIST2(octets) == list)
        // 3343 is 0D0Fh, in network order.
        #expect(octets.indices.contains { octets[$0...].starts(with: [2, 0, 0x0D, 0x0F, 192, 0, 2, 1]) })
    }
}
