import HostInventory
import Testing

struct HostAddressTests {
    @Test func texts() throws {
        for text in ["192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "::1", "fe80::1", "::ffff:192.0.2.1"] {
            #expect(try #require(HostAddress(text)).description == text)
        }
        // RFC 5952.
        #expect(HostAddress("2001:DB8:0:0:0:0:0:1")?.description == "2001:db8::1")
        for text in [
            "", "192.0.2", "192.0.2.256", "2001:db8::1::", "fe80::1%eth0", "node.example", "192.0.2.1/24",
            "192.0.2.1\0",
        ] {
            #expect(HostAddress(text) == nil)
        }
    }

    @Test func octets() {
        #expect(HostAddress(octets: [192, 0, 2, 1]) == HostAddress("192.0.2.1"))
        #expect(HostAddress(octets: [UInt8](repeating: 0, count: 15) + [1]) == HostAddress("::1"))
        for count in [0, 3, 5, 15, 17] { #expect(HostAddress(octets: [UInt8](repeating: 1, count: count)) == nil) }
    }

    @Test func scopesAreLinkLocalAddressesOnly() {
        #expect(HostAddress("fe80::1", scope: 3)?.scope == 3)
        #expect(HostAddress("febf::1", scope: 3)?.scope == 3)
        #expect(HostAddress("fec0::1", scope: 3)?.scope == 0)
        #expect(HostAddress("2001:db8::1", scope: 3)?.scope == 0)
        #expect(HostAddress(octets: [169, 254, 0, 1], scope: 3)?.scope == 0)
        #expect(HostAddress("169.254.0.1")?.isLinkLocal == true)
        #expect(HostAddress("169.253.0.1")?.isLinkLocal == false)
    }

    @Test func loopback() {
        #expect(HostAddress("127.255.0.1")?.isLoopback == true)
        #expect(HostAddress("128.0.0.1")?.isLoopback == false)
        #expect(HostAddress("::1")?.isLoopback == true)
        #expect(HostAddress("::2")?.isLoopback == false)
    }

    @Test func identifiers() {
        let octets: [UInt8] = [0xA, 0xB, 0xC, 0xD, 1, 2, 0x83, 4, 0x85, 6, 7, 8, 9, 0x10, 0x11, 0xFF]
        #expect(HostAdapter.ID(octets: octets)?.description == "0A0B0C0D-0102-8304-8506-0708091011FF")
        #expect(HostAdapter.ID(octets: octets.dropLast()) == nil)
    }
}
