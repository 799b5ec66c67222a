import Testing

@testable import FileShares

/// The strings of [MS-CSVP] 3.4.4.5, and what else a client might send.
struct SharePathTests {
    @Test(
        "Both forms are read and written",
        arguments: [
            (#"\\192.0.2.7"#, "192.0.2.7", #"\\192.0.2.7"#),
            (#"\\127.0.0.1"#, "127.0.0.1", #"\\127.0.0.1"#),
            (#"\\[2001:db8::7]"#, "2001:db8::7", #"\\[2001:db8::7]"#),
            (#"\\[2001:DB8:0:0:0:0:0:7]"#, "2001:db8::7", #"\\[2001:db8::7]"#),
            (#"\\[::1]"#, "::1", #"\\[::1]"#),
            (#"\\[fe80::1%12]"#, "fe80::1", #"\\[fe80::1]"#),
            (#"\\[fe80::1%eth0.7]"#, "fe80::1", #"\\[fe80::1]"#),
            (#"\\[::ffff:192.0.2.7]"#, "::ffff:192.0.2.7", #"\\[::ffff:192.0.2.7]"#),
        ])
    func valid(_ text: String, _ address: String, _ written: String) throws {
        let path = try SharePath(parsing: Array(text.utf16))
        #expect(path.address.description == address)
        #expect(path.description == written)
    }

    @Test(
        "Nothing but an address is an address",
        arguments: [
            "", #"\"#, #"\\"#, "192.0.2.7", #"\192.0.2.7"#, #"\\\192.0.2.7"#, "//192.0.2.7",
            // Host names, also those that begin like an address.
            #"\\localhost"#, #"\\node1"#, #"\\192.0.2.7.example.com"#, #"\\192-0-2-7.ipv6-literal.net"#,
            // Ports, shares, users.
            #"\\192.0.2.7:445"#, #"\\192.0.2.7@445"#, #"\\192.0.2.7\share"#, #"\\192.0.2.7\"#, #"\\[::1]:445"#,
            #"\\[::1]\share"#, #"\\user@192.0.2.7"#,
            // Other ways to write numbers.
            #"\\3221225991"#, #"\\0xc0000207"#, #"\\192.0.519"#, #"\\0300.0.2.7"#, #"\\192.0.2.256"#, #"\\192.0.2"#,
            #"\\192.0.2.7 "#, #"\\ 192.0.2.7"#, #"\\%31%39%32.0.2.7"#,
            // Brackets where they do not belong.
            #"\\[192.0.2.7]"#, #"\\::1"#, #"\\[::1"#, #"\\::1]"#, #"\\[[::1]]"#, #"\\[]"#, #"\\[:::1]"#,
            // Zones that are none.
            #"\\[fe80::1%]"#, #"\\[fe80::1%a/b]"#, #"\\[fe80::1%0123456789abcdef]"#, #"\\192.0.2.7%eth0"#,
            // Nobody's addresses.
            #"\\0.0.0.0"#, #"\\0.1.2.3"#, #"\\224.0.0.1"#, #"\\255.255.255.255"#, #"\\[::]"#, #"\\[ff02::1]"#,
            #"\\[::ffff:0.0.0.0]"#, #"\\[::ffff:224.0.0.1]"#,
            // What would end the string for a C library, or look like something else.
            "\\\\192.0.2.7\0", "\\\\192.0.2.7\0.example.com", "\\\\192.0.2.7\n", "\\\\１９２.0.2.7",
        ])
    func invalid(_ text: String) {
        #expect(throws: FileShareError.self) { try SharePath(parsing: Array(text.utf16)) }
    }

    @Test("Lone surrogates are no address")
    func surrogates() {
        #expect(throws: FileShareError.self) { try SharePath(parsing: Array(#"\\192.0.2.7"#.utf16) + [0xD800]) }
    }

    @Test("Eighty units are looked at, eighty-one are not")
    func length() {
        let long = #"\\["# + String(repeating: "0", count: 76)
        #expect(throws: FileShareError.badPaths(reason: "a string of 81 units")) {
            try SharePath(parsing: Array((long + "]]").utf16))
        }
        let text = long + "]"
        #expect(throws: FileShareError.badPaths(reason: "\(text) is neither \\\\<IPv4> nor \\\\[<IPv6>]")) {
            try SharePath(parsing: Array(text.utf16))
        }
    }

    @Test("Link-local addresses mean nothing to other hosts")
    func routable() throws {
        for text in [#"\\[fe80::1%2]"#, #"\\[fe80::1]"#, #"\\[febf::1]"#, #"\\169.254.0.1"#, #"\\[2001:db8::1%2]"#] {
            #expect(try !SharePath(parsing: Array(text.utf16)).isRoutable)
        }
        for text in [#"\\[fec0::1]"#, #"\\[fd00::1]"#, #"\\169.253.255.255"#, #"\\127.0.0.2"#] {
            #expect(try SharePath(parsing: Array(text.utf16)).isRoutable)
        }
    }

    @Test("A wildcard stands for no loopback address, and any other address for itself")
    func resolution() throws {
        let own = HostAddresses.resolve([try #require(IPAddress("0.0.0.0")), try #require(IPAddress("::"))])
        #expect(own.allSatisfy { !$0.isLoopback && !$0.isLinkLocal && $0.isUnicast })
        let listed = try ["127.0.0.2", "192.0.2.7", "127.0.0.2"].map { try #require(IPAddress($0)) }
        #expect(HostAddresses.resolve(listed).map(\.description) == ["127.0.0.2", "192.0.2.7"])
    }
}
