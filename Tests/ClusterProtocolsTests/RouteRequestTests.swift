import ClusterProtocols
import ErrorCodes
import Foundation
import NDR
import TestSupport
import Testing

/// ADD_ROUTES_REQUEST and ADD_ROUTES_REPLY ([MS-CSVP] 2.2.19, 2.2.22).
@Suite(.offThePool)
struct RouteRequestTests {
    private static let request = RouteRequest(
        localVirtual: address("fe80::1"),
        routes: [
            route("fe80::2", "192.0.2.1", "192.0.2.2", 7), route("fe80::2", "2001:db8::1", "2001:db8::2", .max),
            route("fe80::3", "192.0.2.1", "192.0.2.3", 0),
        ])

    private static func address(_ text: String) -> NodeAddress { NodeAddress(text)! }

    private static func route(_ host: String, _ local: String, _ remote: String, _ index: UInt32) -> RouteRequest.Route
    {
        .init(remoteVirtual: address(host), local: address(local), remote: address(remote), index: index)
    }

    /// Stubs made by `Tests/Interop/csvp_network.py` (`Fixtures/README.md`).
    private static func vector(_ name: String) throws -> [UInt8] {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/routes/requests.json")
        let all = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: file))
        let digits = Array(try #require(all["ADD_ROUTES_REQUEST.\(name)"]))
        return try stride(from: 0, to: digits.count, by: 2).map { index in
            try #require(UInt8(String(digits[index...index + 1]), radix: 16))
        }
    }

    /// The referents of the structures in a collection behind all of them, or each behind its structure.
    @Test(arguments: ["array", "each"])
    func foreignRequests(_ name: String) throws {
        var decoder = NDRDecoder(try Self.vector(name))
        let wire = try IClusterNetwork2.ProcessAddRoutes.Request(from: &decoder).request
        try decoder.finish()
        #expect(try RouteRequest(wire) == Self.request)
    }

    @Test func comesBack() throws {
        #expect(try RouteRequest(Self.request.wire()) == Self.request)
    }

    /// Every octet but those of our own RecordInfo and the referent identifiers is the foreign client's.
    @Test func writesAsForeignClientsDo() throws {
        var encoder = NDREncoder()
        let one = RouteRequest(
            localVirtual: Self.address("fe80::1"), routes: [Self.route("fe80::2", "10.0.0.1", "10.0.0.2", 7)])
        try encoder.encode(one.wire())
        let (ours, foreign) = (encoder.bytes, try Self.vector("one"))
        #expect(ours.count == foreign.count)
        let different = Set(zip(ours, foreign).enumerated().filter { $1.0 != $1.1 }.map { $0.offset / 4 * 4 })
        // The field in front of the description may hold anything ([MS-DCOM] 2.2.18.6).
        let info = Set(stride(from: 148, to: 196, by: 4))
        for offset in different.subtracting(info) {
            // Referent identifiers: theirs are 0x000200xx, ours whatever is not zero.
            #expect(
                foreign[offset + 1..<offset + 4] == [0, 2, 0] && ours[offset..<offset + 4] != [0, 0, 0, 0],
                "at \(offset): \(ours[offset..<offset + 4]), \(foreign[offset..<offset + 4])")
        }
    }

    // MARK: What is refused

    private static func refused(_ nodes: [NODE_ROUTE_INFO], local: BSTRValue = BSTRValue("fe80::1")) throws
        -> RouteRequestError?
    {
        let wire = ADD_ROUTES_REQUEST(
            localVirtualIP: local.blob, nodeRouteInfos: try SafeArray.records(nodes, described: RecordInfo()).wire)
        return #expect(throws: RouteRequestError.self) { try RouteRequest(wire) }
    }

    private static func node(
        _ host: String = "fe80::2", _ locals: [String] = ["192.0.2.1"], _ remotes: [String] = ["192.0.2.2"],
        _ indices: [UInt32] = [1]
    ) -> NODE_ROUTE_INFO {
        NODE_ROUTE_INFO(
            remoteVirtualIP: BSTRValue(host).blob,
            localUnicastIPs: SafeArray.strings(locals.map { BSTRValue($0) }).wire,
            remoteUnicastIPs: SafeArray.strings(remotes.map { BSTRValue($0) }).wire,
            indices: SafeArray.longs(indices).wire)
    }

    @Test(arguments: [
        ("", "192.0.2.2"), ("192.0.2.1", "2001:db8::2"), ("2001:db8::1", "192.0.2.2"),
        ("192.0.2.1", "::ffff:192.0.2.2"),
        ("0.0.0.0", "192.0.2.2"), ("192.0.2.1", "224.0.0.1"), ("192.0.2.1", "255.255.255.255"), ("::", "2001:db8::2"),
        ("2001:db8::1", "ff02::1"), ("192.0.2.1", "192.0.2"), ("192.0.2.01", "192.0.2.2"), ("192.0.2.1", "host"),
        ("192.0.2.1\0", "192.0.2.2"), ("2001:db8::1%2", "2001:db8::2"), ("fe80::1%eth0", "fe80::2"),
        (" 192.0.2.1", "192.0.2.2"),
    ])
    func addresses(_ local: String, _ remote: String) throws {
        let error = try Self.refused([Self.node("fe80::2", [local], [remote])])
        #expect(error?.hresult == .invalidArgument)
    }

    @Test func listsOfDifferentLengths() throws {
        let good = Self.node()
        for node in [
            Self.node("fe80::2", ["192.0.2.1", "192.0.2.9"]), Self.node("fe80::2", ["192.0.2.1"], []),
            Self.node("fe80::2", ["192.0.2.1"], ["192.0.2.2"], [1, 2]), Self.node("fe80::2", [], [], []),
        ] {
            #expect(try Self.refused([node])?.hresult == .invalidArgument)
            #expect(try Self.refused([good, node])?.hresult == .invalidArgument)
        }
    }

    @Test func listsThatAreMissingOrEmpty() throws {
        #expect(try Self.refused([]) == .empty(list: "nodeRouteInfos"))
        let without = ADD_ROUTES_REQUEST(localVirtualIP: BSTRValue("fe80::1").blob, nodeRouteInfos: nil)
        #expect(throws: RouteRequestError.empty(list: "nodeRouteInfos")) { try RouteRequest(without) }
        var node = Self.node()
        node.indices = nil
        #expect(try Self.refused([node]) == .empty(list: "nodeRouteInfos[0].indices"))
        node = Self.node()
        node.localUnicastIPs = nil
        #expect(try Self.refused([node]) == .empty(list: "nodeRouteInfos[0].localUnicastIPs"))
    }

    @Test func virtualAddresses() throws {
        #expect(try Self.refused([Self.node("nobody")])?.hresult == .invalidArgument)
        #expect(try Self.refused([Self.node()], local: .null)?.hresult == .invalidArgument)
        #expect(try Self.refused([Self.node()], local: .octets([0x31])) == .address(field: "localVirtualIP", text: ""))
        let long = BSTRValue(String(repeating: "1", count: 1 << 20))
        #expect(try Self.refused([Self.node()], local: long)?.description.utf8.count ?? .max < 200)
    }

    @Test func indicesThatRepeat() throws {
        #expect(
            try Self.refused([
                Self.node("fe80::2", ["192.0.2.1", "192.0.2.1"], ["192.0.2.2", "192.0.2.3"], [4, 4])
            ]) == .repeated(index: 4))
        #expect(try Self.refused([Self.node(), Self.node("fe80::3")]) == .repeated(index: 1))
    }

    @Test func arraysOfSomethingElse() throws {
        var node = Self.node()
        node.indices = SafeArray.strings([BSTRValue("1")]).wire
        #expect(try Self.refused([node])?.hresult == .invalidArgument)
        node = Self.node()
        node.indices?.cbElements = 8
        #expect(try Self.refused([node])?.hresult.rawValue == 0x8007_06F7)
        let wire = ADD_ROUTES_REQUEST(localVirtualIP: BSTRValue("::1").blob, nodeRouteInfos: SafeArray.longs([1]).wire)
        let error = #expect(throws: RouteRequestError.self) { try RouteRequest(wire) }
        #expect(error?.hresult == .invalidArgument)
    }

    /// The limit, and one more. The addresses of a list that is too long are not looked at.
    @Test func longLists() throws {
        func request(_ count: Int) throws -> ADD_ROUTES_REQUEST {
            let routes = (0..<count).map { Self.route("fe80::2", "192.0.2.1", "192.0.2.2", UInt32($0)) }
            return try RouteRequest(localVirtual: Self.address("::1"), routes: routes).wire()
        }
        #expect(try RouteRequest(request(RouteRequest.maximumRoutes)).routes.count == 131_072)
        let wire = try request(RouteRequest.maximumRoutes + 1)
        let error = #expect(throws: RouteRequestError.tooMany) { try RouteRequest(wire) }
        #expect(error?.hresult.rawValue == 0x8007_0718)
    }

    // MARK: Replies

    @Test func replies() throws {
        let reply = RouteReply.routes([
            .init(index: 7, packetLoss: 0, status: .UP), .init(index: .max, packetLoss: 100, status: .DOWN),
            .init(index: 0, packetLoss: 33, status: .UP_DOWN),
        ])
        #expect(try RouteReply(reply.wire()) == reply)
        let nothing = try RouteReply.unavailable.wire()
        #expect(nothing == ADD_ROUTES_REPLY(indices: nil, replies: nil, routeUnavailable: 1))
        #expect(try RouteReply(nothing) == .unavailable)
        // TRUE is anything but zero (3.6.4.5).
        #expect(try RouteReply(ADD_ROUTES_REPLY(routeUnavailable: 0x80)) == .unavailable)
    }

    @Test func repliesThatMakeNoSense() throws {
        let loss = try RouteReply.routes([.init(index: 1, packetLoss: 101, status: .UP)]).wire()
        let status = try RouteReply.routes([.init(index: 1, packetLoss: 1, status: ROUTE_STATUS(rawValue: 3))]).wire()
        var lengths = try RouteReply.routes([.init(index: 1, packetLoss: 1, status: .UP)]).wire()
        lengths.indices = SafeArray.longs([1, 2]).wire
        for wire in [loss, status, lengths, ADD_ROUTES_REPLY(routeUnavailable: 0)] {
            let error = #expect(throws: RouteReplyError.self) { try RouteReply(wire) }
            #expect(error?.hresult == Win32Error.invalidData.hresult)
        }
    }
}

