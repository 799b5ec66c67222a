import NDR
import Security
import Testing

@testable import DCERPC

/// What impacket 0.12 sends to an endpoint mapper at PKT_PRIVACY with NTLM: recorded from its socket.
let impacketBind = octets(
    """
    05000b03100000007000200001000000b810b8100000000001000000000001000883afe11f5dc91191a408002b14a0fa0300000004\
    5d888aeb1cc9119fe808002b104860020000000a0600007f3501004e544c4d5353500001000000358288e000000000000000000000000000000000
    """)

/// What smbtorture 4.17 sends: recorded from its socket. Its second context offers the bind time features.
let sambaBind = octets(
    """
    05000b0710000000c6004a0001000000d016d0160000000002000000000001000883afe11f5dc91191a408002b14a0fa0300000004\
    5d888aeb1cc9119fe808002b10486002000000010001000883afe11f5dc91191a408002b14a0fa030000002c1cb76c12984045030000000000000001\
    0000000905000001000000604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d53535000010000001582\
    086200000000280000000000000028000000060100000000000f
    """)

@Suite struct PDUTests {
    @Test func readsTheBindOfImpacket() throws {
        let header = try PDUHeader(impacketBind)
        #expect(header.type == .bind)
        #expect(header.flags == .whole)
        #expect(header.callID == 1)
        let bind = try BindPDU(header, of: impacketBind)
        #expect(bind.maximumTransmit == 4280)
        #expect(bind.offers == [Client.offer(0, .epmapper)])
        let token = try #require(bind.token)
        #expect(token.trailer == SecurityTrailer(type: .ntlm, level: 6, contextID: 79231))
        #expect(token.value.starts(with: Array("NTLMSSP".utf8)))
        #expect(bind.encoded(as: .bind, flags: .whole, callID: 1) == impacketBind)
    }

    @Test func readsTheBindOfSamba() throws {
        let header = try PDUHeader(sambaBind)
        #expect(header.flags == [.whole, .supportHeaderSigning])
        let bind = try BindPDU(header, of: sambaBind)
        #expect(bind.maximumTransmit == 5840)
        #expect(bind.offers.count == 2)
        #expect(bind.offers[1].transferSyntaxes.map { BindTimeFeatures($0) } == [.supported])
        #expect(bind.token?.trailer.type == .spnego)
        #expect(bind.token?.trailer.level == 5)
        #expect(bind.encoded(as: .bind, flags: header.flags, callID: 1) == sambaBind)
    }

