import Reservations
import Testing

@testable import HostInventory

/// Netlink messages as a kernel would send them, put together octet by octet.
///
/// Layouts are those of netlink(7) and rtnetlink(7) on a little-endian machine, the only kind this project's binaries are made for.
enum Wire {
    static func u16(_ value: Int) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8 & 0xFF)] }
    static func u32(_ value: Int) -> [UInt8] { u16(value & 0xFFFF) + u16(value >> 16 & 0xFFFF) }

    /// struct nlmsghdr and a payload, padded to four octets.
    static func message(_ type: Int, flags: Int = 0, sequence: Int, _ payload: [UInt8]) -> [UInt8] {
        let octets = u32(16 + payload.count) + u16(type) + u16(flags) + u32(sequence) + u32(77) + payload
        return octets + [UInt8](repeating: 0, count: -octets.count & 3)
    }

    /// struct rtattr and a value, padded to four octets.
    static func attribute(_ type: Int, _ value: [UInt8]) -> [UInt8] {
        u16(4 + value.count) + u16(type) + value + [UInt8](repeating: 0, count: -value.count & 3)
    }

    static func done(sequence: Int, flags: Int = 0, code: Int = 0) -> [UInt8] {
        message(3, flags: flags, sequence: sequence, u32(code))
    }

    static func error(_ code: Int, sequence: Int) -> [UInt8] {
        message(2, sequence: sequence, u32(-code & 0xFFFF_FFFF) + [UInt8](repeating: 0, count: 16))
    }

    /// struct ifinfomsg with IFLA_IFNAME (3), IFLA_ADDRESS (1), IFLA_MTU (4), IFLA_OPERSTATE (16) and more.
    static func link(
        _ index: Int, _ name: String, type: Int = 1, flags: Int = 0x1_0043, address: [UInt8] = [2, 0, 0, 0, 0, 1],
        state: Int = 6, more: [UInt8] = []
    ) -> [UInt8] {
        [0, 0] + u16(type) + u32(index) + u32(flags) + u32(0) + attribute(3, Array(name.utf8) + [0])
            + attribute(1, address) + attribute(4, u32(1500)) + attribute(16, [UInt8(state)]) + more
    }

    /// IFLA_LINKINFO (18) with IFLA_INFO_KIND (1) and IFLA_INFO_DATA (2).
    static func info(_ kind: String, data: [UInt8] = []) -> [UInt8] {
        attribute(18, attribute(1, Array(kind.utf8) + [0]) + (data.isEmpty ? [] : attribute(2, data)))
    }

    /// struct ifaddrmsg with IFA_ADDRESS (1) and IFA_LOCAL (2) for IPv4, IFA_ADDRESS alone for IPv6.
    static func address(_ index: Int, _ address: [UInt8], _ length: Int, more: [UInt8] = []) -> [UInt8] {
        [address.count == 4 ? 2 : 10, UInt8(length), 0x80, 0] + u32(index) + attribute(1, address)
            + (address.count == 4 ? attribute(2, address) : []) + more
    }

    /// struct rtmsg of a unicast route in the main table.
    static func route(family: Int = 2, destination: Int = 0, kind: Int = 1, _ attributes: [UInt8]) -> [UInt8] {
        [UInt8(family), UInt8(destination), 0, 0, 254, 3, 0, UInt8(kind)] + u32(0) + attributes
    }
}

/// A kernel that answers each question with what a test has thought out.
final class ScriptedKernel: NetlinkPort {
    /// The type of a question to the datagrams of its answers: one list a time it is asked, the last one for ever.
    private var answers: [Int: [[Reply]]]
    private var queue: [Reply] = []
    /// The types of the questions so far.
    private(set) var questions: [Int] = []

    enum Reply: Sendable {
        /// A datagram of the question's number.
        case datagram(@Sendable (Int) -> [UInt8])
        /// ENOBUFS.
        case lost
    }

    /// RTM_GETLINK, RTM_GETADDR and RTM_GETROUTE, and what they are answered with: RTM_NEW*.
    static let (getLink, getAddress, getRoute) = (18, 22, 26)
    static let (newLink, newAddress, newRoute) = (16, 20, 24)

    init(_ answers: [Int: [[Reply]]]) {
        self.answers = answers
    }

    /// A listing in one datagram.
    static func listing(_ type: Int, _ payloads: [[UInt8]], flags: Int = 2) -> [Reply] {
        [
            .datagram { sequence in
                payloads.flatMap { Wire.message(type, flags: flags, sequence: sequence, $0) }
                    + Wire.done(sequence: sequence, flags: flags)
            }
        ]
    }

    func send(_ request: [UInt8]) throws(HostNetworkError) {
        let type = Int(request[4]) | Int(request[5]) << 8
        let sequence = Int(request[8]) | Int(request[9]) << 8
        questions.append(type)
        var lists = answers[type] ?? []
        let replies = lists.first ?? [.datagram { Wire.done(sequence: $0) }]
        if lists.count > 1 { lists.removeFirst() }
        answers[type] = lists
        queue += replies.map { reply in
            guard case .datagram(let make) = reply else { return reply }
            let octets = make(sequence)
            return .datagram { _ in octets }
        }
    }

    func receive(operation: String) throws(HostNetworkError) -> [UInt8]? {
        guard !queue.isEmpty else { throw .system(operation: operation, code: 11) }
        switch queue.removeFirst() {
        case .datagram(let make): return make(0)
        case .lost: return nil
        }
    }
}

/// Hardware as a test wants it.
struct FixedHardware: HardwareSource {
    var known: [UInt32: AdapterHardware] = [:]

    func hardware(of links: [LinkRecord]) throws(HostNetworkError) -> [UInt32: AdapterHardware] { known }
}

/// Adapters of a host whose kernel a test plays.
func adapters(
    links: [[UInt8]], addresses: [[UInt8]] = [], routes: [[UInt8]] = [], hardware: [UInt32: AdapterHardware] = [:],
    root: String = "/nonexistent", portals: [HostAddress] = []
) throws -> [HostAdapter] {
    let answers = [
        ScriptedKernel.getLink: ScriptedKernel.listing(ScriptedKernel.newLink, links),
        ScriptedKernel.getAddress: ScriptedKernel.listing(ScriptedKernel.newAddress, addresses),
    ]
    return try HostAdapters(
        files: HostFiles(root: root), hardware: FixedHardware(known: hardware), initiatorPortals: portals
    ) { () throws(HostNetworkError) in
        // A listing of the routes for each family, and then the ways to portals.
        ScriptedKernel(
            answers.mapValues { [$0] }.merging([
                ScriptedKernel.getRoute: [
                    ScriptedKernel.listing(ScriptedKernel.newRoute, routes),
                    ScriptedKernel.listing(ScriptedKernel.newRoute, []),
                    [.datagram { Wire.message(24, sequence: $0, Wire.route(Wire.attribute(4, Wire.u32(2)))) }],
                ]
            ]) { $1 })
    }.list()
}
