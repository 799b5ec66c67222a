/// ICMP echo requests and replies (RFC 792; RFC 4443, sections 4.1 and 4.2) around a probe.
enum EchoMessage {
    static let headerLength = 8

    /// An echo request.
    ///
    /// Its identifier and its checksum are what a raw socket of IPv4 needs; the kernel sets both for its own echo sockets, and
    /// the checksum for every socket of IPv6, whose pseudo-header only it knows.
    static func request(_ probe: ProbeMessage, isVersion6: Bool, identifier: UInt16) -> [UInt8] {
        let sequence = UInt16(truncatingIfNeeded: probe.sequence)
        var octets: [UInt8] = [isVersion6 ? 128 : 8, 0, 0, 0]
        for number in [identifier, sequence] { octets += [UInt8(number >> 8), UInt8(number & 0xFF)] }
        octets += probe.octets
        if !isVersion6 {
            let sum = checksum(octets)
            (octets[2], octets[3]) = (UInt8(sum >> 8), UInt8(sum & 0xFF))
        }
        return octets
    }

    /// The probe in an echo reply; nil where it is no reply, or one to somebody else's request.
    ///
    /// - Parameter hasHeader: whether the IPv4 header comes first, as raw sockets have it.
    static func reply(_ octets: some RandomAccessCollection<UInt8>, isVersion6: Bool, hasHeader: Bool) -> ProbeMessage?
    {
        var rest = octets[...]
        if hasHeader, let first = rest.first {
            guard first >> 4 == 4, first & 0xF >= 5 else { return nil }
            rest = rest.dropFirst(Int(first & 0xF) * 4)
        }
        guard rest.count > headerLength, rest.starts(with: [isVersion6 ? 129 : 0, 0]) else { return nil }
        guard let probe = ProbeMessage(rest.dropFirst(headerLength)), probe.kind == .request else { return nil }
        return probe
    }

    /// The checksum of RFC 1071 over octets in which it is zero.
    static func checksum(_ octets: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for (index, octet) in octets.enumerated() { sum += index % 2 == 0 ? UInt32(octet) << 8 : UInt32(octet) }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}
