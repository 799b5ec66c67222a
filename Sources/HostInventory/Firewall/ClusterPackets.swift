/// The packets that have to arrive, and their answers that have to leave, for each group of traffic.
struct ClusterPackets {
    /// The ports that the node's objects are exported at.
    var exporterPorts: ClosedRange<UInt16>

    /// A kind of traffic, such as `445/tcp`, and to what groups it belongs.
    struct Service: Sendable, Hashable {
        var name: String
        var groups: Set<ClusterTraffic>
        var kind: Kind

        enum Kind: Sendable, Hashable {
            case tcp(ClosedRange<UInt16>)
            case udp(ClosedRange<UInt16>)
            case echo
            /// Finding out the node's hardware address, without which nothing else arrives.
            case resolution
        }
    }

    /// The services; docs/firewall.md has the list's sources.
    var services: [Service] {
        let exporter =
            exporterPorts.count == 1
            ? "\(exporterPorts.lowerBound)/tcp" : "\(exporterPorts.lowerBound)-\(exporterPorts.upperBound)/tcp"
        return [
            Service(name: "address resolution", groups: Set(ClusterTraffic.allCases), kind: .resolution),
            Service(name: "3343/udp", groups: [.server], kind: .udp(3343...3343)),
            Service(name: "3343/tcp", groups: [.server], kind: .tcp(3343...3343)),
            Service(name: "445/tcp", groups: [.server], kind: .tcp(445...445)),
            Service(name: exporter, groups: [.management], kind: .tcp(exporterPorts)),
            Service(name: "135/tcp", groups: [.common], kind: .tcp(135...135)),
            Service(name: "ICMP echo", groups: [.common], kind: .echo),
        ]
    }

    /// One of the adapter's addresses, and who may call it.
    struct Place: Sendable, Hashable {
        var isV6: Bool
        /// nil where the adapter has no address (yet).
        var address: HostAddress?
        /// Neighbours' addresses, in ranges; nil where they are not known.
        var neighbours: [ClosedRange<UInt128>?]
    }

    /// Where an adapter is reached: at each of its addresses by the rest of its network. An adapter without an address is asked for as
    /// if it had one of each family that nobody knows.
    static func places(of adapter: HostAdapter) -> [Place] {
        let places = adapter.addresses.map { own in
            let isV6 = own.address.family == .v6
            return Place(isV6: isV6, address: own.address, neighbours: neighbours(of: own))
        }
        guard places.isEmpty else { return places }
        return [false, true].map { Place(isV6: $0, address: nil, neighbours: [nil]) }
    }

    private static func neighbours(of own: HostAdapter.Address) -> [ClosedRange<UInt128>?] {
        let network = (own.peer ?? own.address).network(prefixLength: own.prefixLength)
        let number = own.address.number
        var (low, high) = (network.lowerBound, network.upperBound)
        // The first and the last address of an IPv4 network are no host's, but where there are only two (RFC 3021).
        if own.address.family == .v4, own.prefixLength < 31 { (low, high) = (low + 1, high - 1) }
        guard (low...high).contains(number) else { return [low...high] }
        var parts: [ClosedRange<UInt128>] = []
        if low < number { parts.append(low...(number - 1)) }
        if number < high { parts.append((number + 1)...high) }
        return parts.isEmpty ? [nil] : parts
    }

    /// The packets of a service at a place, in both directions.
    func packets(_ service: Service, at place: Place) -> [Packet] {
        place.neighbours.flatMap { packets(service, at: place, from: $0) }
    }

    private func packets(
        _ service: Service, at place: Place, from neighbours: ClosedRange<UInt128>?
    ) -> [Packet] {
        let own = place.address.map { $0.number...$0.number }
        var opening = Packet(
            purpose: "\(service.name) over \(place.isV6 ? "IPv6" : "IPv4")", network: place.isV6 ? .ipv6 : .ipv4,
            source: neighbours, destination: own)
        switch service.kind {
        case .resolution: return resolution(opening, place)
        case .echo:
            opening.transport = place.isV6 ? .icmpv6 : .icmp
            opening.messageType = place.isV6 ? 128 : 8
            var reply = answer(to: opening)
            reply.messageType = place.isV6 ? 129 : 0
            return [opening, reply]
        case .udp(let ports):
            opening.transport = .udp
            opening.destinationPorts = UInt128(ports.lowerBound)...UInt128(ports.upperBound)
            return [opening, answer(to: opening)]
        case .tcp(let ports):
            opening.transport = .tcp
            opening.destinationPorts = UInt128(ports.lowerBound)...UInt128(ports.upperBound)
            opening.tcpFlags = 0x02
            var reply = answer(to: opening)
            reply.tcpFlags = 0x12
            var following = opening
            following.state = .established
            following.tcpFlags = 0x10
            return [opening, reply, following]
        }
    }

    private func answer(to packet: Packet) -> Packet {
        var reply = packet
        (reply.source, reply.destination) = (packet.destination, packet.source)
        (reply.sourceType, reply.destinationType) = (.local, .unicast)
        (reply.sourcePorts, reply.destinationPorts) = (packet.destinationPorts, packet.sourcePorts)
        reply.state = packet.state == .untracked ? .untracked : .established
        reply.isReply = true
        reply.isOutgoing = true
        reply.cast = .host
        return reply
    }

    /// ARP's question and answer (RFC 826), or Neighbor Solicitation and Advertisement (RFC 4861 7.1.1: hop limit 255), which
    /// connection tracking leaves alone.
    private func resolution(_ opening: Packet, _ place: Place) -> [Packet] {
        var question = opening
        guard place.isV6 else {
            question.network = .arp
            question.state = .untracked
            question.cast = .broadcast
            question.operation = 1
            var reply = answer(to: question)
            reply.operation = 2
            return [question, reply]
        }
        question.transport = .icmpv6
        question.state = .untracked
        question.hopLimit = 255
        question.messageType = 135
        var reply = answer(to: question)
        reply.messageType = 136
        if let address = place.address {
            // The solicited-node address (RFC 4291 2.7.1): ff02::1:ff00:0/104 and the last 24 bits.
            let group = UInt128(0xFF02) << 112 | UInt128(0x1_FF00_0000) | (address.number & 0xFF_FFFF)
            question.destination = group...group
        }
        question.destinationType = .multicast
        question.cast = .multicast
        return [question, reply]
    }
}
