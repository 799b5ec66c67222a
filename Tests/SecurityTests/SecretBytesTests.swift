import Testing
@testable import Security

@Suite struct SecretBytesTests {
    @Test func aSecretPrintsAConstant() {
        let secret = SecretBytes([1, 2, 3])
        #expect("\(secret)" == "<secret>")
        #expect(String(reflecting: secret) == "<secret>")
        var dumped = ""
        dump((secret, 1), to: &dumped)
        #expect(!dumped.contains("storage"))
        // A value that holds one shows no more.
        let record = UserRecord(
            name: "u", domain: "D", sid: "S-1-5-21-1-2-3-1000", ntHash: SecretBytes([0xAB, 0xCD]),
            isAdministrator: false,
            isEnabled: true)
        #expect("\(record)".contains("<secret>"))
        #expect(!"\(record)".contains("171"))
    }

    @Test func secretsCompareByContent() {
        #expect(SecretBytes([1, 2, 3]) == SecretBytes([1, 2, 3]))
        #expect(SecretBytes([1, 2, 3]) != SecretBytes([1, 2, 4]))
        #expect(SecretBytes([1, 2, 3]) != SecretBytes([1, 2]))
        #expect(SecretBytes([]) == SecretBytes([]))
        #expect(SecretBytes([7, 8]).bytes == [7, 8])
        #expect(SecretBytes([]).isEmpty && SecretBytes([]).bytes.isEmpty)
    }

    @Test func aSecretIsMadeInPlace() {
        let secret = SecretBytes(count: 4) { $0.copyBytes(from: [9, 8, 7]) }
        #expect(secret.bytes == [9, 8, 7, 0])
    }

    @Test func constantTimeComparisonSeesEveryOctet() {
        let reference = [UInt8](0..<64)
        #expect(constantTimeEqual(reference, reference))
        for index in reference.indices {
            var altered = reference
            altered[index] ^= 0x80
            #expect(!constantTimeEqual(reference, altered))
        }
        #expect(!constantTimeEqual(reference, Array(reference.dropLast())))
    }
}
