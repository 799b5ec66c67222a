import NDR
import Security

@testable import DCERPC

/// Sequences of everything that can happen to one association: PDUs of a client that knows the grammar and breaks it where the
/// input says so, answers of acceptors, replies, faults, cancels, orphans, drains, octets in any portions. With and
/// without a security context, which is a real one of NTLM.
struct PDUTarget: FuzzTarget {
    private let logon: LogonPair

    init() throws {
        logon = try LogonPair()
        // A fuzzer that gets nowhere finds nothing: a sealed call of 16 octets and its answer; a long one of an administrator.
        promise(converse([2, 0, 0, 0, 16, 12, 0, 10]) == (1, 1), "a sealed call is not served")
        promise(converse([18, 4, 0, 200, 100, 12, 0, 255]) == (1, 1), "a long call is not served")
        promise(converse([0, 0, 0, 0, 16, 12, 0, 10]) == (1, 1), "a stranger's call is not served")
    }

    func run(_ input: [UInt8]) {
        _ = converse(input)
    }

    private func converse(_ input: [UInt8]) -> (calls: UInt32, replies: UInt32) {
        let places = PlaceCounter(2)
        defer { promise(places.taken == 0, "\(places.taken) places of long requests are lost") }
        var conversation = FuzzConversation(input, logon: logon, places: places)
        conversation.run()
        return (conversation.witness.dispatched, conversation.witness.replies)
    }
}

/// One association, what happens to it, and what has to hold meanwhile.
struct FuzzConversation {
    static let limits = AssociationLimits(
        maximumFragment: 2048, maximumBind: 4096, maximumRequest: 6000, maximumAdministratorRequest: 14000,
        maximumUnauthenticatedRequest: 3000, maximumPresentationContexts: 6, maximumSecurityContexts: 3,
        maximumCalls: 4, maximumCallOctets: 9000)

    var input: FuzzInput
    let logon: LogonPair
    var association: Association
    var witness = Witness()
    /// The client's half of each security context that the server may hold, by the context's identifier.
    var contexts: [UInt32: ClientContext] = [:]
    var isBigEndian = false
    var lastCallID: UInt32 = 1
    /// What is done to the next PDU.
    var mutation: Mutation?
    var lastPDU: [UInt8] = []

    init(_ octets: [UInt8], logon: LogonPair, places: PlaceCounter) {
        input = FuzzInput(octets)
        self.logon = logon
        association = Association(
            secondaryAddress: "135", environment: FuzzEnvironment(places: places), limits: Self.limits)
    }

    mutating func run() {
        let first = input.octet()
        isBigEndian = first & 0x80 != 0
        // Most inputs begin where it becomes interesting.
        if first & 1 == 0 { open(secured: first & 2 != 0, level: 6 - first >> 2 & 3, isAdministrator: first & 16 != 0) }
        var operations = 0
        while !input.isEmpty, operations < 200 {
            operations += 1
            operate(input.octet())
            witness.check(association, against: Self.limits)
        }
        association.connectionClosed()
        perform(association.receive([5, 0, 0, 3]))
        witness.isClosed = true
        for call in witness.abandoned { perform(association.ended(call)) }
        for call in witness.calls.keys { perform(association.reply(to: call, stub: [1])) }
        promise(association.calls.isEmpty && association.load.calls == 0, "calls that outlive their connection")
        witness.calls = [:]
    }

    /// Binds, and authenticates if wanted.
    private mutating func open(secured: Bool, level: UInt8, isAdministrator: Bool) {
        var pdu = WirePDU(type: 11, flags: 0x13, callID: 1, isBigEndian: isBigEndian)
        putBind(&pdu, offers: [(0, .management, [.ndr20]), (1, .endpointMapper, [.ndr20])])
        if secured {
            putToken(&pdu, type: 10, level: level, contextID: 0, padding: 0, value: [1, 2, 3])
        } else {
            pdu.close(authLength: 0)
        }
        feed(pdu.octets)
        if secured { answer(complete: true, isAdministrator: isAdministrator) }
    }

