import Testing

@testable import Replay

/// Packets as networks and captures really have them.
@Suite struct DisorderTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 33
        }
    }

    /// What may not depend on the order of packets.
    private struct Essence: Equatable {
        var opnum: UInt16?
        var request: CapturedStub?
        var response: CapturedStub?
    }

    private func essence(_ traffic: CapturedTraffic) -> [[Essence]] {
        traffic.associations.map { association in
            traffic.calls.filter { $0.association == association.id }.map {
                Essence(opnum: $0.opnum, request: $0.request?.stub, response: $0.response?.stub)
            }
        }
    }

    private func read(_ packets: [(time: Int64, octets: [UInt8])], _ capture: Capture, link: UInt32 = 1) throws
        -> CapturedTraffic
    {
        var writer = CaptureWriter(link: link)
        for packet in packets { writer.packet(packet.octets, at: packet.time) }
        return try CaptureReader(keys: try capture.keys).read(octets: writer.octets)
    }

    @Test(arguments: ["impacket-disk", "samba-mgmt", "impacket-kerberos", "clusprep-walk"], [1, 2, 3] as [UInt64])
    func shuffledAndRepeated(_ name: String, seed: UInt64) throws {
        let capture = try Capture.named(name)
        let original = packets(of: try capture.octets)
        var random = Generator(state: seed)
        // Each packet moves by less than eight places, keeps its time, and one of five comes again later. The connections'
        // beginnings stay in front: what comes before them is another matter.
        var places = original.enumerated().map { index, packet in
            (place: Double(index) + (isSYN(packet.octets) ? -8 : Double.random(in: 0..<8, using: &random)), packet)
        }
        for (index, packet) in original.enumerated() where random.next() % 5 == 0 {
            places.append((Double(index) + 9 + Double(random.next() % 20), packet))
        }
        let shuffled = places.sorted { $0.place < $1.place }.map(\.1)
        let traffic = try read(shuffled, capture)
        #expect(essence(traffic) == essence(try capture.traffic()))
        #expect(traffic.counts.retransmissions > 0)
        #expect(traffic.counts.lostOctets == 0)
    }

    private func isSYN(_ packet: [UInt8]) -> Bool { packet[14 + 20 + 13] & 2 != 0 }

    /// A packet with octets is missing: it is said, and what does not need it is read.
    @Test func lostOctetsAreReported() throws {
        let capture = try Capture.named("samba-rpcclient")
        let original = packets(of: try capture.octets)
        let whole = try capture.traffic()
        for index in stride(from: 7, to: original.count, by: 23) {
            var fewer = original
            let removed = fewer.remove(at: index)
            let payload = removed.octets.count - 14 - 20 - Int(removed.octets[14 + 20 + 12] >> 4) * 4
            let traffic = try read(fewer, capture)
            guard payload > 0 else {
                #expect(traffic.calls.count == whole.calls.count)
                continue
            }
            #expect(traffic.counts.lostOctets == payload, "packet \(index)")
            #expect(traffic.remarks.contains { $0.text.contains("\(payload) octets of the") })
            #expect(traffic.calls.count >= whole.calls.count - 1)
        }
    }

    /// Kerberos' messages are opened each by itself, NTLM's only up to the hole.
    @Test func sealedMessagesBehindAHole() throws {
        for (name, isOpen) in [("impacket-kerberos", true), ("impacket-disk", false)] {
            let capture = try Capture.named(name)
            var fewer = packets(of: try capture.octets)
            // A request in the middle of the longest connection.
            let index = try #require(
                fewer.indices.filter { fewer[$0].octets.count > 68 && fewer[$0].octets[66 + 2] == 0 }.dropLast(4).last)
            fewer.remove(at: index)
            let traffic = try read(fewer, capture)
            // The last of the same security context.
            let last = try #require(traffic.calls.last { $0.presentationContext == 0 })
            #expect((last.request?.stub.octets != nil) == isOpen, "\(name): \(String(describing: last.request?.stub))")
            if !isOpen {
                #expect(last.request?.stub == .unreadable("sealed: octets before it are not in the capture"))
            }
        }
    }

    @Test func aCaptureThatBeginsLate() throws {
        let capture = try Capture.named("samba-rpcclient")
        let original = packets(of: try capture.octets)
        let whole = try capture.traffic()
        for start in stride(from: 5, to: original.count, by: 31) {
            let traffic = try read(Array(original.dropFirst(start)), capture)
            #expect(traffic.calls.count <= whole.calls.count)
            #expect(traffic.calls.count >= whole.calls.count - start)
            for association in traffic.associations where !association.hasBeginning {
                #expect(
                    traffic.remarks.contains {
                        $0.association == association.id
                            && $0.text.contains("does not have the association's beginning")
                    })
            }
        }
    }

    /// The same packets behind other link layers.
    @Test(
        arguments: [
            (113, false), (113, true), (276, false), (0, false), (108, false), (101, false), (12, false), (1, true),
        ]
            as [(UInt32, Bool)])
    func linkLayers(_ link: UInt32, hasTags: Bool) throws {
        let capture = try Capture.named("impacket-network")
        let head: [UInt8] =
            switch link {
            case 113:
                [0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0] + (hasTags ? [0x81, 0, 0, 9] : []) + [0x08, 0x00]
            case 276: [0x08, 0x00, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]
            case 0: [2, 0, 0, 0]
            case 108: [0, 0, 0, 2]
            // With two VLAN tags.
            case 1: [UInt8](repeating: 0, count: 12) + [0x88, 0xA8, 0, 7, 0x81, 0, 0, 9, 0x08, 0x00]
            default: []
            }
        let moved = packets(of: try capture.octets).map { ($0.time, head + $0.octets.dropFirst(14)) }
        let traffic = try read(moved, capture, link: link)
        #expect(essence(traffic) == essence(try capture.traffic()))
    }

    @Test func version6() throws {
        let capture = try Capture.named("impacket-network")
        func address(_ last: UInt8) -> [UInt8] { [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [last] }
        let moved = packets(of: try capture.octets).map { time, octets in
            let tcp = Array(octets.dropFirst(34))
            let length = tcp.count + 8
            // With a destination options header, which is passed over.
            let head: [UInt8] = [0x60, 0, 0, 0, UInt8(length >> 8), UInt8(length & 0xFF), 60, 64]
            return (
                time,
                [UInt8](repeating: 0, count: 12) + [0x86, 0xDD] + head + address(octets[29]) + address(octets[33])
                    + [6, 0, 1, 4, 0, 0, 0, 0] + tcp
            )
        }
        let traffic = try read(moved, capture)
        #expect(essence(traffic) == essence(try capture.traffic()))
        #expect(traffic.associations[0].server.description == "[2001:db8::1]:135")
    }

    @Test func fragmentsOfIPAreReported() throws {
        let capture = try Capture.named("impacket-network")
        var changed = packets(of: try capture.octets)
        changed[10].octets[14 + 6] |= 0x20
        let traffic = try read(changed, capture)
        #expect(traffic.counts.fragments == 1)
        #expect(traffic.remarks.contains { $0.text.contains("fragments of IP") })
    }
}
