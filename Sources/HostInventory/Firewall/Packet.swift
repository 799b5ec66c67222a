/// A packet whose fate is asked: what is known of it before it is sent. A field may be a range, of which every value counts.
struct Packet: Sendable {
    /// What is inside the frame; the raw value is the EtherType.
    enum Network: UInt128, Sendable {
        case ipv4 = 0x0800
        case arp = 0x0806
        case ipv6 = 0x86DD
    }

    /// What is inside the packet; the raw value is the protocol's number.
    enum Transport: UInt128, Sendable {
        case icmp = 1
        case tcp = 6
        case udp = 17
        case icmpv6 = 58
    }

    /// How connection tracking counts it: the bits of `ct state`.
    enum State: UInt128, Sendable {
        case invalid = 1
        case established = 2
        case new = 8
        case untracked = 64
    }

    /// The kernel's kind of an address (RTN_*, rtnetlink(7)).
    enum AddressType: UInt128, Sendable {
        case unicast = 1
        case local = 2
        case multicast = 5
    }

    /// Whom its frame is addressed to (PACKET_*, packet(7)).
    enum Cast: UInt128, Sendable {
        case host = 0
        case broadcast = 1
        case multicast = 2
    }

    /// Fields that hold ranges, which a rule may apply to in part.
    enum Divisible: Sendable {
        case source
        case destination
        case sourcePort
        case destinationPort
    }

    /// A range of a field that has to be looked at in two parts.
    struct Division: Sendable, Hashable {
        var field: Divisible
        /// The first value of the upper part.
        var boundary: UInt128
    }

    /// What it is for, such as `tcp 445 from the network`.
    var purpose: String
    var network: Network
    var transport: Transport?
    /// The addresses that it may come from; nil where nobody knows.
    var source: ClosedRange<UInt128>?
    /// The addresses that it may go to; nil where nobody knows.
    var destination: ClosedRange<UInt128>?
    var sourceType = AddressType.unicast
    var destinationType = AddressType.local
    var sourcePorts: ClosedRange<UInt128> = 1024...65535
    var destinationPorts: ClosedRange<UInt128> = 1...65535
    /// The type of an ICMP message; its code is 0 in all that are asked for.
    var messageType: UInt128 = 0
    /// The bits of the TCP header.
    var tcpFlags: UInt128 = 0
    /// nil after a rule that perhaps took it out of connection tracking.
    var state: State? = .new
    /// Whether it goes the way back of its connection.
    var isReply = false
    /// Whether the host sends it.
    var isOutgoing = false
    var cast = Cast.host
    /// nil where it depends on the sender.
    var hopLimit: UInt128?
    /// ARP's operation.
    var operation: UInt16 = 0
    /// The packet's mark as rules set it; nil where they perhaps did.
    var mark: UInt128? = 0
    /// The connection's mark, likewise.
    var connectionMark: UInt128? = 0

    subscript(field: Divisible) -> ClosedRange<UInt128>? {
        get {
            switch field {
            case .source: source
            case .destination: destination
            case .sourcePort: sourcePorts
            case .destinationPort: destinationPorts
            }
        }
        set {
            switch field {
            case .source: source = newValue
            case .destination: destination = newValue
            case .sourcePort: sourcePorts = newValue ?? sourcePorts
            case .destinationPort: destinationPorts = newValue ?? destinationPorts
            }
        }
    }

    /// The packet's two parts; nil where the boundary is not within.
    func divided(_ division: Division) -> (Packet, Packet)? {
        guard let range = self[division.field], division.boundary > range.lowerBound,
            division.boundary <= range.upperBound
        else { return nil }
        var (lower, upper) = (self, self)
        lower[division.field] = range.lowerBound...(division.boundary - 1)
        upper[division.field] = division.boundary...range.upperBound
        return (lower, upper)
    }
}

extension HostAddress {
    /// The address as a number.
    var number: UInt128 { octets.reduce(0) { $0 << 8 | UInt128($1) } }

    /// All addresses that have the first so many bits in common with this one.
    func network(prefixLength: UInt8) -> ClosedRange<UInt128> {
        let bits = octets.count * 8
        let free = max(0, bits - Int(prefixLength))
        let mask: UInt128 = free >= 128 ? .max : (1 << UInt128(free)) - 1
        return (number & ~mask)...(number | mask)
    }
}
