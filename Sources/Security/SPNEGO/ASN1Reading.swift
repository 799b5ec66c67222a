import SwiftASN1

/// Runs a reader of ASN.1 and tells its failure in this module's words.
func readingASN1<Result>(_ what: String, _ body: () throws -> Result) throws(SecurityError) -> Result {
    do {
        return try body()
    } catch {
        throw .malformedToken("\(what): \(error)")
    }
}

extension ASN1Identifier {
    /// [APPLICATION 0], the frame of a mechanism's first token (RFC 2743 section 3.1).
    static let initialContextToken = ASN1Identifier(tagWithNumber: 0, tagClass: .application)

    /// [n], as an explicit tag.
    static func context(_ number: UInt) -> ASN1Identifier {
        ASN1Identifier(tagWithNumber: number, tagClass: .contextSpecific)
    }
}

extension ASN1Node {
    /// What a constructed node holds.
    func children() throws -> ASN1NodeCollection {
        guard case .constructed(let nodes) = content else { throw ASN1Error.unexpectedFieldType(identifier) }
        return nodes
    }

    /// The same of a node of this type.
    func children(of type: ASN1Identifier) throws -> ASN1NodeCollection {
        guard identifier == type else { throw ASN1Error.unexpectedFieldType(identifier) }
        return try children()
    }

    /// What an explicit tag is around.
    func only() throws -> ASN1Node {
        var nodes = try children().makeIterator()
        guard let node = nodes.next(), nodes.next() == nil else {
            throw ASN1Error.invalidASN1Object(reason: "\(identifier) is not around one thing")
        }
        return node
    }

    /// A SEQUENCE of optional fields with explicit tags in rising order. Both of SPNEGO's may be extended, so that a number
    /// that is not known is the reader's to ignore.
    func fields() throws -> [(number: UInt, field: ASN1Node)] {
        var fields: [(number: UInt, field: ASN1Node)] = []
        for node in try children(of: .sequence) {
            let number = node.identifier.tagNumber
            guard node.identifier.tagClass == .contextSpecific, fields.last.map({ $0.number < number }) ?? true else {
                throw ASN1Error.invalidASN1Object(reason: "\(node.identifier) is out of place")
            }
            fields.append((number, try node.only()))
        }
        return fields
    }

    /// GeneralString, whose octets are taken for UTF-8.
    func generalString() throws -> String {
        guard identifier == .generalString, case .primitive(let octets) = content else {
            throw ASN1Error.unexpectedFieldType(identifier)
        }
        return String(decoding: octets, as: UTF8.self)
    }
}

extension DER.Serializer {
    /// Appends an object identifier.
    mutating func append(_ identifier: ASN1ObjectIdentifier) {
        // Its serializer is declared to throw, for types that can; it writes octets that it has already.
        do { try serialize(identifier) } catch { preconditionFailure("\(identifier) cannot be written: \(error)") }
    }

    /// Appends an OCTET STRING in an explicit tag.
    mutating func append(_ octets: [UInt8], number: UInt) {
        appendConstructedNode(identifier: .context(number)) { coder in
            coder.appendPrimitiveNode(identifier: .octetString) { $0 += octets }
        }
    }
}
