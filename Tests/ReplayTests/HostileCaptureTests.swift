import DCERPC
import Foundation
import NDR
import TestSupport
import Testing

@testable import Replay
@testable import Security

/// Files that are cut, damaged, or something else.
@Suite(.offThePool) struct HostileCaptureTests {
    /// Each capture cut at every 389th octet: what is whole is read, the rest is said, nothing crashes.
    @Test(arguments: Capture.all)
    func cut(_ capture: Capture) throws {
        let octets = try capture.octets
        let whole = try CaptureReader().read(octets: octets)
        var most = 0
        for length in stride(from: 389, to: octets.count, by: 389) {
            let traffic = try CaptureReader().read(octets: Array(octets[..<length]))
            #expect(traffic.calls.count >= most)
            most = traffic.calls.count
            var dissector = Dissector()
            for call in traffic.calls.suffix(2) { _ = dissector.dissect(call) }
            #expect(traffic.calls.count <= whole.calls.count)
        }
        #expect(most >= whole.calls.count - 1)
        for length in 0..<24 {
            #expect(throws: CaptureError.self) {
                try CaptureReader().read(octets: Array(octets[..<length]))
            }
        }
    }

    /// Single octets are changed all over a file, with the secrets at hand.
    @Test(arguments: ["impacket-network", "samba-torture", "impacket-kerberos-rc4"])
    func damaged(_ name: String) throws {
        let capture = try Capture.named(name)
        let keys = try capture.keys
        let octets = try capture.octets
        for position in stride(from: 24, to: octets.count, by: 163) {
            for value in [0x00, 0xFF, octets[position] ^ 0x01] as [UInt8] {
                var changed = octets
                changed[position] = value
                guard let traffic = try? CaptureReader(keys: keys).read(octets: changed) else { continue }
                var dissector = Dissector()
                for call in traffic.calls { _ = dissector.dissect(call) }
            }
        }
    }

    /// A stub with another octet than was sent: one that is signed is shown with a remark, one that is sealed is not shown.
    @Test func alteredMessages() throws {
        for (name, level) in [("samba-mgmt", 5), ("impacket-disk", 6), ("samba-kerberos", 5), ("samba-kerberos", 6)] {
            let capture = try Capture.named(name)
            var writer = CaptureWriter()
            var isAltered = false
            for (time, packet) in packets(of: try capture.octets) {
                var packet = packet
                // A response with a stub, and a security trailer of that level behind it.
                if !isAltered, packet.count > 66 + 100, packet[66..<69] == [5, 0, 2], packet[66 + 10] > 0 {
                    let end = 66 + (Int(packet[66 + 8]) | Int(packet[66 + 9]) << 8)
                    let trailer = end - Int(packet[66 + 10]) - 8
                    if end <= packet.count, packet[trailer + 1] == level, packet[trailer] != 9 {
                        packet[66 + 24 + 12] ^= 0x40
                        isAltered = true
                    }
                }
                writer.packet(packet, at: time)
            }
            try #require(isAltered)
            let traffic = try CaptureReader(keys: try capture.keys).read(octets: writer.octets)
            let closed = traffic.calls.filter {
                $0.response?.stub == .unreadable("sealed: it does not fit its signature")
            }
            let remarks = traffic.remarks.filter { $0.text.contains("of the server is not what was signed") }
            #expect((closed.count, remarks.count) == (level == 6 ? (1, 0) : (0, 1)), "\(name), \(level)")
        }
    }

    @Test func noCapture() throws {
        #expect {
            try CaptureReader().read(octets: Array("this is a text, and no capture at all".utf8), name: "notes.txt")
        } throws: { error in
            "\(error)".hasPrefix("notes.txt is no capture that can be read: ")
        }
        #expect(throws: CaptureError.self) { try CaptureReader().read(path: "/nonexistent/file.pcap") }
    }

    @Test func anUnknownLink() throws {
        #expect(throws: CaptureError.linkType(file: "x.pcap", name: "IEEE802_11")) {
            try CaptureReader().read(octets: CaptureWriter(link: 105).octets, name: "x.pcap")
        }
    }

    /// A connection of another protocol is left alone, and counted.
    @Test func otherProtocols() throws {
        var peer = Peer()
        peer.open()
        peer.send(.first, Array("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n".utf8))
        peer.send(.second, Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
        let traffic = try CaptureReader().read(octets: peer.writer.octets)
        #expect(traffic.associations.isEmpty)
        #expect(traffic.counts.foreignConnections == 1)
        #expect(traffic.counts.connections == 1)
    }

    /// PDUs whose lengths are not true.
    @Test(
        arguments: [
            // Shorter than its header; with more authentication than PDU; without an end; of no type; with a padding that is longer.
            [5, 0, 11, 3, 0x10, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0],
            [5, 0, 11, 3, 0x10, 0, 0, 0, 16, 0, 255, 255, 1, 0, 0, 0],
            [5, 0, 11, 3, 0x10, 0, 0, 0, 255, 255, 0, 0, 1, 0, 0, 0],
            [5, 0, 99, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0],
            [
                5, 0, 0, 3, 0x10, 0, 0, 0, 40, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 6, 255, 0, 0, 0, 0, 0,
                1, 2, 3, 4, 5, 6, 7, 8,
            ],
        ] as [[UInt8]])
    func lyingLengths(_ pdu: [UInt8]) throws {
        let bind: [UInt8] = [5, 0, 11, 3, 0x10, 0, 0, 0, 28, 0, 0, 0, 1, 0, 0, 0, 0, 16, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0]
        for start in [[], bind] {
            var peer = Peer()
            peer.open()
            peer.send(.first, start + pdu)
            peer.send(.second, pdu)
            peer.send(.first, bind)
            let traffic = try CaptureReader().read(octets: peer.writer.octets)
            if !start.isEmpty {
                #expect(traffic.associations.count == 1)
                #expect(!traffic.remarks.isEmpty)
            }
        }
    }

    /// A request that the client gives up in the middle was sent nevertheless, and when.
    @Test func aRequestGivenUpMidway() throws {
        var peer = Peer()
        peer.open()
        peer.send(.first, Peer.bind())
        peer.send(.first, Peer.request(call: 2, context: 0, flags: 1))
        peer.send(.first, [5, 0, 19, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0])
        let traffic = try CaptureReader().read(octets: peer.writer.octets)
        let call = try #require(traffic.calls.first)
        #expect(traffic.calls.count == 1)
        #expect(call.request?.isComplete == false)
        #expect(call.request?.stub == .plain([1, 2, 3, 4]))
        #expect(call.began == CaptureTime(nanoseconds: 1_700_000_000_003_000_000))
        #expect(call.orphaned == CaptureTime(nanoseconds: 1_700_000_000_004_000_000))
    }

    /// The first and the last fragment of a request are not the whole of it: the one between was not captured, or is no PDU, or
    /// one that cannot be read.
    @Test(arguments: 0..<3) func aFragmentIsMissingInTheMiddle(_ kind: Int) throws {
        var peer = Peer()
        peer.open()
        peer.send(.first, Peer.bind([(0, 1)]))
        peer.send(.first, Peer.request(call: 2, context: 0, flags: 1))
        var middle = Peer.request(call: 2, context: 0, flags: 0)
        if kind == 1 { middle[0] = 6 }
        // More authentication than there is room for.
        if kind == 2 { middle[10] = 8 }
        peer.send(.first, middle)
        peer.send(.first, Peer.request(call: 2, context: 0, flags: 2))
        var all = packets(of: peer.writer.octets)
        if kind == 0 { all.remove(at: 4) }
        var writer = CaptureWriter(link: 101)
        for packet in all { writer.packet(packet.octets, at: packet.time) }
        let traffic = try CaptureReader().read(octets: writer.octets)
        let call = try #require(traffic.calls.first)
        #expect(traffic.calls.count == 1)
        #expect(traffic.counts.lostOctets == (kind == 0 ? 28 : 0))
        #expect(call.request?.isComplete == false)
        #expect(call.request?.stub == .plain([1, 2, 3, 4]))
    }

    /// A clock that was put back puts no call before its bind.
    @Test func aClockThatWasPutBack() throws {
        var peer = Peer()
        peer.open()
        peer.send(.first, Peer.bind([(0, 1)]))
        peer.send(.first, Peer.request(call: 2, context: 0))
        var writer = CaptureWriter(link: 101)
        for (index, packet) in packets(of: peer.writer.octets).enumerated() {
            writer.packet(packet.octets, at: packet.time - (index < 3 ? 0 : 1_000_000_000))
        }
        let traffic = try CaptureReader().read(octets: writer.octets)
        let isBind = ReplaySchedule(traffic).steps.map { if case .negotiation = $0.work { true } else { false } }
        #expect(isBind == [true, false])
    }

    /// Of several binds without an answer, what was offered last is what is called; an answer makes an end of the offer.
    @Test func bindsWithoutAnswers() throws {
        for _ in 0..<8 {
            var peer = Peer()
            peer.open()
            for bind in 1...20 as ClosedRange<UInt8> { peer.send(.first, Peer.bind(call: bind, [(0, bind), (1, 99)])) }
            peer.send(.first, Peer.request(call: 30, context: 0))
            peer.send(.first, Peer.bind(call: 31, [(0, 42)]))
            // A bind_nak.
            peer.send(.second, [5, 0, 13, 3, 0x10, 0, 0, 0, 21, 0, 0, 0, 31, 0, 0, 0, 0, 0, 1, 5, 0])
            peer.send(.first, Peer.request(call: 32, context: 0))
            peer.send(.first, Peer.request(call: 33, context: 1))
            let traffic = try CaptureReader().read(octets: peer.writer.octets)
            #expect(traffic.calls.map { $0.interface?.uuid.littleEndianBytes.first } == [20, nil, 99])
            #expect(traffic.calls.map(\.transferSyntax) == [.ndr20, nil, .ndr20])
        }
    }

    /// An exchange of as many tokens as may be, and of one more.
    @Test func endlessExchanges() {
        var exchange = ObservedExchange(provider: .kerberos)
        func reason() -> String {
            do throws(ObservationError) {
                _ = try exchange.open(with: ObservationKeys())
                return ""
            } catch {
                return error.description
            }
        }
        for _ in 0..<ObservedExchange.maximumTokens { exchange.client([0x60, 0]) }
        #expect(!reason().isEmpty && reason() != "its tokens are more than 64")
        exchange.server([0x60, 0])
        #expect(reason() == "its tokens are more than 64")
    }

    /// What never comes in order is not kept for ever.
    @Test func memoryIsBounded() {
        let segment = TCPSegment.test(.first, sequence: 1000, payload: [5])
        var connection = TCPConnection(segment)
        connection.take(segment) { _ in }
        var delivered = 0
        // Every other segment is missing, for 64 MiB.
        for index in 0..<UInt32(1 << 16) {
            let later = TCPSegment.test(
                .first, sequence: 2000 + index * 2048, payload: [UInt8](repeating: 0, count: 1024))
            connection.take(later) { event in
                if case .data(_, let octets, _) = event { delivered += octets.count }
            }
        }
        #expect(delivered >= (1 << 26) - TCPConnection.maximumWaiting - 1024)
        #expect(connection.statistics.lost > 1 << 25)
    }
}