    /// Worked out by hand after [C706] 12.6.4.4: header, sizes, group, "135" with its NUL, two octets of padding, one result.
    @Test func writesABindAck() {
        let ack = BindAckPDU(
            maximumTransmit: 5840, maximumReceive: 5840, associationGroup: 0x1234, secondaryAddress: "135",
            results: [.accepted(.ndr20), .features(.supported), .rejected(.abstractSyntaxNotSupported)])
        #expect(
            ack.encoded(as: .bindAck, flags: .whole, callID: 7)
                == octets(
                    """
                    05000c03 10000000 6c000000 07000000 d016d016 34120000 0400 31333500 0000 03000000
                    0000 0000 045d888aeb1cc9119fe808002b104860 02000000
                    0300 0300 00000000000000000000000000000000 00000000
                    0200 0100 00000000000000000000000000000000 00000000
                    """))
    }

    /// An alter_context_resp has no secondary address: its length, zero, is followed by two octets of padding.
    @Test func writesAnAlterContextResponse() {
        let ack = BindAckPDU(
            maximumTransmit: 2048, maximumReceive: 2048, associationGroup: 1, secondaryAddress: "", results: [])
        #expect(
            ack.encoded(as: .alterContextResponse, flags: .whole, callID: 2)
                == octets("05000f03 10000000 20000000 02000000 00080008 01000000 0000 0000 00000000"))
    }

    /// Twenty-one octets, and three of padding as Windows sends them.
    @Test func writesABindNak() {
        #expect(
            BindNakPDU(reason: .authenticationTypeNotRecognized).encoded(callID: 3)
                == octets("05000d03 10000000 18000000 03000000 0800 01 0500 000000"))
    }

    @Test func writesAFault() {
        #expect(
            FaultPDU(contextID: 1, fault: .operationRange, didNotExecute: true).encoded(callID: 4)
                == octets("05000323 10000000 20000000 04000000 20000000 0100 00 00 0200011c 00000000"))
    }

    /// [MS-RPCE] 2.2.2.14: the first octet after the prefix holds the two defined bits.
    @Test func bindTimeFeaturesAreATransferSyntax() {
        let syntax = SyntaxIdentifier(uuid: "6cb71c2c-9812-4540-0300-000000000000", major: 1)
        #expect(BindTimeFeatures.supported.syntax == syntax)
        #expect(BindTimeFeatures(syntax) == .supported)
        #expect(BindTimeFeatures(.ndr20) == nil)
        #expect(BindTimeFeatures(SyntaxIdentifier(uuid: syntax.uuid, major: 2)) == nil)
    }

    /// [C706] 14.1: a big endian sender's numbers, the lengths in the header among them.
    @Test func readsBigEndianPDUs() throws {
        let request = octets(
            "05000083 00000000 002c 0000 00000102 00000004 0003 0007 00112233445566778899aabbccddeeff 01020304")
        let header = try PDUHeader(request)
        #expect(header.fragmentLength == 44)
        #expect(header.callID == 0x102)
        let fields = try RequestFields(header, of: request)
        #expect(
            fields
                == RequestFields(
                    allocationHint: 4, contextID: 3, opnum: 7, object: "00112233-4455-6677-8899-aabbccddeeff"))
        #expect(fields.stubOffset == 40)
    }

    @Test(
        arguments: [
            ("04000003 10000000 10000000 01000000", PDUError.version(major: 4, minor: 0, callID: 1, type: .request)),
            ("05010003 10000000 10000000 01000000", PDUError.version(major: 5, minor: 1, callID: 1, type: .request)),
            ("05000103 10000000 10000000 01000000", PDUError.type(1)),
            ("05001403 10000000 10000000 01000000", PDUError.type(20)),
            ("05000003 20000000 10000000 01000000", PDUError.representation),
            ("05000003 10000000 0f000000 01000000", PDUError.fragmentLength(15, callID: 1, type: .request)),
            ("05000003 10000000 20000900 01000000", PDUError.authLength(9, callID: 1, type: .request)),
            ("05000003 10000000 10000000 010000", PDUError.truncated),
        ] as [(String, PDUError)])
    func refusesWrongHeaders(_ text: String, _ error: PDUError) {
        #expect(throws: error) { try PDUHeader(octets(text)) }
    }

    @Test func acceptsTheNeighboursOfWrongHeaders() throws {
        #expect(try PDUHeader(octets("05000003 10000000 20000800 01000000")).authLength == 8)
    }

    /// A bind may be cut anywhere; each prefix is refused with an error, never read beyond.
    @Test func refusesABindThatEndsEarly() throws {
        let whole = Client.bind([Client.offer(), Client.offer(2, .epmapper, [.ndr20, .ndr64])])
        for length in PDUHeader.size..<whole.count {
            var cut = Array(whole[..<length])
            cut[8] = UInt8(length)
            let header = try PDUHeader(cut)
            #expect(throws: PDUError.truncated) { try BindPDU(header, of: cut) }
        }
    }

    /// Padding is taken from what follows the first 24 octets of a bind, and from the stub of a request; no more.
    @Test func authenticationPaddingEndsAtTheBody() throws {
        var bind = Client.bind(token: Client.token())
        let header = try PDUHeader(bind)
        bind[header.trailerOffset + 2] = UInt8(header.trailerOffset - 24)
        #expect(try BindPDU(header, of: bind).token?.trailer.paddingLength == header.trailerOffset - 24)
        bind[header.trailerOffset + 2] += 1
        #expect(throws: PDUError.authPadding(header.trailerOffset - 23)) { try BindPDU(header, of: bind) }
    }
}

@Suite struct FramerTests {
    private let any: (PDUHeader) throws(PDUError) -> Void = { _ throws(PDUError) in }

    @Test func cutsAStreamFedOctetByOctet() throws {
        let stream = impacketBind + sambaBind + Client.request()
        var framer = PDUFramer()
        var pdus: [[UInt8]] = []
        for octet in stream {
            framer.append([octet])
            while let frame = try framer.next(any) { pdus.append(frame.pdu) }
        }
        #expect(pdus == [impacketBind, sambaBind, Client.request()])
        #expect(framer.buffered == 0)
    }

    @Test func cutsAStreamAtEveryPlace() throws {
        let stream = impacketBind + sambaBind
        for cut in 1..<stream.count {
            var framer = PDUFramer()
            var pdus: [[UInt8]] = []
            for part in [stream[..<cut], stream[cut...]] {
                framer.append(Array(part))
                while let frame = try framer.next(any) { pdus.append(frame.pdu) }
            }
            #expect(pdus == [impacketBind, sambaBind])
        }
    }

    @Test func judgesALengthBeforeWaitingForIt() throws {
        var framer = PDUFramer()
        framer.append(Array(impacketBind[..<16]))
        #expect(throws: PDUError.malformed("length")) {
            try framer.next { header throws(PDUError) in
                if header.fragmentLength > 100 { throw .malformed("length") }
            }
        }
    }
}
