import Testing

@testable import RouteProbes

@Suite struct ProbeMessageTests {
    /// Written by hand from the table of the format.
    static let golden: [UInt8] =
        [
            0x43, 0x50, 0x52, 0x50, 1, 1, 0, 34, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0, 0, 0x30, 0x39, 0xFF,
            0xFF,
            0xFF, 0xFE,
        ] + Array(repeating: 0, count: 10)

    @Test func writtenAsTheTableSays() {
        let message = ProbeMessage(
            kind: .request, length: 34, session: 0x0102_0304_0506_0708, path: 12_345, sequence: 0xFFFF_FFFE)
        #expect(message.octets == Self.golden)
        #expect(ProbeMessage(Self.golden) == message)
    }

    @Test(arguments: [(31, 32), (32, 32), (1_232, 1_232), (1_233, 1_232)])
    func lengthsAreBroughtIntoTheirLimits(asked: Int, made: Int) {
        let message = ProbeMessage(kind: .request, length: asked, session: 1, path: 2, sequence: 3)
        #expect(message.octets.count == made)
        #expect(ProbeMessage(message.octets) == message)
    }

    @Test func anAnswerIsAsLongAsItsRequest() throws {
        let request = try #require(ProbeMessage(Self.golden))
        var expected = Self.golden
        expected[5] = 2
        #expect(request.answer.octets == expected)
    }

    /// Every change of an octet outside session, path, probe and kind makes it something else.
    @Test(arguments: [0, 1, 2, 3, 4, 6, 7, 24, 33])
    func oneWrongOctet(at index: Int) {
        var octets = Self.golden
        octets[index] ^= 0x40
        #expect(ProbeMessage(octets) == nil)
    }

    @Test(arguments: [UInt8(0), 3, 255])
    func unknownKinds(_ kind: UInt8) {
        var octets = Self.golden
        octets[5] = kind
        #expect(ProbeMessage(octets) == nil)
    }

    @Test func cutOrLengthened() {
        #expect(ProbeMessage(Self.golden.dropLast()) == nil)
        #expect(ProbeMessage(Self.golden + [0]) == nil)
        #expect(ProbeMessage([UInt8]()) == nil)
        for count in 0..<Self.golden.count { #expect(ProbeMessage(Self.golden.prefix(count)) == nil) }
    }

    @Test func shorterOrLongerThanAnyOfOurs() {
        for (count, length) in [(31, UInt8(31)), (1_233, 0xD1)] {
            var octets = Array(Self.golden.prefix(24)) + Array(repeating: 0, count: count - 24)
            octets[6] = UInt8(count >> 8)
            octets[7] = length
            #expect(ProbeMessage(octets) == nil)
        }
    }
}

@Suite struct EchoMessageTests {
    /// The example of RFC 1071, section 3: the words 0001 f203 f4f5 f6f7 have the sum ddf2, so the checksum is its complement.
    @Test func checksum() {
        #expect(EchoMessage.checksum([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]) == ~0xDDF2)
        // An odd octet counts as the high half of a word.
        #expect(EchoMessage.checksum([0x12]) == ~0x1200)
    }

    private let probe = ProbeMessage(kind: .request, length: 32, session: 7, path: 8, sequence: 0x0001_0002)

    @Test func requestOfIPv4() {
        let octets = EchoMessage.request(probe, isVersion6: false, identifier: 0xABCD)
        #expect(Array(octets[..<2]) == [8, 0])
        #expect(Array(octets[4..<8]) == [0xAB, 0xCD, 0, 2])
        #expect(Array(octets[8...]) == probe.octets)
        // A message with its checksum in place sums up to nothing.
        #expect(EchoMessage.checksum(octets) == 0)
    }

    @Test func requestOfIPv6LeavesTheChecksumToTheKernel() {
        let octets = EchoMessage.request(probe, isVersion6: true, identifier: 1)
        #expect(Array(octets[..<4]) == [128, 0, 0, 0])
    }

    @Test func replies() {
        let version4: [UInt8] = [0, 0, 9, 9, 9, 9, 9, 9] + probe.octets
        let version6: [UInt8] = [129, 0, 9, 9, 9, 9, 9, 9] + probe.octets
        let header: [UInt8] = [0x46] + Array(repeating: 0, count: 23)
        #expect(EchoMessage.reply(version4, isVersion6: false, hasHeader: false) == probe)
        #expect(EchoMessage.reply(header + version4, isVersion6: false, hasHeader: true) == probe)
        #expect(EchoMessage.reply(version6, isVersion6: true, hasHeader: false) == probe)
        #expect(EchoMessage.reply(version6, isVersion6: false, hasHeader: false) == nil)
        #expect(EchoMessage.reply(version4, isVersion6: true, hasHeader: false) == nil)
    }

    @Test func otherMessages() {
        let reply: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        #expect(EchoMessage.reply([UInt8](), isVersion6: false, hasHeader: true) == nil)
        #expect(EchoMessage.reply([0x45], isVersion6: false, hasHeader: true) == nil)
        // A header that claims fewer words than a header has, or another version's.
        for first: UInt8 in [0x44, 0x65] {
            let header = [first] + [UInt8](repeating: 0, count: 19)
            #expect(EchoMessage.reply(header + reply + probe.octets, isVersion6: false, hasHeader: true) == nil)
        }
        // Somebody else's ping, and an answer where the request should be.
        #expect(
            EchoMessage.reply(reply + [UInt8](repeating: 0x61, count: 56), isVersion6: false, hasHeader: false) == nil)
        #expect(EchoMessage.reply(reply + probe.answer.octets, isVersion6: false, hasHeader: false) == nil)
        // A request is no reply.
        let request = EchoMessage.request(probe, isVersion6: false, identifier: 1)
        #expect(EchoMessage.reply(request, isVersion6: false, hasHeader: false) == nil)
    }
}
