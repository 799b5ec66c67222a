import ClusterProtocols
import Foundation
import HostInventory
import NDR
import Testing

@testable import clusprep

/// `clusprep network`: what is listed, and how it looks.
struct NetworkCommandTests {
    private static let plain = Terminal(isColoured: false)

    private func adapter() throws -> HostAdapter {
        HostAdapter(
            id: try #require(HostAdapter.ID(octets: [UInt8](0..<16))), index: 2, name: "eth0", summary: "a card",
            hardwareAddress: [2, 0, 0, 0, 0, 0xAB],
            addresses: try ["192.0.2.7", "2001:db8::7", "2001:db8::8"].map {
                HostAdapter.Address(address: try #require(HostAddress($0)), prefixLength: $0.contains(":") ? 64 : 24)
            },
            gateways: [try #require(HostAddress("192.0.2.1"))], usesDHCP: true, speed: 312_500_000, hasRSS: true)
    }

    @Test func arguments() throws {
        let command = try NetworkCommand.parse(["--filtered", "--json"])
        #expect(command.filtered && command.json && command.options.node == nil)
        #expect(try NetworkCommand.parse(["--node", "n2", "--user", "D\\u"]).options.node == "n2")
        #expect(refusal(of: NetworkCommand.self, ["--node", "n2"])?.contains("--user") == true)
        #expect(refusal(of: NetworkCommand.self, ["eth0"]) != nil)
    }

    @Test func forPeople() throws {
        #expect(
            AdapterListing([try adapter()], filtered: false).lines(on: Self.plain) == [
                "ADAPTER  STATUS  SPEED     MAC                ADDRESSES",
                "eth0     up      2.5 Gb/s  02:00:00:00:00:ab  192.0.2.7/24 2001:db8::7/64 +1",
                "    a card",
                "    id 00010203-0405-0607-0809-0A0B0C0D0E0F",
                "    gateways: 192.0.2.1",
                "    more addresses: 2001:db8::8/64",
                "    DHCP, RSS",
            ])
        #expect(AdapterListing([], filtered: false).lines(on: Self.plain) == ["No network adapters."])
    }

    @Test func forScripts() throws {
        let text = try AdapterListing([try adapter()], filtered: false).prettyJSON()
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["schema"] as? Int == 1)
        let entry = try #require((object["adapters"] as? [[String: Any]])?.first)
        #expect(entry["name"] as? String == "eth0")
        #expect(entry["bitsPerSecond"] as? Int == 2_500_000_000)
        #expect(entry["hardwareAddress"] as? String == "02:00:00:00:00:ab")
        #expect((entry["addresses"] as? [[String: Any]])?.first?["prefixLength"] as? Int == 24)
    }

    @Test func whatNoClusterUsesIsLeftOut() throws {
        var (loopback, tunnel) = (try adapter(), try adapter())
        loopback.type = .loopback
        tunnel.tunnelType = .gre
        #expect(AdapterListing([loopback, tunnel, try adapter()], filtered: true).adapters.count == 1)
        #expect(AdapterListing([loopback, tunnel], filtered: false).adapters.map(\.filtered) == [true, true])
    }

    // MARK: Another node's

    private let guids: [GUID] = [.zero, .zero]

    /// Prefixes as Windows tells them: networks, and each host and broadcast address besides.
    private var remote: ADAPTER {
        let (network, host) = (SocketAddress.v4(address: [192, 0, 2, 0]), SocketAddress.v4(address: [192, 0, 2, 255]))
        return ADAPTER(
            description: "card\u{1B}[2J", friendlyName: "Ethernet", name: "{00010203-0405-0607-0809-0A0B0C0D0E0F}",
            prefixes: [
                IPPREFIX(endpoint: network, prefixLength: 25), IPPREFIX(endpoint: network, prefixLength: 16),
                IPPREFIX(endpoint: host, prefixLength: 32),
            ],
            physicalAddress: "02-00-00-00-00-AB",
            addresses: [.v4(address: [192, 0, 2, 7]), .v4(address: [10, 0, 0, 1])],
            adapterType: 6, operStatus: 2)
    }

    @Test func theOlderList() throws {
        let octets = try ADAPTERLIST(serverName: "n2.example", adapters: [remote], guids: guids).encoded()
        let listing = try AdapterListing(octets: octets)
        #expect(listing.server == "n2.example")
        let entry = try #require(listing.adapters.first)
        #expect(entry.id == "00010203-0405-0607-0809-0A0B0C0D0E0F")
        #expect(entry.status == "down" && entry.index == nil && entry.rdma == nil && entry.bitsPerSecond == nil)
        #expect(entry.addresses.map(\.prefixLength) == [25, 32])
        // What a node says does not command the terminal.
        #expect(listing.lines(on: Self.plain).contains("    card?[2J"))
    }

    @Test func theNewerList() throws {
        let adapters = [
            ADAPTER2(adapter: remote, interfaceIndex: 9, isConnectedToISCSI: true, linkSpeed: 125_000_000),
            ADAPTER2(adapter: remote, interfaceIndex: 10, linkSpeed: .max),
        ]
        let octets = try ADAPTERLIST2(serverName: "n2", adapters: adapters, guids: guids + guids).encoded()
        let listing = try AdapterListing(octets: octets)
        #expect(listing.adapters.map(\.index) == [9, 10])
        #expect(listing.adapters.map(\.bitsPerSecond) == [1_000_000_000, nil])
        #expect(listing.adapters.map(\.iscsi) == [true, false])
        #expect(throws: LayoutError.self) { try AdapterListing(octets: Array(octets.dropLast())) }
    }

    @Test(arguments: [
        (999, "999 b/s"), (1000, "1 kb/s"), (10_000_000, "10 Mb/s"), (2_500_000_000, "2.5 Gb/s"),
        (99_990_000_000, "99.9 Gb/s"), (1_600_000_000_000, "1.6 Tb/s"),
    ])
    func speeds(bits: UInt64, text: String) {
        #expect(readableSpeed(bits) == text)
    }
}
