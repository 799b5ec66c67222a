/// What kind of interface a link is, in IANA's and RFC 2863's terms.
extension LinkRecord {
    /// IANA's tunnelType by the kernel's kind of link: how it encapsulates.
    private static let tunnels: [String: HostAdapter.TunnelType] = [
        "gre": .gre, "gretap": .gre, "ip6gre": .gre, "ip6gretap": .gre, "erspan": .gre, "ip6erspan": .gre,
        "ipip": .direct, "ip6tnl": .direct, "sit": .direct,
        "vxlan": .udp, "geneve": .udp, "gtp": .udp, "bareudp": .udp, "amt": .udp, "wireguard": .udp, "ovpn": .udp,
        "vti": .other, "vti6": .other, "xfrm": .other,
    ]

    /// IANA's ifType by the kernel's hardware type, ARPHRD_* of `<linux/if_arp.h>`.
    private static let types: [UInt16: UInt32] = [
        1: 6,  // ETHER: ethernetCsmacd
        4: 9, 800: 9,  // PRONET, IEEE802_TR: iso88025TokenRing
        6: 6,  // IEEE802: ethernetCsmacd
        7: 35,  // ARCNET: arcnet
        15: 32,  // DLCI: frameRelay
        19: 37,  // ATM: atm
        24: 144,  // IEEE1394: ieee1394
        32: 199,  // INFINIBAND: infiniband
        256: 28, 257: 28, 258: 28, 259: 28,  // SLIP and its kin: slip
        271: 5,  // X25: rfc877x25
        512: 23,  // PPP: ppp
        513: 118,  // CISCO: hdlc
        516: 16,  // LAPB: lapb
        768: 131, 769: 131, 776: 131, 778: 131, 823: 131,  // TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE: tunnel
        770: 32,  // FRAD: frameRelay
        772: 24,  // LOOPBACK: softwareLoopback
        774: 15,  // FDDI: fddi
        780: 47,  // HIPPI: hippi
        784: 56, 785: 56, 786: 56, 787: 56,  // FCPP, FCAL, FCPL, FCFABRIC: fibreChannel
        801: 71, 802: 71, 803: 71,  // IEEE80211 and its monitoring kin: ieee80211
        804: 259,  // IEEE802154: ieee802154
    ]

    /// A link without a hardware header: ARPHRD_NONE and ARPHRD_RAWIP.
    private static let withoutHeader: Set<UInt16> = [0xFFFE, 519]

    /// IANA's tunnelType.
    var tunnelType: HostAdapter.TunnelType {
        switch sitVariety {
        case .sixToFour: .sixToFour
        case .isatap: .isatap
        case .configured: .direct
        case nil: kind.flatMap { Self.tunnels[$0] } ?? .none
        }
    }

    /// IANA's ifType.
    ///
    /// What carries Ethernet frames is Ethernet, be it a bond, a bridge or a VLAN, as on Windows, whose clients look for that type. A
    /// link of the kind `tun` has no header of its own: what goes into it is some program's to send on, which is a tunnel.
    ///
    /// - Parameter isWireless: what only sysfs knows: the driver makes a wireless network look like Ethernet.
    func type(isWireless: Bool) -> HostAdapter.InterfaceType {
        if tunnelType != .none { return .tunnel }
        if isWireless { return .wireless }
        if Self.withoutHeader.contains(hardwareType), kind == "tun" { return .tunnel }
        return Self.types[hardwareType].map { HostAdapter.InterfaceType(rawValue: $0) } ?? .other
    }

    /// ifOperStatus (RFC 2863) of the kernel's IF_OPER_*, which has the same states in another order.
    ///
    /// Drivers that tell no state leave it unknown; by the kernel's `operstates.rst` such a link is to be taken for one that works
    /// as long as there is a carrier.
    var status: HostAdapter.OperationalStatus {
        switch operationalState {
        case 1: .notPresent
        case 2: .down
        case 3: .lowerLayerDown
        case 4: .testing
        case 5: .dormant
        case 6: .up
        default:
            if flags & Self.flagUp == 0 {
                .down
            } else {
                flags & Self.flagLowerUp != 0 ? .up : .unknown
            }
        }
    }
}
