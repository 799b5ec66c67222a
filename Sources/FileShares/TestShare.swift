import Security

/// What a test's share is called and how one logs on to it, on every node that was told the same TestShareGuid and the same
/// Reserved string ([MS-CSVP] 3.4.4.3).
///
/// All of it comes by HKDF with SHA-256 out of the identifier's sixteen octets, in the order of the wire, followed by the string's
/// UTF-16 code units, little endian; the share's name out of the identifier alone. A name that everybody can list tells nothing
/// about the password.
public struct TestShare: Sendable, Equatable {
    /// `clusprep-` and sixteen hexadecimal digits.
    public let name: String
    /// 32 hexadecimal digits.
    let password: SecretBytes
    /// What the share's file holds: 32 hexadecimal digits. Who reads them has read this test's share.
    let token: String

    /// The longest Reserved string, in UTF-16 code units.
    static let maximumReserved = 1024
    /// The only file of a share.
    static let fileName = "clusprep.txt"

    /// Derives everything.
    ///
    /// - Parameters:
    ///   - id: TestShareGuid's sixteen octets in the order of the wire.
    ///   - reserved: the Reserved string's code units; a secret of the test's client, where it gives one.
    /// - Throws: ``FileShareError/badTest(reason:)``; a nil identifier is refused, for it is nobody's secret.
    public init(id: [UInt8], reserved: [UInt16] = []) throws(FileShareError) {
        guard id.count == 16, !id.allSatisfy({ $0 == 0 }) else {
            throw .badTest(reason: "the share's identifier is nil, which is no secret")
        }
        guard reserved.count <= Self.maximumReserved else {
            throw .badTest(reason: "the string beside the share's identifier has \(reserved.count) characters")
        }
        do throws(CryptographyError) {
            let identifier = SecretBytes(id)
            let secret = SecretBytes(id + reserved.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] })
            name = "clusprep-" + (try Self.derive("name", from: identifier, count: 8))
            password = SecretBytes(Array(try Self.derive("password", from: secret, count: 16).utf8))
            token = try Self.derive("token", from: secret, count: 16)
        } catch {
            throw .badTest(reason: "\(error)")
        }
    }

    private static func derive(
        _ purpose: String, from key: SecretBytes, count: Int
    ) throws(CryptographyError) -> String {
        let octets = try HKDF.derive(from: key, info: Array("clusprep test share \(purpose)".utf8), count: count)
        return octets.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
