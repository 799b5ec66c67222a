import NDR
import Security

@testable import DCERPC

/// One association under test, with what answers its wishes.
final class ProtocolConnection {
    /// What an association did, in its order.
    enum Event {
        case pdu([UInt8])
        case dispatched(IncomingCall)
        case cancelled(UInt32)
        case abandoned(UInt32)
        case closed

        var text: String {
            switch self {
            case .pdu(let octets): "a PDU: \(hex(octets))"
            case .dispatched(let call): "a call: \(call.callID)"
            case .cancelled(let call): "a cancel of \(call)"
            case .abandoned(let call): "an abandoned call: \(call)"
            case .closed: "closed"
            }
        }
    }

    var association: Association
    var events: [Event] = []
    var serviceHolds: Bool
    private let provider: NTLMProvider
    private var acceptors: [UInt32: any SecurityAcceptor] = [:]
    private var abandoned: [UInt32: UInt64] = [:]

    init(_ association: Association, provider: NTLMProvider, serviceHolds: Bool) {
        self.association = association
        self.provider = provider
        self.serviceHolds = serviceHolds
    }

    /// Does what the association wants done, and what it wants then.
    func perform(_ actions: [AssociationAction]) async {
        for action in actions {
            switch action {
            case .send(let pdu): events.append(.pdu(pdu))
            case .authenticate(let id, let type, let token):
                await perform(association.authenticated(id, result: await accept(id, type, token)))
            case .dispatch(let call):
                if serviceHolds { events.append(.dispatched(call)) } else { await serve(call) }
            case .cancel(let call): events.append(.cancelled(call))
            case .abandon(let call, let serial):
                abandoned[call] = serial
                events.append(.abandoned(call))
            case .close: events.append(.closed)
            }
        }
    }

    /// The answer of a service that held a call: nobody's, if the call was abandoned.
    func answer(_ call: UInt32, _ stub: [UInt8]) async {
        if association.calls[call] == nil, let serial = abandoned.removeValue(forKey: call) {
            await perform(association.ended(serial))
        } else {
            await perform(association.reply(to: call, stub: stub))
        }
    }

    private func accept(_ id: UInt32, _ type: AuthenticationType, _ token: [UInt8]) async -> TokenResult {
        guard type == .ntlm else { return .refused }
        let acceptor = acceptors[id] ?? provider.makeAcceptor(for: SecurityPeer(address: ""))
        acceptors[id] = acceptor
        do {
            return .step(try await acceptor.accept(token))
        } catch {
            return .refused
        }
    }

    /// The management interface, as far as the suite calls it.
    private func serve(_ call: IncomingCall) async {
        switch call.opnum {
        case 1:
            let count: [UInt8] = call.representation.byteOrder == .bigEndian ? [0, 0, 0, 4] : [4, 0, 0, 0]
            guard call.stub.prefix(4).elementsEqual(count), [4, 8].contains(call.stub.count) else {
                return await perform(association.fail(call.callID, with: .badStubData))
            }
            let size: [UInt8] = call.transferSyntax == .ndr64 ? [0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0] : [4, 0, 0, 0]
            let stub = [4, 0, 0, 0] + size + [UInt8](repeating: 0, count: 20)
            await perform(association.reply(to: call.callID, stub: stub))
        case 2:
            await perform(association.reply(to: call.callID, stub: [0, 0, 0, 0, 1, 0, 0, 0]))
        default:
            await perform(association.fail(call.callID, with: .operationRange))
        }
    }
}

/// The client's half of a security context.
final class ProtocolClient {
    let type: UInt8
    let level: UInt8
    let id: UInt32
    var challenge: [UInt8]?
    private let initiator: NTLMInitiator
    private var context: (any SecurityContext)?

    init(_ step: ProtocolStep) throws {
        type = ProtocolPDU.providers[step.value("type") ?? "ntlm"] ?? 0
        level = UInt8(try ProtocolPDU.number(step.value("level") ?? "6"))
        id = UInt32(try ProtocolPDU.number(step.value("id") ?? "1"))
        let user = step.value("user") ?? "admin"
        initiator =
            switch user {
            case "anonymous": try NTLMInitiator(domain: "", user: "", password: "")
            case _ where user.hasPrefix("wrong:"):
                try NTLMInitiator(domain: "DOMAIN", user: String(user.dropFirst(6)), password: "not the password")
            default: try NTLMInitiator(domain: "DOMAIN", user: user, password: ProtocolUsers.password(of: user))
            }
    }

    func token() async throws -> [UInt8] {
        switch try await initiator.initiate(challenge) {
        case .continueNeeded(let token): return token
        case .complete(let token, let context):
            self.context = context
            return token ?? []
        }
    }

    private var protection: AuthenticationLevel? {
        // A level of "call" is one of "packet" ([MS-RPCE] 2.2.1.1.8).
        let raised = AuthenticationLevel(rawValue: level == 3 ? 4 : level) ?? .none
        return raised > .connect ? raised : nil
    }

    func protect(_ message: [UInt8], body: Range<Int>) throws -> [UInt8] {
        guard let protection, let context else { return message }
        var message = message
        let parts = MessageParts(
            body: body, authValue: (message.count - 16)..<message.count, signsHeader: false)
        try message.withUnsafeMutableBytes { try context.protect($0, parts, level: protection) }
        return message
    }

    func unprotect(_ message: [UInt8], body: Range<Int>) throws -> [UInt8] {
        guard let protection, let context else { throw Disagreement("nothing was agreed on that opens this") }
        var message = message
        let parts = MessageParts(
            body: body, authValue: (message.count - 16)..<message.count, signsHeader: false)
        try message.withUnsafeMutableBytes { try context.unprotect($0, parts, level: protection) }
        return message
    }
}

/// The suite's users.
struct ProtocolUsers: UserDirectory {
    static func password(of name: String) -> String { "Pässword of \(name)" }

    func user(domain: String, name: String) async throws -> UserRecord? {
        guard ["admin", "user"].contains(name.lowercased()) else { return nil }
        return UserRecord(
            name: name, domain: "DOMAIN", sid: "S-1-5-21-1-2-3-1000",
            ntHash: try NTLMPassword.ntHash(Self.password(of: name.lowercased())), isAdministrator: name == "admin",
            isEnabled: true)
    }
}
