/// An address and a port as they stand in packets.
struct TransportAddress: Hashable, Sendable {
    /// The address as a number: of IPv4 the lowest 32 bits.
    private let high: UInt64
    private let low: UInt64
    private let isVersion6: Bool
    let port: UInt16

    /// - Parameter octets: four octets or sixteen.
    init(octets: some Collection<UInt8>, port: UInt16) {
        self.port = port
        isVersion6 = octets.count == 16
        high = octets.dropLast(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = octets.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Whether it comes before another one, by any order.
    func precedes(_ other: TransportAddress) -> Bool {
        (port, high, low) < (other.port, other.high, other.low)
    }

    /// As people write it (RFC 5952 for IPv6).
    var endpoint: CapturedEndpoint {
        guard isVersion6 else {
            let octets = (0..<4).map { String(low >> (24 - 8 * UInt64($0)) & 0xFF) }
            return CapturedEndpoint(address: octets.joined(separator: "."), port: port)
        }
        let groups = (0..<8).map { (index: Int) -> Int in
            let half = index < 4 ? high : low
            return Int(half >> UInt64(48 - 16 * (index % 4)) & 0xFFFF)
        }
        // The longest run of zeroes, of at least two groups, is left out.
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ part: ArraySlice<Int>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let address =
            best.isEmpty
            ? text(groups[...]) : text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
        return CapturedEndpoint(address: address, port: port)
    }
}

/// One segment of TCP (RFC 9293 section 3.1), as far as it was captured.
struct TCPSegment: Sendable {
    let time: CaptureTime
    let source: TransportAddress
    let destination: TransportAddress
    let sequence: UInt32
    /// What the sender has received, if it says so.
    let acknowledged: UInt32?
    let isSYN: Bool
    let isFIN: Bool
    let isRST: Bool
    let payload: [UInt8]
}

/// What a packet turned out to be.
enum PacketContent {
    case segment(TCPSegment)
    /// A fragment of an IP packet, which is not put together again here.
    case fragment
    /// Of another protocol, or no packet.
    case other
}

extension CaptureFile.Packet {
    /// Looks for TCP in the packet.
    func content(_ link: LinkLayer) -> PacketContent {
        guard let start = link.offsetOfIP(in: octets) else { return .other }
        switch octets[start] >> 4 {
        case 4: return version4(start)
        case 6: return version6(start)
        default: return .other
        }
    }

    private func number16(_ offset: Int) -> Int { Int(octets[offset]) << 8 | Int(octets[offset + 1]) }

    private func number32(_ offset: Int) -> UInt32 { UInt32(number16(offset)) << 16 | UInt32(number16(offset + 2)) }

    /// RFC 791 section 3.1.
    private func version4(_ start: Int) -> PacketContent {
        guard octets.count >= start + 20 else { return .other }
        let header = Int(octets[start] & 0x0F) * 4
        // A length of zero is what a host says that leaves cutting a large packet to its adapter.
        let length = number16(start + 2)
        let end = length == 0 ? octets.count : min(octets.count, start + length)
        guard header >= 20, end >= start + header, octets[start + 9] == 6 else { return .other }
        guard number16(start + 6) & 0x3FFF == 0 else { return .fragment }
        return tcp(
            start + header, end, source: octets[start + 12..<start + 16],
            destination: octets[start + 16..<start + 20])
    }

    /// RFC 8200 section 3.
    private func version6(_ start: Int) -> PacketContent {
        guard octets.count >= start + 40 else { return .other }
        let length = number16(start + 4)
        let end = length == 0 ? octets.count : min(octets.count, start + 40 + length)
        var next = octets[start + 6]
        var offset = start + 40
        // Each header is at least eight octets long, so this ends.
        while [0, 43, 60, 51, 44].contains(next) {
            guard end >= offset + 8 else { return .other }
            if next == 44 {
                // An atomic fragment is a whole (RFC 6946).
                guard number16(offset + 2) & 0xFFF9 == 0 else { return octets[offset] == 6 ? .fragment : .other }
            }
            let size =
                next == 44 ? 8 : next == 51 ? (Int(octets[offset + 1]) + 2) * 4 : (Int(octets[offset + 1]) + 1) * 8
            next = octets[offset]
            offset += size
        }
        guard next == 6, offset <= end else { return .other }
        return tcp(
            offset, end, source: octets[start + 8..<start + 24],
            destination: octets[start + 24..<start + 40])
    }

    private func tcp(_ start: Int, _ end: Int, source: ArraySlice<UInt8>, destination: ArraySlice<UInt8>)
        -> PacketContent
    {
        guard end >= start + 20 else { return .other }
        let header = Int(octets[start + 12] >> 4) * 4
        guard header >= 20, end >= start + header else { return .other }
        let flags = octets[start + 13]
        return .segment(
            TCPSegment(
                time: time, source: TransportAddress(octets: source, port: UInt16(number16(start))),
                destination: TransportAddress(octets: destination, port: UInt16(number16(start + 2))),
                sequence: number32(start + 4), acknowledged: flags & 0x10 == 0 ? nil : number32(start + 8),
                isSYN: flags & 0x02 != 0, isFIN: flags & 0x01 != 0, isRST: flags & 0x04 != 0,
                payload: Array(octets[start + header..<end])))
    }
}