/// Addresses as the protocol writes them.
struct NodeAddressTests {
    @Test func texts() {
        for (text, octets, written) in [
            ("192.0.2.1", [192, 0, 2, 1], "192.0.2.1"),
            ("2001:DB8:0:0::1", [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "2001:db8::1"),
            ("fe80::1%12", [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "fe80::1%12"),
        ] as [(String, [UInt8], String)] {
            let address = NodeAddress(text)
            #expect(address?.octets == octets)
            #expect(address?.description == written)
            #expect(address?.family == (octets.count == 4 ? .v4 : .v6))
        }
        #expect(NodeAddress("fe80::1%12")?.scope == 12)
    }

    /// RFC 1924's own example, and the ends of its range: 85²⁰ is more than 2¹²⁸.
    @Test func base85() {
        #expect(NodeAddress("4)+k&C#VzJ4br>0wv%Yp")?.description == "1080::8:800:200c:417a")
        #expect(NodeAddress("00000000000000000000")?.description == "::")
        #expect(NodeAddress("=r54lj&NUUO~Hi%c2ym0")?.octets == [UInt8](repeating: 0xFF, count: 16))
        #expect(NodeAddress("=r54lj&NUUO~Hi%c2ym1") == nil)
        #expect(NodeAddress("~~~~~~~~~~~~~~~~~~~~") == nil)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "1.2.3.4%1", "01.2.3.4", "::ffff:1.2.3.4", "::1%1", "fe80::1%0", "fe80::1%", ":",
        "fe80::1%1%1", "fe80::1%99999999999", "1080::8:800:200c:417g", "[::1]", "::1\0",
    ])
    func noAddresses(_ text: String) {
        #expect(NodeAddress(text) == nil)
    }
}
