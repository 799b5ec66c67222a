import NDR
import Security
import Synchronization

@testable import DCERPC

/// The client's half of a security context.
struct ClientContext: Sendable {
    let context: any SecurityContext
    let type: UInt8
    let level: UInt8

    /// What is applied at the level's octet; [MS-RPCE] 2.2.1.1.8 raises `call`.
    var appliedLevel: AuthenticationLevel? {
        AuthenticationLevel(rawValue: level).map { $0 == .call ? .packet : $0 }
    }
}

/// A fragment that the client made, and signed if `securityID` is there.
struct SignedFragment {
    let callID: UInt32
    let flags: UInt8
    let opnum: UInt16
    let stub: [UInt8]
    var securityID: UInt32?

    var isFirst: Bool { flags & 1 != 0 }
    var isLast: Bool { flags & 2 != 0 }
}

/// The places for long requests, counted.
final class PlaceCounter: Sendable {
    private let count = Atomic(0)
    private let maximum: Int

    init(_ maximum: Int) {
        self.maximum = maximum
    }

    var taken: Int { count.load(ordering: .relaxed) }

    func take() -> LongRequestPlace? {
        guard taken < maximum else { return nil }
        count.add(1, ordering: .relaxed)
        return LongRequestPlace { [self] in count.subtract(1, ordering: .relaxed) }
    }
}

/// An endpoint with two interfaces, NTLM, and one association group that can be joined.
struct FuzzEnvironment: AssociationEnvironment {
    private static let interfaces = [
        SyntaxIdentifier(uuid: "afa8bd80-7d8a-11c9-bef4-08002b102989", major: 1),
        SyntaxIdentifier(uuid: "e1af8308-5d1f-11c9-91a4-08002b14a0fa", major: 3),
    ]

    let places: PlaceCounter

    func interface(serving syntax: SyntaxIdentifier) -> SyntaxIdentifier? {
        Self.interfaces.first { $0.uuid == syntax.uuid && $0.major == syntax.major && $0.minor >= syntax.minor }
    }

    func transferSyntaxes(of interface: SyntaxIdentifier) -> [TransferSyntax] { [.ndr64, .ndr20] }

    func supports(_ type: AuthenticationType) -> Bool { type == .ntlm }

    func joinGroup(_ id: UInt32) -> UInt32? { id == 0 || id == 7 ? 7 : nil }

    func placeForLongRequest() -> LongRequestPlace? { places.take() }
}

/// Watches an association's actions, and ends the program when one of them must not be.
struct Witness {
    /// A token that is with its acceptor.
    struct Awaited {
        let contextID: UInt32
    }

    var isClosed = false
    var octetsFed = 0
    var awaited: Awaited?
    /// The security context that the last token belongs to.
    var lastContextID: UInt32?
    var contexts: [UInt32: ClientContext] = [:]
    /// The calls that were dispatched and wait for an answer.
    var calls: [UInt32: IncomingCall] = [:]
    /// The serial numbers of the calls that nobody waits for.
    var abandoned: Set<UInt64> = []
    /// The call that is being answered just now, and with what.
    var replying: (callID: UInt32, stub: [UInt8])?
    /// Whether all the client sent is what its fragments say.
    var isHonest = true
    private var lastSerial: UInt64 = 0
    private var answered: [UInt8] = []
    private var isAnswerWhole = false
    private var sentPDUs: UInt32 = 0
    private(set) var dispatched: UInt32 = 0
    private(set) var replies: UInt32 = 0

    /// What the client has signed and not yet seen served: whole calls, and those that are still being sent.
    private var partial: [UInt32: (first: SignedFragment, stub: [UInt8])] = [:]
    private var signed: [(fragment: SignedFragment, stub: [UInt8])] = []

    // MARK: What the client did

    mutating func sent(_ fragment: SignedFragment) {
        if fragment.isFirst {
            partial[fragment.callID] = (fragment, fragment.stub)
        } else if let begun = partial[fragment.callID] {
            partial[fragment.callID] = (begun.first, begun.stub + fragment.stub)
        }
        if fragment.isLast, let whole = partial.removeValue(forKey: fragment.callID) {
            signed.append((whole.first, whole.stub))
        }
    }

    func call(_ index: Int) -> UInt32? {
        calls.isEmpty ? nil : calls.keys.sorted()[index % calls.count]
    }

    // MARK: What the association did

    mutating func see(_ action: AssociationAction) {
        promise(!isClosed, "after the close came \(action)")
        switch action {
        case .send(let pdu): see(sent: pdu)
        case .authenticate(let contextID, let type, _):
            promise(awaited == nil, "two tokens at once")
            promise(type == .ntlm, "a token for a provider that is not there")
            awaited = Awaited(contextID: contextID)
            lastContextID = contextID
        case .dispatch(let call): see(call)
        case .cancel(let callID):
            promise(calls[callID] != nil, "a cancel of a call that is not in flight")
        case .abandon(let callID, let serial):
            promise(calls[callID]?.serial == serial, "a call is abandoned that is not in flight")
            calls[callID] = nil
            abandoned.insert(serial)
        case .close: isClosed = true
        }
    }