    private mutating func operate(_ operation: UInt8) {
        switch operation % 24 {
        case 0, 1: sendRequest(whole: true)
        case 2, 3: sendRequest(whole: false)
        case 4: sendLongRequest()
        case 5: sendBind(type: 14)
        case 6: sendBind(type: 11)
        case 7: sendAuth3()
        case 8: sendBare(18)
        case 9: sendBare(19)
        case 10: sendAny()
        case 11:
            witness.isHonest = false
            feed(input.octets(Int(input.octet())))
        case 12, 13: reply()
        case 14: fault()
        case 15: endAbandoned()
        case 16: answer(complete: true, isAdministrator: input.octet() & 1 != 0)
        case 17: answer(complete: false, isAdministrator: false)
        case 18: mutation = Mutation(&input)
        case 19: hold()
        case 20: replay()
        case 21: isBigEndian.toggle()
        case 22: portion = 1 + Int(input.octet() & 31)
        default:
            // Rare, for little comes after it.
            if input.octet() & 7 == 0 { perform(association.drain()) }
        }
    }

    /// The octets that are fed at once; zero for all.
    private var portion = 0

    /// Feeds octets, in portions if that was wished.
    mutating func feed(_ octets: [UInt8]) {
        guard portion > 0 else { return take(octets) }
        var rest = octets[...]
        let size = max(portion, octets.count / 64)
        portion = 0
        while !rest.isEmpty {
            take(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
    }

    private mutating func take(_ octets: [UInt8]) {
        witness.octetsFed += octets.count
        perform(association.receive(octets))
    }

    /// A PDU that is finished but for what the input does to it.
    mutating func send(_ pdu: [UInt8], signed: SignedFragment? = nil) {
        var octets = pdu
        mutation.take()?.apply(&octets)
        if octets != pdu { witness.isHonest = false }
        // What stands behind a PDU does not change it, and what was cut off may follow by chance.
        if let signed, octets.starts(with: pdu) || pdu.starts(with: octets) { witness.sent(signed) }
        lastPDU = octets
        feed(octets)
    }

    private mutating func replay() {
        guard !lastPDU.isEmpty else { return }
        witness.isHonest = false
        feed(lastPDU)
    }

    private mutating func hold() {
        if input.octet() & 1 == 0 { association.hold() } else { perform(association.proceed()) }
    }

    // MARK: The server's side

    private mutating func answer(complete: Bool, isAdministrator: Bool) {
        let negotiating = negotiating
        guard let awaited = witness.awaited.take() else {
            // An answer that nobody asked for changes nothing.
            return perform(association.authenticated(UInt32(input.octet() & 3), result: .refused))
        }
        guard complete else {
            let how = input.octet()
            let result: TokenResult =
                how & 1 == 0 ? .refused : .step(.continueNeeded(reply: [UInt8](repeating: 7, count: Int(how))))
            return perform(association.authenticated(awaited.contextID, result: result))
        }
        let pair = logon.contexts(isAdministrator: isAdministrator)
        if let negotiating {
            contexts[awaited.contextID] = ClientContext(
                context: pair.client, type: negotiating.type, level: negotiating.level)
            witness.contexts[awaited.contextID] = contexts[awaited.contextID]
        }
        perform(
            association.authenticated(
                awaited.contextID, result: .step(.complete(reply: nil, context: pair.server))))
    }

    /// The security context that was last begun, if it is not finished.
    var negotiating: (contextID: UInt32, type: UInt8, level: UInt8)? {
        guard let id = witness.lastContextID,
            case .negotiating(let type, let levelOctet) = association.securityContexts[id]
        else { return nil }
        return (id, type.rawValue, levelOctet)
    }

    private mutating func reply() {
        let which = input.octet()
        let count = Int(input.octet()) << (which >> 6)
        guard let callID = witness.call(Int(which & 7)) else {
            return perform(association.reply(to: UInt32(which), stub: []))
        }
        let stub = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        witness.replying = (callID, stub)
        let call = witness.calls.removeValue(forKey: callID)
        perform(association.reply(to: callID, stub: stub))
        witness.finishReply(call)
    }

    private mutating func fault() {
        guard let callID = witness.call(Int(input.octet() & 7)) else { return }
        witness.calls[callID] = nil
        perform(association.fail(callID, with: RPCFault(status: input.integer())))
    }

    private mutating func endAbandoned() {
        guard let serial = witness.abandoned.popFirst() else {
            return perform(association.ended(UInt64(input.octet()) + 1 << 40))
        }
        perform(association.ended(serial))
    }

    mutating func perform(_ actions: [AssociationAction]) {
        for action in actions { witness.see(action) }
    }
}
