import Testing

@testable import HostInventory

/// Adapters as the kernel's messages describe them.
struct HostAdaptersTests {
    private func only(_ payload: [UInt8], hardware: AdapterHardware = AdapterHardware()) throws -> HostAdapter {
        try #require(try adapters(links: [payload], hardware: [2: hardware]).first)
    }

    @Test func anAdapterWithBothFamilies() throws {
        let v6: [UInt8] = [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [7]
        let linkLocal: [UInt8] = [0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [7]
        let found = try adapters(
            links: [
                Wire.link(3, "eth1", flags: 0x1002, address: [2, 0, 0, 0xAB, 0xCD, 0xEF], state: 2),
                Wire.link(2, "eth0", address: [2, 0, 0, 0, 0, 7]),
                Wire.link(1, "lo", type: 772, flags: 0x1_0049, address: [0, 0, 0, 0, 0, 0], state: 0),
            ],
            addresses: [
                Wire.address(1, [127, 0, 0, 1], 8), Wire.address(2, [192, 0, 2, 7], 24), Wire.address(2, v6, 64),
                Wire.address(2, linkLocal, 64), Wire.address(9, [203, 0, 113, 1], 24),
            ],
            routes: [
                // Metric 200 in front of metric 100, a route to a network, and one that leads nowhere (blackhole, 6).
                Wire.route(
                    Wire.attribute(4, Wire.u32(2)) + Wire.attribute(5, [192, 0, 2, 2])
                        + Wire.attribute(6, Wire.u32(200))),
                Wire.route(
                    Wire.attribute(4, Wire.u32(2)) + Wire.attribute(5, [192, 0, 2, 1])
                        + Wire.attribute(6, Wire.u32(100))),
                Wire.route(Wire.attribute(4, Wire.u32(2)) + Wire.attribute(5, [192, 0, 2, 1])),
                Wire.route(destination: 24, Wire.attribute(4, Wire.u32(2)) + Wire.attribute(5, [192, 0, 2, 3])),
                Wire.route(kind: 6, Wire.attribute(4, Wire.u32(2)) + Wire.attribute(5, [192, 0, 2, 4])),
                Wire.route(Wire.attribute(4, Wire.u32(3))),
            ],
            hardware: [2: AdapterHardware(speed: 125_000_000, driver: "e1000e", place: "0000:00:1f.6")])
        #expect(found.map(\.name) == ["lo", "eth0", "eth1"])
        let (lo, eth0, eth1) = (found[0], found[1], found[2])
        #expect(lo.isLoopback && lo.isFilteredForClusters && !lo.suitsPrivateNetwork)
        #expect(lo.status == .up && lo.hardwareAddress.isEmpty && lo.type.rawValue == 24)
        #expect(eth0.index == 2 && eth0.mtu == 1500 && eth0.type == .ethernet && eth0.status == .up)
        #expect(eth0.summary == "e1000e network adapter eth0 at 0000:00:1f.6")
        #expect(eth0.speed == 125_000_000)
        #expect(
            eth0.addresses.map { "\($0.address)/\($0.prefixLength)" } == [
                "192.0.2.7/24", "2001:db8::7/64", "fe80::7/64",
            ])
        #expect(eth0.addresses.map(\.address.scope) == [0, 0, 2])
        #expect(eth0.gateways.map(\.description) == ["192.0.2.1", "192.0.2.2"])
        #expect(!eth0.suitsPrivateNetwork && !eth0.isFilteredForClusters)
        #expect(eth1.hardwareAddressText == "02-00-00-AB-CD-EF" && eth1.status == .down && eth1.gateways.isEmpty)
        #expect(Set(found.map(\.id)).count == 3)
    }

    @Test func severalNextHopsAndOnesOfTheOtherFamily() throws {
        let hop = { (index: Int, address: [UInt8]) in
            // struct rtnexthop: length, flags, hops, index.
            Wire.u16(16) + [0, 0] + Wire.u32(index) + Wire.attribute(5, address)
        }
        let via = [10, 0] + [UInt8]([0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1])
        let found = try adapters(
            links: [Wire.link(2, "eth0"), Wire.link(3, "eth1")],
            routes: [
                Wire.route(Wire.attribute(9, hop(2, [192, 0, 2, 1]) + hop(3, [198, 51, 100, 1]))),
                // RTA_VIA (18): IPv4 through an IPv6 router (RFC 5549).
                Wire.route(Wire.attribute(4, Wire.u32(3)) + Wire.attribute(18, via)),
            ])
        #expect(found[0].gateways.map(\.description) == ["192.0.2.1"])
        #expect(found[1].gateways.map(\.description) == ["198.51.100.1", "2001:db8::1"])
    }

    @Test func addressesOfPointToPointLinksAndThoseInDoubt() throws {
        let flags = { (bits: Int) in Wire.attribute(8, Wire.u32(bits)) }
        let v6 = { (last: UInt8) in [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [last] }
        let found = try adapters(
            links: [Wire.link(2, "eth0")],
            addresses: [
                // IFA_LOCAL 192.0.2.1, IFA_ADDRESS 192.0.2.2.
                [2, 32, 0x80, 0] + Wire.u32(2) + Wire.attribute(1, [192, 0, 2, 2]) + Wire.attribute(2, [192, 0, 2, 1]),
                Wire.address(2, v6(1), 64, more: flags(0x40)),  // tentative
                Wire.address(2, v6(2), 64, more: flags(0x44)),  // tentative and optimistic: usable
                Wire.address(2, v6(3), 64, more: flags(0x48)),  // found elsewhere
                Wire.address(2, v6(4), 128),
            ])[0].addresses
        #expect(found.map(\.address.description) == ["192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8::4"])
        #expect(found.map(\.peer?.description) == ["192.0.2.2", nil, nil, nil])
        #expect(found.map(\.isTentative) == [false, true, false, false])
        for wrong in [Wire.address(2, [192, 0, 2, 1], 33), Wire.address(2, v6(1), 129)] {
            #expect(throws: HostNetworkError.self) { try adapters(links: [Wire.link(2, "eth0")], addresses: [wrong]) }
        }
        // Another family, such as a bridge's, is not an address.
        #expect(try adapters(links: [Wire.link(2, "a")], addresses: [[7, 0, 0, 0] + Wire.u32(2)])[0].addresses.isEmpty)
    }

    @Test(arguments: [
        // IF_OPER_*, IFF_*, RFC 2863: up 1, down 2, testing 3, unknown 4, dormant 5, not present 6, lower layer down 7.
        (1, 0x1_0043, 6), (2, 0x1003, 2), (3, 0x1003, 7), (4, 0x1_0043, 3), (5, 0x1_0003, 5), (6, 0x1_0043, 1),
        // Nobody has told: up with a carrier, down when switched off, else unknown.
        (0, 0x1_0041, 1), (0, 0x1002, 2), (0, 0x1003, 4),
    ])
    func states(kernel: Int, flags: Int, status: UInt32) throws {
        #expect(try only(Wire.link(2, "eth0", flags: flags, state: kernel)).status.rawValue == status)
    }

    @Test(
        arguments: [
            // ARPHRD_*, the kernel's kind, IANA's ifType and tunnelType.
            (1, nil, 6, 0), (1, "veth", 6, 0), (1, "bond", 6, 0), (1, "vlan", 6, 0), (1, "bridge", 6, 0),
            (1, "tun", 6, 0),
            (32, "ipoib", 199, 0), (512, "ppp", 23, 0), (24, nil, 144, 0), (280, "can", 1, 0),
            (768, "ipip", 131, 2), (769, "ip6tnl", 131, 2), (778, "gre", 131, 3), (1, "gretap", 131, 3),
            (823, "ip6gre", 131, 3),
            (1, "vxlan", 131, 8), (1, "geneve", 131, 8), (0xFFFE, "wireguard", 131, 8), (0xFFFE, "tun", 131, 0),
            (0xFFFE, "xfrm", 131, 1), (0xFFFE, nil, 1, 0),
        ] as [(Int, String?, UInt32, UInt32)])
    func types(hardware: Int, kind: String?, type: UInt32, tunnel: UInt32) throws {
        let adapter = try only(Wire.link(2, "x0", type: hardware, more: kind.map { Wire.info($0) } ?? []))
        #expect(adapter.type.rawValue == type && adapter.tunnelType.rawValue == tunnel)
        #expect(adapter.isFilteredForClusters == (type == 131))
    }

    @Test func varietiesOfTunnelsOfIPv6InIPv4() throws {
        let prefix =
            Wire.attribute(11, [0x20, 2] + [UInt8](repeating: 0, count: 14)) + Wire.attribute(13, Wire.u16(16))
        let kinds: [([UInt8], HostAdapter.TunnelType)] = [
            (prefix + Wire.attribute(3, [192, 0, 2, 1]), .direct),
            (prefix + Wire.attribute(3, [0, 0, 0, 0]), .sixToFour),
            (prefix + Wire.attribute(8, Wire.u16(1)), .isatap), (Wire.attribute(3, [0, 0, 0, 0]), .direct),
        ]
        for (data, expected) in kinds {
            let adapter = try only(
                Wire.link(2, "sit1", type: 776, address: [192, 0, 2, 9], more: Wire.info("sit", data: data)))
            #expect(adapter.tunnelType == expected && adapter.type == .tunnel)
            // What the kernel calls its hardware address is the IP address of its end.
            #expect(adapter.hardwareAddress.isEmpty)
        }
    }

    @Test func whatTheHardwareKnows() throws {
        let known = try only(
            Wire.link(2, "eth0"), hardware: AdapterHardware(speed: 1, spreadsReceived: true, hasRDMA: true))
        #expect(known.hasRSS && known.hasRDMA && known.speed == 1)
        #expect(try only(Wire.link(2, "wlan0"), hardware: AdapterHardware(isWireless: true)).type == .wireless)
        #expect(try only(Wire.link(2, "ib0", type: 32)).hasRDMA)
        #expect(
            try only(Wire.link(2, "eth0", more: Wire.attribute(20, Array("to the SAN".utf8) + [0]))).summary
                == "to the SAN (eth0)")
    }

    @Test func theAddressThatWasBurntInNamesHardware() throws {
        // IFLA_PERM_ADDRESS is 54.
        let burntIn = Wire.attribute(54, [2, 0, 0, 0, 0, 1])
        let first = try only(Wire.link(2, "eth0", more: burntIn)).id
        #expect(try only(Wire.link(2, "lan0", address: [2, 0, 0, 0, 0, 9], more: burntIn)).id == first)
        #expect(try only(Wire.link(2, "eth0")).id != first)
    }

    @Test func adaptersThatCameOrWentBetweenTheListings() throws {
        // An address whose link has gone is dropped; a link that has just come has no address yet.
        let found = try adapters(links: [Wire.link(5, "new0")], addresses: [Wire.address(4, [192, 0, 2, 1], 24)])
        #expect(found.map(\.name) == ["new0"] && found[0].addresses.isEmpty)
        #expect(try adapters(links: []).isEmpty)
    }

    @Test func thousandsOfAddresses() throws {
        let count = 20_000
        let addresses = (0..<count).map { Wire.address(2, [10, 1, UInt8($0 >> 8), UInt8($0 & 0xFF)], 16) }
        let found = try adapters(links: [Wire.link(2, "eth0"), Wire.link(3, "eth1")], addresses: addresses)
        #expect(found[0].addresses.count == count && found[1].addresses.isEmpty)
        #expect(found[0].addresses.last?.address.description == "10.1.78.31")
    }

    /// This host's own, whatever it has: every Linux has a loopback link, and asking needs no rights.
    @Test func thisHost() throws {
        let found = try HostAdapters().list()
        let loopback = try #require(found.first { $0.name == "lo" })
        #expect(loopback.isLoopback && loopback.index == 1)
        #expect(Set(found.map(\.id)).count == found.count)
        #expect(try HostAdapters().list().map(\.id) == found.map(\.id))
    }
}
