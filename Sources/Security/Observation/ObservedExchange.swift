import SwiftASN1

/// An exchange of tokens that a third party looks on: it learns who speaks to whom by what mechanism and, where it knows the
/// secrets, the keys that the two agreed on.
///
/// Nothing that it is told makes it fail: what cannot be read is said by ``open(with:)``.
public struct ObservedExchange: Sendable {
    /// The most octets of tokens that are kept of one exchange; honest ones have some thousands.
    static let maximumOctets = 1 << 20
    /// The most tokens that are; honest exchanges have six. The keys are looked for again after each.
    static let maximumTokens = 64

    /// The provider of the security trailers that carry the tokens.
    public let provider: AuthenticationType
    /// The mechanism, as far as the tokens show it: what SPNEGO chose.
    public private(set) var mechanism: AuthenticationType

    private var clients: [[UInt8]] = []
    private var servers: [[UInt8]] = []
    private var clientCounts = false
    private var serverCounts = false
    private var octets = 0
    private var tokens = 0
    private var problem: ObservationError?

    /// Nothing was said yet.
    public init(provider: AuthenticationType) {
        self.provider = provider
        mechanism = provider
    }

    /// Whether a token of the client is the first of another exchange, after what was said already.
    public func isFinished(before token: [UInt8]) -> Bool {
        switch mechanism {
        case .ntlm: !clients.isEmpty && Self.ntlmType(innermost(token) ?? token) == 1
        default: !servers.isEmpty && token.first == 0x60 && clients.count > 1
        }
    }

    /// The client sent a token.
    public mutating func client(_ token: [UInt8]) {
        take(token, fromClient: true)
    }

    /// The server sent a token.
    public mutating func server(_ token: [UInt8]) {
        take(token, fromClient: false)
    }

    /// Who the client says it is: `DOMAIN\user` of NTLM; Kerberos tells only who has the service's key.
    public var clientName: String? {
        guard mechanism == .ntlm, let token = clients.last(where: { Self.ntlmType($0) == 3 }),
            let message = try? NTLMAuthenticate(token)
        else { return nil }
        return message.isAnonymous ? "nobody" : "\(message.domain.text)\\\(message.user.text)"
    }

    /// Derives the keys.
    ///
    /// - Throws: ``ObservationError`` with the reason why they are not to be had.
    public func open(with keys: ObservationKeys) throws(ObservationError) -> ObservedContext {
        if let problem { throw problem }
        switch mechanism {
        case .ntlm:
            let found = try ObservedNTLM(clients: clients, servers: servers, hashes: keys.ntHashes)
            return try found.context(clientCounts: clientCounts, serverCounts: serverCounts)
        case .kerberos:
            let found = try ObservedKerberos(clients: clients, servers: servers, keys: keys.serviceKeys)
            return ObservedContext(clientName: found.client, opener: .kerberos(found))
        case .spnego: throw ObservationError("the capture does not have the exchange of its tokens")
        default: throw ObservationError("\(mechanism) is not known here")
        }
    }

    // MARK: Tokens

    private mutating func take(_ token: [UInt8], fromClient: Bool) {
        guard !token.isEmpty, problem == nil else { return }
        octets += token.count
        guard octets <= Self.maximumOctets else {
            problem = ObservationError("its tokens have more than \(Self.maximumOctets) octets")
            return
        }
        tokens += 1
        guard tokens <= Self.maximumTokens else {
            problem = ObservationError("its tokens are more than \(Self.maximumTokens)")
            return
        }
        guard provider == .spnego else { return keep(token, fromClient: fromClient) }
        switch try? SPNEGOToken(token) {
        case .offer(let offer):
            note(offer.mechanisms.first)
            if let inner = offer.mechanismToken { keep(inner, fromClient: fromClient) }
        case .response(let response):
            if let chosen = response.mechanism {
                note(chosen)
                // What was sent in the hope that another mechanism would be taken is void.
                if let first = clients.first, mechanism == .ntlm, Self.ntlmType(first) == nil { clients = [] }
            }
            if response.listCode != nil {
                if fromClient { clientCounts = true } else { serverCounts = true }
            }
            if let inner = response.token { keep(inner, fromClient: fromClient) }
        case .bare(let identifier):
            note(identifier)
            keep(token, fromClient: fromClient)
        case nil:
            problem = ObservationError("a token of its negotiation cannot be read")
        }
    }

    private mutating func keep(_ token: [UInt8], fromClient: Bool) {
        if fromClient { clients.append(token) } else { servers.append(token) }
    }

    private mutating func note(_ identifier: ASN1ObjectIdentifier?) {
        switch identifier {
        case .some(.ntlm): mechanism = .ntlm
        case .some(.kerberos), .some(.kerberosOfWindows): mechanism = .kerberos
        default: break
        }
    }

    private func innermost(_ token: [UInt8]) -> [UInt8]? {
        guard provider == .spnego, case .offer(let offer) = try? SPNEGOToken(token) else { return nil }
        return offer.mechanismToken
    }

    static func ntlmType(_ token: [UInt8]) -> UInt8? {
        token.starts(with: NTLMMessage.signature) && token.count > 8 ? token[8] : nil
    }
}

/// The keys of an observed exchange: opens what either side sent.
public struct ObservedContext: Sendable {
    /// Who the client is, as the exchange proved it: `DOMAIN\user`, or `user@REALM`.
    public let clientName: String
    let opener: Opener

    enum Opener: Sendable {
        case ntlm(client: NTLMSecurityContext, server: NTLMSecurityContext)
        case kerberos(ObservedKerberos)
    }

    /// Verifies a message, and at ``AuthenticationLevel/packetPrivacy`` unseals its body, in place.
    ///
    /// NTLM's messages have to be opened in their order, each direction by itself, and all of them.
    ///
    /// - Throws: ``ObservationError`` where a message does not fit; the octets of its body are not to be used then.
    public func open(
        _ pdu: inout [UInt8], _ parts: MessageParts, level: AuthenticationLevel, fromClient: Bool
    ) throws(ObservationError) {
        switch opener {
        case .ntlm(let client, let server):
            do throws(SecurityError) {
                try pdu.withMutableOctets { pdu throws(SecurityError) in
                    try (fromClient ? client : server).unprotect(pdu, parts, level: level)
                }
            } catch {
                switch error {
                case .contextUnusable:
                    throw ObservationError("a message before it is missing or did not fit its signature")
                case .messageAltered: throw ObservationError("it does not fit its signature")
                default: throw ObservationError("\(error)")
                }
            }
        case .kerberos(let keys):
            try keys.open(&pdu, parts, seals: level == .packetPrivacy, fromClient: fromClient)
        }
    }
}
