import SwiftASN1

/// What the tokens of a Kerberos exchange give to somebody who has the service's key: who the client is, and the keys of its
/// messages (RFC 4120 sections 5.3 and 5.5, RFC 4121 section 2).
struct ObservedKerberos: Sendable {
    /// The client's principal, with its realm.
    let client: String
    /// The keys that messages may be protected with, the most probable first: the acceptor's subkey, the initiator's, and the
    /// ticket's session key.
    let keys: [KerberosCipher]

    init(clients: [[UInt8]], servers: [[UInt8]], keys: [ObservationKeys.ServiceKey]) throws(ObservationError) {
        guard let token = clients.first(where: { Self.node($0, 14) != nil }), let request = Self.node(token, 14) else {
            throw ObservationError("the capture does not have the client's ticket")
        }
        guard let ticket = Self.field(3, of: request), let body = try? ticket.only(),
            let part = EncryptedPart(Self.field(3, of: body)),
            let authenticator = EncryptedPart(Self.field(4, of: request))
        else { throw ObservationError("its ticket cannot be read") }
        let service = Self.principal(realm: Self.field(1, of: body), name: Self.field(2, of: body))
        guard !keys.isEmpty else { throw ObservationError("the keys of \(service) were not given (--keytab)") }
        let candidates = keys.filter { $0.type == part.type }
        guard !candidates.isEmpty else {
            throw ObservationError(
                "the keytab has no key of the type \(part.type) that the ticket for \(service) is of")
        }
        guard
            let plain = candidates.lazy.compactMap({
                KerberosCipher(type: $0.type, key: $0.key).decrypt(part.cipher, .ticket)
            }).first
        else { throw ObservationError("no key of the keytab opens the ticket for \(service)") }
        guard let inner = Self.node(plain, 3), let session = Self.key(Self.field(1, of: inner)) else {
            throw ObservationError("the inside of the ticket for \(service) cannot be read")
        }
        client = Self.principal(realm: Self.field(2, of: inner), name: Self.field(3, of: inner))
        var found = [session]
        if let plain = session.decrypt(authenticator.cipher, .requestAuthenticator), let inner = Self.node(plain, 2),
            let subkey = Self.key(Self.field(6, of: inner))
        {
            found.insert(subkey, at: 0)
        }
        for reply in servers {
            guard let node = Self.node(reply, 15), let part = EncryptedPart(Self.field(2, of: node)),
                let plain = session.decrypt(part.cipher, .replyPart), let inner = Self.node(plain, 27),
                let subkey = Self.key(Self.field(2, of: inner))
            else { continue }
            found.insert(subkey, at: 0)
        }
        self.keys = found
    }

    // MARK: ASN.1

    /// EncryptedData (RFC 4120 section 5.2.9).
    private struct EncryptedPart {
        let type: KerberosEncryptionType
        let cipher: [UInt8]

        init?(_ node: ASN1Node?) {
            guard let type = ObservedKerberos.field(0, of: node).flatMap({ try? Int32(derEncoded: $0) }),
                let cipher = ObservedKerberos.octets(ObservedKerberos.field(2, of: node))
            else { return nil }
            self.type = KerberosEncryptionType(rawValue: type)
            self.cipher = cipher
        }
    }

    /// What is inside of [APPLICATION n], the token's frame taken off.
    private static func node(_ token: [UInt8], _ number: UInt) -> ASN1Node? {
        guard let node = try? DER.parse(unframed(token)),
            node.identifier == ASN1Identifier(tagWithNumber: number, tagClass: .application)
        else { return nil }
        return try? node.only()
    }

    /// What is behind GSSAPI's frame: the mechanism and the two octets of the token's number (RFC 4121 section 4.1).
    private static func unframed(_ token: [UInt8]) -> ArraySlice<UInt8> {
        guard let offset = KerberosMessageToken.innerOffset(token) else { return token[...] }
        return token.dropFirst(offset + 2)
    }

    private static func field(_ number: UInt, of node: ASN1Node?) -> ASN1Node? {
        (try? node?.fields())?.first { $0.number == number }?.field
    }

    private static func octets(_ node: ASN1Node?) -> [UInt8]? {
        guard let node, let string = try? ASN1OctetString(derEncoded: node) else { return nil }
        return Array(string.bytes)
    }

    /// EncryptionKey (RFC 4120 section 5.2.9).
    private static func key(_ node: ASN1Node?) -> KerberosCipher? {
        guard let type = field(0, of: node).flatMap({ try? Int32(derEncoded: $0) }),
            let octets = octets(field(1, of: node))
        else { return nil }
        return KerberosCipher(type: KerberosEncryptionType(rawValue: type), key: SecretBytes(octets))
    }

    private static func principal(realm: ASN1Node?, name: ASN1Node?) -> String {
        let parts = ((try? field(1, of: name)?.children()).map { $0.compactMap { try? $0.generalString() } }) ?? []
        let realm = (try? realm?.generalString()) ?? "?"
        return "\(parts.joined(separator: "/"))@\(realm)"
    }
}
