import SwiftASN1

/// A token of SPNEGO (RFC 4178 section 4.2), or of a mechanism that came without SPNEGO around it.
enum SPNEGOToken: Sendable, Equatable {
    /// The client's first: its offer.
    case offer(SPNEGOOffer)
    /// Every further token, either way.
    case response(SPNEGOResponse)
    /// A mechanism's own first token: what Windows' "Negotiate" takes as well, and Samba.
    case bare(ASN1ObjectIdentifier)

    /// Reads a whole token.
    ///
    /// - Throws: ``SecurityError/malformedToken(_:)``.
    init(_ token: [UInt8]) throws(SecurityError) {
        if token.starts(with: NTLMMessage.signature) {
            self = .bare(.ntlm)
            return
        }
        self = try readingASN1("SPNEGO token") {
            if let mechanism = try Self.framed(token), mechanism != .spnego { return .bare(mechanism) }
            let node = try DER.parse(token)
            switch node.identifier {
            case .initialContextToken:
                var children = try node.children().makeIterator()
                guard children.next() != nil, let inner = children.next(), children.next() == nil,
                    inner.identifier == .context(0)
                else { throw ASN1Error.invalidASN1Object(reason: "no NegTokenInit") }
                return .offer(try SPNEGOOffer(try inner.only()))
            case .context(1):
                return .response(try SPNEGOResponse(try node.only()))
            default:
                throw ASN1Error.unexpectedFieldType(node.identifier)
            }
        }
    }

    /// The mechanism that a first token's frame names (RFC 2743 section 3.1). What follows it is the mechanism's, and ASN.1
    /// only if it says so; Kerberos does not.
    private static func framed(_ token: [UInt8]) throws -> ASN1ObjectIdentifier? {
        guard token.first == 0x60, let length = length(token), length == token.count else { return nil }
        let start = token[1] < 0x80 ? 2 : 2 + Int(token[1] & 0x7F)
        guard start + 2 <= length, start + 2 + Int(token[start + 1]) <= length else { return nil }
        return try ASN1ObjectIdentifier(derEncoded: token[start..<(start + 2 + Int(token[start + 1]))])
    }

    /// The octets that the token says it has, once its first ones are there; nil if it does not say.
    ///
    /// A token may come in pieces, of which the first tells the length of the whole ([MS-SPNG] 3.1.5.9).
    static func length(_ start: [UInt8]) -> Int? {
        guard start.count >= 2, [0x60, 0xA0, 0xA1].contains(start[0]) else { return nil }
        guard start[1] >= 0x80 else { return 2 + Int(start[1]) }
        let count = Int(start[1] & 0x7F)
        guard (1...4).contains(count), start.count >= 2 + count else { return nil }
        return start[2..<(2 + count)].reduce(0) { $0 << 8 | Int($1) } + 2 + count
    }
}

/// NegTokenInit (RFC 4178 section 4.2.1), and NegTokenInit2, with which a server may begin ([MS-SPNG] 2.2.1).
struct SPNEGOOffer: Sendable, Equatable {
    /// The most mechanisms that are looked at; nobody has a dozen.
    static let maximumMechanisms = 64
    /// The octets of their list. It is kept until the negotiation is over, and a stranger decides when that is.
    static let maximumListLength = 4096

    /// The mechanisms, the preferred one first.
    var mechanisms: [ASN1ObjectIdentifier]
    /// The list as it stood in the token, in DER: what `mechListMIC` covers.
    var encodedMechanisms: [UInt8]
    /// The first mechanism's first token, sent in the hope that it will be taken.
    var mechanismToken: [UInt8]?
    /// A server's offer may carry a name to be ignored, "not_defined_in_RFC4178@please_ignore".
    var hint: String?

    init(mechanisms: [ASN1ObjectIdentifier], mechanismToken: [UInt8]?, hint: String? = nil) {
        self.mechanisms = mechanisms
        self.mechanismToken = mechanismToken
        self.hint = hint
        encodedMechanisms = Self.encode(mechanisms)
    }