/// Two sides of a made-up connection, and the capture of it.
struct Peer {
    var writer = CaptureWriter(link: 101)
    private var numbers: [UInt32] = [1000, 5000]
    private var time: Int64 = 1_700_000_000_000_000_000

    mutating func open() {
        packet(.first, flags: 0x02, [])
        numbers[0] += 1
        packet(.second, flags: 0x12, [])
        numbers[1] += 1
    }

    /// A bind with these contexts: their identifiers, and the first octet of their interfaces' UUIDs.
    static func bind(call: UInt8 = 1, _ contexts: [(UInt8, UInt8)] = []) -> [UInt8] {
        let ndr: [UInt8] = [
            0x04, 0x5D, 0x88, 0x8A, 0xEB, 0x1C, 0xC9, 0x11, 0x9F, 0xE8, 0x08, 0x00, 0x2B, 0x10, 0x48, 0x60, 2, 0, 0, 0,
        ]
        let offers = contexts.flatMap { id, interface in
            [id, 0, 1, 0, interface] + [UInt8](repeating: 0, count: 15) + [1, 0, 0, 0] + ndr
        }
        return [5, 0, 11, 3, 0x10, 0, 0, 0, UInt8(28 + offers.count), 0, 0, 0, call, 0, 0, 0, 0, 16, 0, 16, 0, 0, 0, 0]
            + [UInt8(contexts.count), 0, 0, 0] + offers
    }

