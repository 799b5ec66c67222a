import NIOCore
import Testing

@testable import DCERPC

/// Who may stay where connections are counted, at each limit and one above it.
@Suite struct ConnectionTableTests {
    private static func peer(_ address: String) throws -> PeerNetwork {
        PeerNetwork(try SocketAddress(ipAddress: address, port: 1))
    }

    /// The connection that had to go, "" for none; nil if the new one was refused.
    private static func added(
        _ name: String, _ number: UInt64, from address: String = "192.0.2.1", to table: inout ConnectionTable<String>
    ) throws -> String? {
        switch table.add(number, name, of: try peer(address)) {
        case .admitted(let other): other ?? ""
        case .refused: nil
        }
    }

    @Test func theOldestStrangerMakesRoom() throws {
        var table = ConnectionTable<String>(maximumStrangers: 2, maximumOfPeer: 10)
        #expect(try Self.added("a", 1, to: &table) == "")
        #expect(try Self.added("b", 2, to: &table) == "")
        #expect(try Self.added("c", 3, to: &table) == "a")
        table.authenticated(2)
        #expect(try Self.added("d", 4, to: &table) == "")
        #expect(try Self.added("e", 5, to: &table) == "c")
        #expect(Set(table.connections) == ["b", "d", "e"])
    }

    @Test func anAddressMakesRoomForItself() throws {
        var table = ConnectionTable<String>(maximumStrangers: 10, maximumOfPeer: 2)
        #expect(try Self.added("other", 1, from: "192.0.2.9", to: &table) == "")
        #expect(try Self.added("a", 2, to: &table) == "")
        #expect(try Self.added("b", 3, to: &table) == "")
        // Not the oldest stranger of all.
        #expect(try Self.added("c", 4, to: &table) == "a")
        table.authenticated(3)
        table.authenticated(4)
        #expect(try Self.added("d", 5, to: &table) == nil)
        #expect(Set(table.connections) == ["other", "b", "c"])
        // Who is closed is counted no more.
        #expect(table.remove(3) == "b")
        #expect(table.remove(3) == nil)
        #expect(try Self.added("e", 6, to: &table) == "")
        #expect(try Self.added("f", 7, to: &table) == "e")
    }

    @Test func bothLimitsEndOneConnectionTogether() throws {
        var table = ConnectionTable<String>(maximumStrangers: 2, maximumOfPeer: 1)
        #expect(try Self.added("a", 1, from: "192.0.2.1", to: &table) == "")
        #expect(try Self.added("b", 2, from: "192.0.2.2", to: &table) == "")
        #expect(try Self.added("c", 3, from: "192.0.2.2", to: &table) == "b")
        #expect(Set(table.connections) == ["a", "c"])
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true), ("::ffff:192.0.2.2", "::ffff:192.0.2.1", false),
        // One network is one client; the next network is another.
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true), ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ("::1", "0.0.0.0", false), ("::1", "::ffff:0.0.0.1", false),
    ])
    func countsByNetwork(one: String, other: String, areOne: Bool) throws {
        #expect(try (Self.peer(one) == Self.peer(other)) == areOne)
    }

    @Test(arguments: [(1, 1), (2, 1), (3, 2), (1024, 512)])
    func halfIsForOneAddress(maximum: Int, ofOne: Int) {
        #expect(RPCServerLimits(maximumConnections: maximum).maximumConnectionsPerAddress == ofOne)
    }

    /// The same over sockets: whoever has proved who he is stays, and beyond that nobody comes in.
    @Test func limitsAnAddress() async throws {
        let limits = RPCServerLimits(maximumConnections: 8, maximumConnectionsPerAddress: 2)
        try await withServer([EchoService()], limits: limits) { _, port in
            var known: [BoundInterface] = []
            for _ in 0..<2 {
                let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
                known.append(try await client.bind(EchoService.syntax, security: try initiator()))
            }
            for client in known { #expect(try await client.raw(0, [1]) == [1]) }
            // The connection is made by the kernel and closed by the server: whether connecting notices that already is chance.
            await #expect(throws: (any Error).self) {
                let third = try await RPCClient.connect(host: "127.0.0.1", port: port)
                _ = try await third.bind(EchoService.syntax).raw(0, [2])
            }
            for client in known { #expect(try await client.raw(0, [3]) == [3]) }
        }
    }
}
