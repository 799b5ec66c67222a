import ErrorCodes
import Testing

@testable import FileShares

/// What nodes derive from a test's identifier, beside Python's hmac and hashlib.
struct TestShareTests {
    private static let id = Array(UInt8(0)...15)

    /// By RFC 5869 with `hmac.new(…, hashlib.sha256)`: an empty salt, the octets 0 to 15 and "päß" in UTF-16LE.
    @Test func derivation() throws {
        let share = try TestShare(id: Self.id, reserved: Array("päß".utf16))
        #expect(share.name == "clusprep-294e42d6cf6f369d")
        #expect(share.password.bytes == Array("825b675659dae332004f763bf39af200".utf8))
        #expect(share.token == "c72b3ac611f7894dc9e192ba0fd86497")
        let plain = try TestShare(id: Self.id)
        #expect(plain.name == share.name)
        #expect(plain.password.bytes == Array("ea9964dffc7d112bdd104ae45b433067".utf8))
    }

    @Test("The description of a test tells no secret")
    func secrecy() throws {
        let share = try TestShare(id: Self.id)
        #expect(!"\(share)".contains("ea9964dffc7d112b"))
    }

    @Test("A nil or short identifier is no secret; 1024 characters beside it are enough")
    func limits() throws {
        for id in [[UInt8](repeating: 0, count: 16), Array(Self.id.dropLast()), Self.id + [1], []] {
            let error = #expect(throws: FileShareError.self) { try TestShare(id: id) }
            // E_INVALIDARG.
            #expect(error?.hresult.rawValue == 0x8007_0057)
        }
        _ = try TestShare(id: Self.id, reserved: .init(repeating: 0xD800, count: 1024))
        #expect(throws: FileShareError.self) { try TestShare(id: Self.id, reserved: .init(repeating: 65, count: 1025)) }
    }
}

/// Octets made by impacket's smb3structs.
struct SMBNegotiationTests {
    private static let request =
        "0000006cfe534d42400000000000000000000100000000000000000000000000000000000000000000000000000000000000"
        + "0000000000000000000000000000000000002400040001000000000000000000000000000000000000000000000000000000"
        + "000000000202100200030203"
    private static let reply =
        "00000080fe534d42400000000000000000000100010000000000000000000000000000000000000000000000000000000000"
        + "000000000000000000000000000000000000410001000203"

    private static func octets(_ hex: String) -> [UInt8] {
        var digits = hex[...]
        var octets: [UInt8] = []
        while let octet = UInt8(digits.prefix(2), radix: 16) {
            octets.append(octet)
            digits = digits.dropFirst(2)
        }
        return octets
    }

    @Test func request() {
        #expect(SMBNegotiation.request.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == Self.request)
    }

    @Test func reply() {
        #expect(SMBNegotiation.isAccepted(Self.octets(Self.reply)))
    }

    @Test(
        "Anything else is no answer",
        arguments: [
            // The frame: a keep-alive, and one too short. Then protocol, status, command, direction, size, dialect.
            (0, 0x85), (3, 0x7F), (4, 0xFF), (12, 1), (16, 1), (20, 0), (68, 9), (72, 0x11),
        ])
    func wrongReply(_ place: Int, _ octet: UInt8) {
        var reply = Self.octets(Self.reply)
        reply[place] = octet
        #expect(!SMBNegotiation.isAccepted(reply))
    }

    @Test func shortReply() {
        for length in 0..<74 { #expect(!SMBNegotiation.isAccepted(Array(Self.octets(Self.reply).prefix(length)))) }
    }
}