    /// A request of operation 7 with the stub 1, 2, 3, 4.
    static func request(call: UInt8, context: UInt8, flags: UInt8 = 3) -> [UInt8] {
        [5, 0, 0, flags, 0x10, 0, 0, 0, 28, 0, 0, 0, call, 0, 0, 0, 4, 0, 0, 0, context, 0, 7, 0, 1, 2, 3, 4]
    }

    mutating func send(_ side: TCPConnection.Side, _ payload: [UInt8]) {
        packet(side, flags: 0x18, payload)
        numbers[side.rawValue] += UInt32(payload.count)
    }

    private mutating func packet(_ side: TCPConnection.Side, flags: UInt8, _ payload: [UInt8]) {
        func big<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
            withUnsafeBytes(of: value.bigEndian) { Array($0) }
        }
        let ports: [UInt16] = side == .first ? [40_000, 135] : [135, 40_000]
        let ends: [UInt8] = side == .first ? [1, 2] : [2, 1]
        let tcp =
            ports.flatMap(big) + big(numbers[side.rawValue])
            + big(flags & 0x10 == 0 ? UInt32(0) : numbers[side.other.rawValue])
            + [0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0] + payload
        let head: [UInt8] = [0x45, 0] + big(UInt16(20 + tcp.count)) + [0, 0, 0x40, 0, 64, 6, 0, 0]
        writer.packet(head + [192, 0, 2, ends[0], 192, 0, 2, ends[1]] + tcp, at: time)
        time += 1_000_000
    }
}

extension TCPSegment {
    static func test(
        _ side: TCPConnection.Side, sequence: UInt32, acknowledged: UInt32? = nil, payload: [UInt8] = [],
        syn: Bool = false,
        fin: Bool = false, at time: Int64 = 0
    ) -> TCPSegment {
        let ends = [
            TransportAddress(octets: [192, 0, 2, 1], port: 40_000),
            TransportAddress(octets: [192, 0, 2, 2], port: 135),
        ]
        return TCPSegment(
            time: CaptureTime(nanoseconds: time), source: ends[side.rawValue], destination: ends[side.other.rawValue],
            sequence: sequence, acknowledged: acknowledged, isSYN: syn, isFIN: fin, isRST: false, payload: payload)
    }
}
