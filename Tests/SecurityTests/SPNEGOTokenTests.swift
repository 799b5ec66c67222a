import SwiftASN1
import Testing

@testable import Security

@Suite struct SPNEGOTokenTests {
    /// What Windows' SMB server begins with, laid out by hand after [MS-SPNG] 2.2.1: three mechanisms and the hint.
    private static let serverOffer = hex(
        "604806062b0601050502a03e303c"
            + "a00e300c060a2b06010401823702020a"
            + "a32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265")

    @Test func aServersOfferIsReadAndWrittenAsWindowsDoes() throws {
        guard case .offer(let offer) = try SPNEGOToken(Self.serverOffer) else {
            Issue.record("no offer")
            return
        }
        #expect(offer.mechanisms == [.ntlm])
        #expect(offer.mechanismToken == nil)
        #expect(offer.hint == "not_defined_in_RFC4178@please_ignore")
        #expect(offer.encodedMechanisms == hex("300c060a2b06010401823702020a"))
        let provider = SPNEGOProvider([NTLMProvider(environment: Sample.environment, users: SampleDirectory())])
        #expect(provider.serverOffer == Self.serverOffer)
    }

    /// [MS-SPNG] 4: Windows' offer of NEGOEX and NTLM, with NEGOEX's token; the header, with a shorter token.
    @Test func theSpecificationsExampleIsRead() throws {
        let token = hex(
            "602e06062b0601050502a0243022" + "a01a3018060a2b06010401823702021e060a2b06010401823702020a" + "a20404024e45"
        )
        guard case .offer(let offer) = try SPNEGOToken(token) else {
            Issue.record("no offer")
            return
        }
        #expect(offer.mechanisms == [[1, 3, 6, 1, 4, 1, 311, 2, 2, 30], .ntlm])
        #expect(offer.mechanismToken == hex("4e45"))
        #expect(offer.encoded == token)
    }

    /// One mechanism whose identifier has so many octets; it and the list have a tag and a length of three octets each.
    @Test(arguments: [(4088, true), (4089, false)])
    func theListIsBounded(length: Int, isRead: Bool) {
        func node(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
            [tag, 0x82, UInt8(contents.count >> 8), UInt8(contents.count & 0xFF)] + contents
        }
        var offer = SPNEGOOffer(mechanisms: [.ntlm], mechanismToken: nil)
        offer.encodedMechanisms = node(0x30, node(0x06, [0x2B] + [UInt8](repeating: 1, count: length - 1)))
        #expect(offer.encodedMechanisms.count == length + 8)
        #expect(((try? SPNEGOToken(offer.encoded)) != nil) == isRead)
    }

    /// RFC 4178 section 4.2.2, all four fields: accept-incomplete, NTLM, one octet each.
    @Test func aResponseIsReadAndWritten() throws {
        let token = hex("a11f301da0030a0101a10c060a2b06010401823702020aa203040107a303040108")
        let response = SPNEGOResponse(state: .acceptIncomplete, mechanism: .ntlm, token: [7], listCode: [8])
        #expect(try SPNEGOToken(token) == .response(response))
        #expect(response.encoded == token)
        #expect(try SPNEGOToken(hex("a1023000")) == .response(SPNEGOResponse()))
    }

    @Test func aCodeThatRepeatsTheTokenIsNone() throws {
        let response = SPNEGOResponse(token: [7, 8], listCode: [7, 8])
        #expect(try SPNEGOToken(response.encoded) == .response(SPNEGOResponse(token: [7, 8])))
    }

    @Test func aMechanismsOwnTokenIsToldApart() throws {
        #expect(try SPNEGOToken(NTLMNegotiate(flags: []).encoded) == .bare(.ntlm))
        // RFC 4121 section 4.1: after the identifier two octets that are not ASN.1, then the AP-REQ.
        #expect(try SPNEGOToken(hex("601106092a864886f71201020201006e023000")) == .bare(.kerberos))
    }

    @Test(arguments: [
        ("", "nothing"), ("30", "half a header"), ("a1023001", "a sequence too long"),
        ("a103300000", "something behind"),
        ("a1073005a0030a0104", "a state that there is not"),
        ("a10c300aa203040107a0030a0101", "fields in the wrong order"),
        ("600a06062b0601050502a000", "an empty offer"), ("600c06062b0601050502a0023000", "no mechanisms"),
        ("600806062b0601050502", "a frame around nothing"), ("6010a0", "a frame cut short"),
        ("a2023000", "no such choice"),
    ])
    func nonsenseIsRefused(token: String, what: String) {
        #expect(throws: SecurityError.self, "\(what)") { try SPNEGOToken(hex(token)) }
    }

    @Test func mechanismsAreCounted() throws {
        let most = [ASN1ObjectIdentifier](repeating: .ntlm, count: SPNEGOOffer.maximumMechanisms)
        let token = SPNEGOOffer(mechanisms: most, mechanismToken: nil).encoded
        guard case .offer(let offer) = try SPNEGOToken(token) else {
            Issue.record("no offer")
            return
        }
        #expect(offer.mechanisms == most)
        #expect(throws: SecurityError.self) {
            try SPNEGOToken(SPNEGOOffer(mechanisms: most + [.ntlm], mechanismToken: nil).encoded)
        }
    }

    @Test func aTokenTellsItsLength() {
        #expect(SPNEGOToken.length([]) == nil)
        #expect(SPNEGOToken.length([0x60]) == nil)
        #expect(SPNEGOToken.length([0x60, 0x7F]) == 129)
        #expect(SPNEGOToken.length([0x60, 0x82, 0x01]) == nil)
        #expect(SPNEGOToken.length([0x60, 0x82, 0x01, 0x00]) == 260)
        #expect(SPNEGOToken.length([0x60, 0x80]) == nil)
        #expect(SPNEGOToken.length([0x60, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]) == 0xFFFF_FFFF + 6)
        #expect(SPNEGOToken.length(NTLMMessage.signature) == nil)
    }

    /// Every octet changed in every bit, and every cut: a token is read, or refused.
    @Test func damagedTokensAreReadOrRefused() async throws {
        let response = SPNEGOResponse(state: .acceptIncomplete, mechanism: .ntlm, token: [7], listCode: [8])
        let offer = SPNEGOOffer(mechanisms: [.kerberos, .ntlm], mechanismToken: [7, 8], hint: "hint")
        let provider = SPNEGOProvider([NTLMProvider(environment: Sample.environment, users: SampleDirectory())])
        for token in [response.encoded, offer.encoded, Self.serverOffer] {
            var damaged = token.indices.map { Array(token[..<$0]) }
            for index in token.indices {
                for mask in (0..<8).map({ UInt8(1) << $0 }) + [0xFF] {
                    var changed = token
                    changed[index] ^= mask
                    damaged.append(changed)
                }
            }
            for token in damaged {
                if case .offer(let offer)? = try? SPNEGOToken(token) {
                    // What was read can be written, and is the same then.
                    guard case .offer(let again) = try SPNEGOToken(offer.encoded) else {
                        Issue.record("no offer any more: \(token)")
                        continue
                    }
                    #expect(again == offer)
                }
                _ = try? await provider.makeAcceptor(for: SecurityPeer(address: "")).accept(token)
            }
        }
    }
}