    fileprivate init(_ node: ASN1Node) throws {
        mechanisms = []
        encodedMechanisms = []
        for (number, field) in try node.fields() {
            switch number {
            case 0:
                let list = try field.children(of: .sequence)
                guard Array(list.prefix(Self.maximumMechanisms + 1)).count <= Self.maximumMechanisms else {
                    throw ASN1Error.invalidASN1Object(reason: "more than \(Self.maximumMechanisms) mechanisms")
                }
                guard field.encodedBytes.count <= Self.maximumListLength else {
                    throw ASN1Error.invalidASN1Object(
                        reason: "more than \(Self.maximumListLength) octets of mechanisms")
                }
                mechanisms = try list.map { try ASN1ObjectIdentifier(derEncoded: $0) }
                encodedMechanisms = Array(field.encodedBytes)
            case 2:
                mechanismToken = Array(try ASN1OctetString(derEncoded: field).bytes)
            case 3 where field.identifier == .sequence:
                // NegHints: nothing to go by, whoever sent it.
                hint = try field.fields().first { $0.number == 0 }?.field.generalString()
            default:
                // reqFlags is to be ignored ([MS-SPNG] 3.1.5.3); a mechListMIC so early covers nothing that was agreed on.
                break
            }
        }
        guard !mechanisms.isEmpty else { throw ASN1Error.invalidASN1Object(reason: "no mechanisms") }
    }

    /// The token in its frame (RFC 2743 section 3.1).
    var encoded: [UInt8] {
        var coder = DER.Serializer()
        coder.appendConstructedNode(identifier: .initialContextToken) { coder in
            coder.append(.spnego)
            coder.appendConstructedNode(identifier: .context(0)) { coder in
                coder.appendConstructedNode(identifier: .sequence) { coder in
                    coder.appendConstructedNode(identifier: .context(0)) { $0.serializeRawBytes(encodedMechanisms) }
                    if let mechanismToken { coder.append(mechanismToken, number: 2) }
                    if let hint {
                        coder.appendConstructedNode(identifier: .context(3)) { coder in
                            coder.appendConstructedNode(identifier: .sequence) { coder in
                                coder.appendConstructedNode(identifier: .context(0)) { coder in
                                    coder.appendPrimitiveNode(identifier: .generalString) { $0 += Array(hint.utf8) }
                                }
                            }
                        }
                    }
                }
            }
        }
        return coder.serializedBytes
    }

    private static func encode(_ mechanisms: [ASN1ObjectIdentifier]) -> [UInt8] {
        var coder = DER.Serializer()
        coder.appendConstructedNode(identifier: .sequence) { coder in
            for mechanism in mechanisms { coder.append(mechanism) }
        }
        return coder.serializedBytes
    }
}

/// NegTokenResp (RFC 4178 section 4.2.2).
struct SPNEGOResponse: Sendable, Equatable {
    /// How far the negotiation has come, as the sender sees it.
    enum State: UInt8, Sendable {
        case acceptCompleted = 0
        case acceptIncomplete = 1
        case reject = 2
        /// As ``acceptIncomplete``, and the list of mechanisms has to be vouched for at the end.
        case requestMIC = 3
    }

    var state: State?
    var mechanism: ASN1ObjectIdentifier?
    var token: [UInt8]?
    var listCode: [UInt8]?

    init(
        state: State? = nil, mechanism: ASN1ObjectIdentifier? = nil, token: [UInt8]? = nil, listCode: [UInt8]? = nil
    ) {
        self.state = state
        self.mechanism = mechanism
        self.token = token
        self.listCode = listCode
    }

    fileprivate init(_ node: ASN1Node) throws {
        for (number, field) in try node.fields() {
            switch number {
            case 0:
                guard field.identifier == .enumerated, case .primitive(let octets) = field.content, octets.count == 1,
                    let state = octets.first.flatMap({ State(rawValue: $0) })
                else { throw ASN1Error.invalidASN1Object(reason: "negState") }
                self.state = state
            case 1: mechanism = try ASN1ObjectIdentifier(derEncoded: field)
            case 2: token = Array(try ASN1OctetString(derEncoded: field).bytes)
            case 3: listCode = Array(try ASN1OctetString(derEncoded: field).bytes)
            default: break
            }
        }
        // Windows 2000 repeats the token where the code should be.
        if listCode == token { listCode = nil }
    }

    /// The token as it is sent; it has no frame around it.
    var encoded: [UInt8] {
        var coder = DER.Serializer()
        coder.appendConstructedNode(identifier: .context(1)) { coder in
            coder.appendConstructedNode(identifier: .sequence) { coder in
                if let state {
                    coder.appendConstructedNode(identifier: .context(0)) { coder in
                        coder.appendPrimitiveNode(identifier: .enumerated) { $0.append(state.rawValue) }
                    }
                }
                if let mechanism {
                    coder.appendConstructedNode(identifier: .context(1)) { $0.append(mechanism) }
                }
                if let token { coder.append(token, number: 2) }
                if let listCode { coder.append(listCode, number: 3) }
            }
        }
        return coder.serializedBytes
    }
}
