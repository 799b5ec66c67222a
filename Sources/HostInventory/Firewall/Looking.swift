extension Packet {
    /// What an expression finds in the packet, at a hook where connection tracking has seen it or not.
    func operand(_ expression: Expression, through face: Face, isTracked: Bool) -> Operand {
        switch expression {
        case .meta(let key): meta(key, face)
        case .connection(let key, let hasDirection):
            hasDirection ? .unknown(expression.name) : connection(key, isTracked: isTracked)
        case .payload(let layer, let field): payload(layer, field)
        case .route(let result, let flags): route(result, flags, face)
        case .extensionHeader(let hasField): hasField ? .absent : .flag(false)
        case .concatenation(let parts): .concatenation(parts.map { operand($0, through: face, isTracked: isTracked) })
        case .masked(let inner, let mask):
            masked(inner, mask, operand(inner, through: face, isTracked: isTracked))
        case .unknown(let name): .unknown(name)
        }
    }

    private func masked(_ expression: Expression, _ mask: UInt128, _ operand: Operand) -> Operand {
        // The fragment's offset and "more fragments" are zero; only the bit that forbids fragmenting is the sender's choice.
        if expression == .payload("ip", "frag-off"), network == .ipv4, mask & 0x4000 == 0 { return .exactly(0) }
        if expression == .connection("status", hasDirection: false), let status = statusBits(mask) { return status }
        switch operand {
        case .number(let range, _) where range.lowerBound == range.upperBound: return .exactly(range.lowerBound & mask)
        case .number, .eitherOrder, .adapter, .flag, .concatenation: return .unknown("\(expression.name) & \(mask)")
        case .absent, .unknown: return operand
        }
    }

    /// A connection from outside to the host itself is translated in no direction (IPS_SRC_NAT, IPS_DST_NAT); a rule that
    /// translates it is where the evaluation ends.
    func statusBits(_ mask: UInt128) -> Operand? { mask & ~0x30 == 0 ? .exactly(0) : nil }

    private func meta(_ key: String, _ face: Face) -> Operand {
        let adapter = Operand.adapter(name: face.name, index: face.index)
        switch key {
        // In the direction that is not its own a packet has no interface: its name is empty.
        case "iif", "iifname": return isOutgoing ? .adapter(name: "", index: 0) : adapter
        case "oif", "oifname": return isOutgoing ? adapter : .adapter(name: "", index: 0)
        case "iiftype", "oiftype":
            guard (key == "oiftype") == isOutgoing else { return .absent }
            return face.linkType.map { .exactly($0) } ?? .unknown("meta \(key)")
        case "protocol": return .eitherOrder(UInt16(network.rawValue))
        case "nfproto":
            switch network {
            case .ipv4: return .exactly(2)
            case .ipv6: return .exactly(10)
            case .arp: return .exactly(3)
            }
        case "l4proto": return transport.map { .exactly($0.rawValue) } ?? .absent
        case "mark": return mark.map { .exactly($0) } ?? .unknown("meta mark")
        case "pkttype" where !isOutgoing: return .exactly(cast.rawValue)
        default: return .unknown("meta \(key)")
        }
    }

    private func connection(_ key: String, isTracked: Bool) -> Operand {
        guard isTracked else { return key == "state" ? .exactly(State.invalid.rawValue) : .absent }
        guard let state else { return .unknown("ct \(key)") }
        if key == "state" { return .exactly(state.rawValue) }
        guard state != .untracked else { return .absent }
        switch key {
        case "direction": return .exactly(isReply ? 1 : 0)
        case "mark": return connectionMark.map { .exactly($0) } ?? .unknown("ct mark")
        case "l3proto": return .exactly(network == .ipv6 ? 10 : 2)
        case "protocol": return transport.map { .exactly($0.rawValue) } ?? .absent
        default: return .unknown("ct \(key)")
        }
    }

    private func payload(_ layer: String, _ field: String) -> Operand {
        switch layer {
        case "ip": return network == .ipv4 ? internetField(field, version: 4, next: "protocol") : .absent
        case "ip6": return network == .ipv6 ? internetField(field, version: 6, next: "nexthdr") : .absent
        case "tcp" where transport == .tcp, "udp" where transport == .udp,
            "th" where transport == .tcp || transport == .udp:
            switch field {
            case "sport": return .number(sourcePorts, .sourcePort)
            case "dport": return .number(destinationPorts, .destinationPort)
            case "flags" where layer == "tcp": return .exactly(tcpFlags)
            default: return .unknown("\(layer) \(field)")
            }
        case "icmp" where transport == .icmp, "icmpv6" where transport == .icmpv6:
            switch field {
            case "type": return .exactly(messageType)
            case "code": return .exactly(0)
            default: return .unknown("\(layer) \(field)")
            }
        case "ether": return field == "type" ? .eitherOrder(UInt16(network.rawValue)) : .unknown("ether \(field)")
        case "arp" where network == .arp: return resolution(field)
        case "tcp", "udp", "icmp", "icmpv6", "arp", "sctp", "dccp", "udplite", "esp", "ah", "comp", "igmp", "vlan":
            return .absent
        default: return .unknown("\(layer) \(field)")
        }
    }

    private func internetField(_ field: String, version: UInt128, next: String) -> Operand {
        switch field {
        case "saddr": return source.map { .number($0, .source) } ?? .unknown("the address of the sender")
        case "daddr": return destination.map { .number($0, .destination) } ?? .unknown("the adapter's address")
        case next: return transport.map { .exactly($0.rawValue) } ?? .absent
        case "version": return .exactly(version)
        case "hdrlength" where version == 4: return .exactly(5)
        case "hoplimit", "ttl": return hopLimit.map { .exactly($0) } ?? .unknown(field)
        default: return .unknown("\(version == 4 ? "ip" : "ip6") \(field)")
        }
    }

    private func resolution(_ field: String) -> Operand {
        switch field {
        case "operation": return .eitherOrder(operation)
        case "saddr ip": return source.map { .number($0, .source) } ?? .unknown("the address of the sender")
        case "daddr ip": return destination.map { .number($0, .destination) } ?? .unknown("the adapter's address")
        case "htype": return .eitherOrder(1)
        case "ptype": return .eitherOrder(UInt16(Network.ipv4.rawValue))
        case "hlen": return .exactly(6)
        case "plen": return .exactly(4)
        default: return .unknown("arp \(field)")
        }
    }

    /// What the routing tables say is sure for neighbours only: they answer on the adapter that the question came in through.
    private func route(_ result: String, _ flags: Set<String>, _ face: Face) -> Operand {
        let name = "fib \(result)"
        guard flags.isSubset(of: ["saddr", "daddr", "mark", "iif", "oif"]), source != nil, destination != nil else {
            return .unknown(name)
        }
        switch (result, flags.contains("saddr"), flags.contains("daddr")) {
        case ("type", true, false): return .exactly(sourceType.rawValue)
        case ("type", false, true): return .exactly(destinationType.rawValue)
        case ("oif", true, false), ("oifname", true, false):
            return isOutgoing ? .unknown(name) : .adapter(name: face.name, index: face.index)
        default: return .unknown(name)
        }
    }
}
