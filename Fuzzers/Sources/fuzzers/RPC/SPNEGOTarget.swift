import Security
import SwiftASN1

/// SPNEGO's tokens, altered on their way in either direction, in pieces, with the mechanism in the first place of the list or in
/// the second; and octets as tokens.
struct SPNEGOTarget: FuzzTarget {
    private let logon: LogonPair

    init() throws {
        logon = try LogonPair()
        var undisturbed = FuzzInput([])
        for isSecond in [false, true] {
            promise(converse(&undisturbed, altering: nil, isSecondChoice: isSecond), "an undisturbed negotiation fails")
        }
    }

    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let first = input.octet()
        switch first % 4 {
        case 0: raw(input.octets(.max), cut: Int(first >> 2))
        case 1: _ = converse(&input, altering: 0, isSecondChoice: first & 4 != 0)
        case 2: _ = converse(&input, altering: 1 + Int(first >> 3 & 1), isSecondChoice: first & 4 != 0)
        default: _ = converse(&input, altering: 3 + Int(first >> 3 & 3), isSecondChoice: first & 4 != 0)
        }
    }

    private var provider: SPNEGOProvider { SPNEGOProvider([logon.provider, Mute.provider]) }

    /// Octets for an acceptor and an initiator, in two pieces if there is a cut.
    private func raw(_ octets: [UInt8], cut: Int) {
        let acceptor = provider.makeAcceptor(for: LogonPair.peer)
        let pieces =
            cut == 0 ? [octets] : [Array(octets.prefix(cut)), Array(octets.dropFirst(cut))].filter { !$0.isEmpty }
        for piece in pieces { check(logon.accept(acceptor, piece)) }
        let initiator = SPNEGOInitiator([logon.initiator()])
        if case .continueNeeded(let reply) = logon.initiate(initiator, octets) {
            promise(reply.count < 0xFFFF, "a token that fits no PDU")
        }
        let second = SPNEGOInitiator([logon.initiator()])
        _ = logon.initiate(second, nil)
        if case .complete = logon.initiate(second, octets) { promise(false, "a context out of nothing") }
    }

    private func check(_ step: SecurityStep?) {
        switch step {
        case .complete: promise(false, "a logon by octets that nobody made")
        case .continueNeeded(let reply): promise(reply.count < 4096, "a reply of \(reply.count) octets")
        case nil: break
        }
    }

    /// A negotiation of which one leg is altered. True if both ends have a context; then they understand each other.
    private func converse(_ input: inout FuzzInput, altering which: Int?, isSecondChoice: Bool) -> Bool {
        let ntlm = logon.initiator()
        let initiator = SPNEGOInitiator(isSecondChoice ? [MuteInitiator(), ntlm] : [ntlm, MuteInitiator()])
        let acceptor = SPNEGOProvider([logon.provider]).makeAcceptor(for: LogonPair.peer)
        var contexts: (client: (any SecurityContext)?, server: (any SecurityContext)?)
        var toServer: [UInt8]?
        var toClient: [UInt8]?
        for leg in 0..<16 {
            let isClient = leg % 2 == 0
            guard isClient ? leg == 0 || toClient != nil : toServer != nil else { break }
            var token = isClient ? toClient : toServer
            if leg > 0, leg - 1 == which, var altered = token {
                TokenMutation.apply(&input, to: &altered)
                token = altered
            }
            (toClient, toServer) = (nil, nil)
            let step =
                isClient ? logon.initiate(initiator, token) : token.flatMap { logon.accept(acceptor, $0) }
            let reply: [UInt8]?
            switch step {
            case .continueNeeded(let token): reply = token
            case .complete(let token, let context):
                reply = token
                if isClient { contexts.client = context } else { contexts.server = context }
            case nil: return false
            }
            promise((reply?.count ?? 0) < 8192, "a token of \(reply?.count ?? 0) octets")
            if isClient { toServer = reply } else { toClient = reply }
        }
        guard let client = contexts.client, let server = contexts.server else { return false }
        promise(FuzzMessage.passes(client, server), "the two ends do not understand each other")
        return true
    }
}

/// A mechanism that both sides may name and that only the client has: it says one word and never an answer.
private struct MuteInitiator: NegotiableInitiator {
    let authenticationType = AuthenticationType.kerberos
    let mechanisms: [ASN1ObjectIdentifier] = [.kerberos]

    func initiate(_ token: [UInt8]?) async throws(SecurityError) -> SecurityStep {
        guard token == nil else { throw .unexpectedToken("nobody answers") }
        return .continueNeeded(reply: [0x60, 3, 1, 2, 3])
    }
}

/// The server's half of it, which refuses every token.
private struct Mute: NegotiableProvider, SecurityAcceptor {
    static let provider = Mute()

    let authenticationType = AuthenticationType.kerberos
    let mechanisms: [ASN1ObjectIdentifier] = [.kerberos, .kerberosOfWindows]

    func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor { self }

    func accept(_ token: [UInt8]) async throws(SecurityError) -> SecurityStep {
        throw .unacceptable("nobody")
    }
}
