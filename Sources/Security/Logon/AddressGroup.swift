#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What addresses have in common, and how they are written.
enum AddressGroup {
    /// The addresses that one party can have as many of as it likes: an IPv4 address by itself; an IPv6 address with all of its
    /// network, which is whose it is (RFC 4291 section 2.5.4). Text that is no address stays what it is.
    static func of(_ address: String) -> String {
        let address = canonical(address)
        guard let octets = octets(address) else { return address }
        return octets.prefix(8).map { String($0, radix: 16) }.joined(separator: ":") + "/64"
    }

    /// One way of writing an address: IPv6 without its zone, IPv4 without IPv6's clothes. Text that is no address stays what it
    /// is.
    static func canonical(_ address: String) -> String {
        let bare = String(address.prefix { $0 != "%" }.prefix(255))
        guard let octets = octets(bare) else { return bare }
        if octets.prefix(10).allSatisfy({ $0 == 0 }), octets[10] == 0xFF, octets[11] == 0xFF {
            return octets[12...].map { String($0) }.joined(separator: ".")
        }
        return stride(from: 0, to: 16, by: 2).map {
            String(UInt16(octets[$0]) << 8 | UInt16(octets[$0 + 1]), radix: 16)
        }
        .joined(separator: ":")
    }

    /// Whether nobody but this host itself can be there.
    static func isLoopback(_ address: String) -> Bool {
        let address = canonical(address)
        return address.hasPrefix("127.") || address == "0:0:0:0:0:0:0:1"
    }

    /// An IPv6 address' 16 octets.
    private static func octets(_ address: String) -> [UInt8]? {
        var octets = in6_addr()
        guard address.contains(":"), inet_pton(AF_INET6, address, &octets) == 1 else { return nil }
        return withUnsafeBytes(of: octets) { Array($0) }
    }
}