    private mutating func see(_ call: IncomingCall) {
        promise(call.serial > lastSerial, "a serial number comes again")
        promise(calls.updateValue(call, forKey: call.callID) == nil, "a call is dispatched twice")
        lastSerial = call.serial
        dispatched += 1
        let isProtected = call.authenticationLevel > .connect
        promise((call.identity == nil) == (call.authenticationLevel == .none), "an identity without a level")
        promise(call.stub.count <= FuzzConversation.limits.maximumAdministratorRequest, "a request that is too long")
        if call.identity?.isAdministrator != true {
            promise(call.stub.count <= FuzzConversation.limits.maximumRequest, "a request that is too long for a user")
        }
        if call.identity == nil {
            promise(
                call.stub.count <= FuzzConversation.limits.maximumUnauthenticatedRequest,
                "a request that is too long for a stranger")
        }
        guard isProtected || isHonest else { return }
        let index = signed.firstIndex { one in
            one.fragment.callID == call.callID && one.fragment.opnum == call.opnum
                && (one.fragment.securityID != nil) == isProtected && Self.agrees(call.stub, with: one.stub)
        }
        promise(index != nil, "a call that its client did not make: \(call)")
        if let index { signed.remove(at: index) }
    }

    /// Whether a stub is the one that was sent, or that without its verification trailer.
    private static func agrees(_ stub: [UInt8], with sent: [UInt8]) -> Bool {
        stub == sent || sent.starts(with: stub) && sent.dropFirst(stub.count).starts(with: [0x8A, 0xE3, 0x13, 0x71])
    }

    private mutating func see(sent pdu: [UInt8]) {
        sentPDUs += 1
        promise(pdu.count >= 16 && pdu[0] == 5, "what is sent is no PDU")
        promise(Int(pdu[8]) | Int(pdu[9]) << 8 == pdu.count, "a PDU whose length is not its length")
        let callID = pdu[12..<16].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let authLength = Int(pdu[10]) | Int(pdu[11]) << 8
        switch pdu[2] {
        case 2:
            promise(pdu.count <= FuzzConversation.limits.maximumFragment, "a fragment that is too long")
            promise(replying?.callID == callID, "a response that nobody gave")
            seeResponse(pdu, authLength)
        case 3, 12, 13, 15, 17: break
        default: promise(false, "a server does not send \(pdu[2])")
        }
    }

    private mutating func seeResponse(_ pdu: [UInt8], _ authLength: Int) {
        promise(!isAnswerWhole, "a fragment after the last one")
        promise((pdu[3] & 1 != 0) == answered.isEmpty || pdu.count == 24, "a first fragment that is not the first")
        isAnswerWhole = pdu[3] & 2 != 0
        guard authLength > 0 else { return answered += pdu[24...] }
        let trailer = pdu.count - authLength - 8
        let id = pdu[trailer + 4..<trailer + 8].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard let context = contexts[id], let level = context.appliedLevel else {
            return promise(false, "a response in a security context that is not there")
        }
        promise(pdu[trailer] == context.type, "another provider's response")
        let parts = MessageParts(body: 24..<trailer, authValue: trailer + 8..<pdu.count, signsHeader: false)
        var opened = pdu
        let isRight = opened.withUnsafeMutableBytes {
            (try? context.context.unprotect($0, parts, level: level)) != nil
        }
        promise(isRight, "a response whose signature is wrong")
        answered += opened[24..<trailer - Int(opened[trailer + 2])]
    }

    mutating func finishReply(_ call: IncomingCall?) {
        if let replying, !isClosed || isAnswerWhole {
            promise(isAnswerWhole && answered == replying.stub, "another answer than was given")
            replies += 1
        }
        replying = nil
        answered = []
        isAnswerWhole = false
    }

    // MARK: What it keeps

    func check(_ association: Association, against limits: AssociationLimits) {
        let statistics = association.statistics
        promise(statistics.packetsOut == sentPDUs, "\(statistics.packetsOut) PDUs counted, \(sentPDUs) sent")
        promise(statistics.callsIn == dispatched, "\(statistics.callsIn) calls counted, \(dispatched) dispatched")
        promise(statistics.callsOut == replies, "\(statistics.callsOut) responses counted, \(replies) given")
        promise(Int(statistics.packetsIn) * 16 <= octetsFed, "more PDUs than octets for them")
        promise(association.presentationContexts.count <= limits.maximumPresentationContexts, "too many contexts")
        promise(association.securityContexts.count <= limits.maximumSecurityContexts, "too many security contexts")
        promise(association.calls.count <= limits.maximumCalls, "too many calls")
        promise(association.load.calls <= limits.maximumCalls, "too many calls that are worked on")
        promise(
            association.load.octets < limits.maximumCallOctets + limits.maximumAdministratorRequest, "too much work")
        promise(association.partialStub.count <= limits.maximumAdministratorRequest, "a stub grows without end")
        promise(association.actions.isEmpty, "actions that nobody gets")
        if isClosed {
            promise(association.calls.isEmpty && association.partialStub.isEmpty, "what a closed association keeps")
        } else {
            promise(association.calls.keys.sorted() == calls.keys.sorted(), "another set of calls in flight")
            promise(association.load.calls == calls.count + abandoned.count, "calls are counted wrongly")
            promise(
                association.isPaused || association.framer.buffered < limits.maximumBind, "octets that are not read")
        }
    }
}
