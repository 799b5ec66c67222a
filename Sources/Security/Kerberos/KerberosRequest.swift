import SwiftASN1

/// What a client's first token tells before its ticket is opened: AP-REQ, RFC 4120 section 5.5.1.
enum KerberosRequest {
    /// The encryption type of the session key: the authenticator is encrypted with it. Nil where the token is not of the form; the
    /// library will say why.
    ///
    /// Nobody has proved anything at this point, so nothing but a preference may follow from it.
    static func sessionKeyType(of token: [UInt8]) -> KerberosEncryptionType? {
        guard let request = try? DER.parse(unframed(token)),
            request.identifier == ASN1Identifier(tagWithNumber: 14, tagClass: .application),
            let authenticator = field(4, of: try? request.only()), let type = field(0, of: authenticator)
        else { return nil }
        return (try? Int32(derEncoded: type)).map { KerberosEncryptionType(rawValue: $0) }
    }

    /// What is behind GSSAPI's frame: the mechanism's number and the token's (RFC 4121 section 4.1).
    ///
    /// DCE style leaves the frame out, and MIT's library insists on that; impacket, which is made for Windows' servers, does not.
    static func unframed(_ token: [UInt8]) -> ArraySlice<UInt8> {
        guard token.first == 0x60 else { return token[...] }
        let mechanism: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02, 0x01, 0x00]
        // The tag and the length before it have two octets at least, and six at most.
        for offset in 2...6 where token.dropFirst(offset).starts(with: mechanism) {
            return token[(offset + mechanism.count)...]
        }
        return token[...]
    }

    private static func field(_ number: UInt, of node: ASN1Node?) -> ASN1Node? {
        (try? node?.fields())?.first { $0.number == number }?.field
    }
}
