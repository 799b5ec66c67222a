import CLinuxNetwork

/// What the kernel says of a link (RTM_NEWLINK, rtnetlink(7)).
struct LinkRecord: Sendable, Hashable {
    /// The index.
    var index: UInt32
    /// The name.
    var name: String
    /// ARPHRD_*: what hardware header it has.
    var hardwareType: UInt16
    /// IFF_*.
    var flags: UInt32
    /// The hardware address; empty where there is none.
    var address: [UInt8] = []
    /// The address that was burnt in; empty where there is none, and from kernels before 5.6, which do not tell.
    var permanentAddress: [UInt8] = []
    /// The octets of the largest packet.
    var mtu: UInt32 = 0
    /// IF_OPER_*; zero where nobody has told.
    var operationalState: UInt8 = 0
    /// The kind of a virtual link, such as `vlan`; nil for hardware, whose drivers have none.
    var kind: String?
    /// What sets a tunnel apart from others of its kind.
    var sitVariety: SITVariety?
    /// The name that the administrator gave it; nil where there is none.
    var alias: String?

    /// The varieties of IPv6-in-IPv4 tunnels.
    enum SITVariety: Sendable, Hashable {
        /// From one end to the other.
        case configured
        /// 6to4 (RFC 3056): the other end's address is in the packet's.
        case sixToFour
        /// ISATAP (RFC 5214).
        case isatap
    }

    /// IFF_UP of `<linux/if.h>`: the administrator wants it up.
    static let flagUp: UInt32 = 1 << 0
    /// IFF_LOWER_UP of `<linux/if.h>`: the driver sees a carrier.
    static let flagLowerUp: UInt32 = 1 << 16

    private static let operation = "read a link"
    /// The octets of struct ifinfomsg.
    private static let fixedSize = 16
    /// RTEXT_FILTER_SKIP_STATS: counters nobody asked for are most of a link's message.
    private static let requestFilter: UInt32 = 1 << 3

    /// The request for all links.
    static var request: [UInt8] {
        var octets = [UInt8](repeating: 0, count: fixedSize)
        octets.append(native: UInt16(NetlinkAttributes.headerSize + 4))
        octets.append(native: UInt16(IFLA_EXT_MASK))
        octets.append(native: requestFilter)
        return octets
    }

    /// Reads what follows the message's header; nil for what is about a link without a name, which there should not be.
    init?(_ payload: ArraySlice<UInt8>) throws(HostNetworkError) {
        guard payload.count >= Self.fixedSize else {
            throw .malformed(operation: Self.operation, reason: "\(payload.count) octets of a link")
        }
        let attributes = try NetlinkAttributes(payload.dropFirst(Self.fixedSize), operation: Self.operation)
        guard let name = attributes.text(IFLA_IFNAME), !name.isEmpty else { return nil }
        self.name = name
        hardwareType = payload.native(at: 2)
        index = payload.native(at: 4)
        flags = payload.native(at: 8)
        address = attributes[IFLA_ADDRESS].map { Array($0) } ?? []
        permanentAddress = attributes[IFLA_PERM_ADDRESS].map { Array($0) } ?? []
        mtu = attributes.number(IFLA_MTU) ?? 0
        operationalState = attributes.number(IFLA_OPERSTATE) ?? 0
        alias = attributes.text(IFLA_IFALIAS).flatMap { $0.isEmpty ? nil : $0 }
        guard let info = try attributes.nested(IFLA_LINKINFO, operation: Self.operation) else { return }
        kind = info.text(IFLA_INFO_KIND)
        if kind == "sit", let data = try info.nested(IFLA_INFO_DATA, operation: Self.operation) {
            sitVariety = Self.variety(of: data)
        }
    }

    init(index: UInt32, name: String, hardwareType: UInt16 = 1, flags: UInt32 = flagUp | flagLowerUp) {
        self.index = index
        self.name = name
        self.hardwareType = hardwareType
        self.flags = flags
    }

    /// `<linux/if_tunnel.h>`: attributes and flags of a SIT tunnel.
    private static func variety(of data: NetlinkAttributes) -> SITVariety {
        let (remote, flags, rapidPrefix, rapidLength) = (3, 8, 11, 13)
        let isISATAP: UInt16 = 1
        if let bits: UInt16 = data.number(flags), bits & isISATAP != 0 { return .isatap }
        // Every SIT tunnel has 2002::/16 as its prefix unless told otherwise, but only one without another end uses it.
        let hasNoEnd = data[remote].map { $0.allSatisfy { $0 == 0 } } ?? true
        let usesDefault = data[rapidPrefix].map {
            $0.starts(with: [0x20, 0x02]) && $0.dropFirst(2).allSatisfy { $0 == 0 }
        }
        if hasNoEnd, usesDefault == true, data.number(rapidLength) == UInt16(16) { return .sixToFour }
        return .configured
    }
}
