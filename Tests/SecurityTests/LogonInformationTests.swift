import Foundation
import Testing

@testable import Security

@Suite struct LogonInformationTests {
    private static func fixture(_ name: String) throws -> [UInt8] {
        let file = KerberosRealm.fixtures.appendingPathComponent("logon-information.json")
        let vectors = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: file))
        let text = Array(try #require(vectors[name]).utf8)
        return try stride(from: 0, to: text.count, by: 2).map { index in
            try #require(UInt8(String(decoding: text[index..<index + 2], as: UTF8.self), radix: 16))
        }
    }

    @Test func plain() throws {
        let information = try LogonInformation(Self.fixture("plain"))
        #expect(information.user == "alice")
        #expect(information.domain == "LAB")
        #expect(information.sid == "S-1-5-21-1-2-3-1105")
        #expect(information.groups == ["S-1-5-21-1-2-3-513", "S-1-5-21-1-2-3-513"])
    }

    /// Groups that are not enabled (those with "use for deny only", or without SE_GROUP_ENABLED) are left out.
    @Test func everything() throws {
        let information = try LogonInformation(Self.fixture("everything"))
        #expect(information.sid == "S-1-5-21-1-2-4294967295-1105")
        #expect(
            Set(information.groups) == [
                "S-1-5-21-1-2-4294967295-513", "S-1-5-21-1-2-4294967295-1200", "S-1-5-21-9-8-7-1001", "S-1-18-1",
                "S-1-5-21-4-5-6-1300",
            ])
    }

    @Test func bare() throws {
        let information = try LogonInformation(Self.fixture("bare"))
        #expect(information.domain.isEmpty)
        #expect(information.groups == ["S-1-5-21-1-2-3-513"])
    }

    /// Cut anywhere but in the padding at the end.
    @Test func truncated() throws {
        let octets = try Self.fixture("everything")
        for count in 0..<octets.count - 7 {
            #expect(throws: SecurityError.self, "\(count) octets") { try LogonInformation(Array(octets[..<count])) }
        }
    }

    /// Whatever an octet is changed to, there is an answer or an error.
    @Test func altered() throws {
        let octets = try Self.fixture("everything")
        for index in octets.indices {
            for value: UInt8 in [0, 1, 0x7F, 0xFF] {
                var altered = octets
                altered[index] = value
                _ = try? LogonInformation(altered)
            }
        }
    }

    @Test func tooManyGroups() throws {
        var octets = try Self.fixture("plain")
        // GroupCount is 120 octets behind the headers and the first pointer.
        let offset = 16 + 4 + 48 + 6 * 8 + 4 + 8
        #expect(octets[offset] == 1)
        octets.replaceSubrange(offset..<offset + 4, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(throws: SecurityError.self) { try LogonInformation(octets) }
    }
}
