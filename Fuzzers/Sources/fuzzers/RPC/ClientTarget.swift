import NDR
import Security

@testable import DCERPC

/// A client whose server is hostile: sequences of PDUs that a server sends, right and wrong, sealed and not, while the client
/// negotiates, calls and gives up.
struct ClientTarget: FuzzTarget {
    private let logon: LogonPair

    init() throws {
        logon = try LogonPair()
        promise(converse([0, 6, 16, 0, 4, 0, 20]) == 1, "an answer does not arrive")
        promise(converse([1, 6, 16, 0, 4, 0, 20]) == 1, "a sealed answer does not arrive")
    }

    func run(_ input: [UInt8]) {
        _ = converse(input)
    }

    /// The number of calls that were answered well.
    private func converse(_ input: [UInt8]) -> Int {
        var conversation = ClientConversation(input, logon: logon)
        conversation.run()
        return conversation.answered
    }
}

/// One client's association.
private struct ClientConversation {
    static let longestResponse = 8000

    private var input: FuzzInput
    private let logon: LogonPair
    private var association = ClientAssociation(maximumFragment: 2048, maximumResponse: Self.longestResponse)
    private var server: (any SecurityContext)?
    private var context = NegotiatedContext(contextID: 0, securityID: nil)
    /// The calls that are not answered yet, and whether they were made in the security context.
    private var open: [UInt32: Bool] = [:]
    private var lastCall: UInt32 = 1
    private var isClosed = false
    private var mutation: Mutation?
    private(set) var answered = 0
    /// The stubs that the server has sealed, by call.
    private var sealed: [UInt32: [UInt8]] = [:]

    init(_ octets: [UInt8], logon: LogonPair) {
        input = FuzzInput(octets)
        self.logon = logon
    }

    mutating func run() {
        let first = input.octet()
        if first & 2 == 0 { begin(secured: first & 1 != 0) }
        var operations = 0
        while !input.isEmpty, operations < 100 {
            operations += 1
            operate(input.octet() % 11)
            promise(association.calls.count + association.queue.count == open.count, "calls are counted wrongly")
            promise(association.actions.isEmpty, "actions that nobody gets")
            promise(isClosed || association.framer.buffered < 0xFFFF, "octets that are not read")
        }
        perform(association.connectionClosed())
        promise(open.isEmpty, "calls that are never answered: \(open.keys)")
        isClosed = true
        perform(association.receive([5, 0, 2, 3]))
    }

    private mutating func begin(secured: Bool) {
        guard secured else {
            perform(association.negotiate(Self.interface, transferSyntaxes: [.ndr20], security: nil))
            return acknowledge(token: nil)
        }
        let pair = logon.contexts(isAdministrator: true)
        server = pair.server
        let offer = ClientAssociation.SecurityOffer(type: .ntlm, level: .packetPrivacy, token: [1, 2, 3, 4])
        perform(association.negotiate(Self.interface, transferSyntaxes: [.ndr20], security: offer))
        acknowledge(token: [5, 6, 7, 8])
        perform(association.initiated(.success(.complete(reply: [9], context: pair.client))))
    }

    private static let interface = SyntaxIdentifier(uuid: "afa8bd80-7d8a-11c9-bef4-08002b102989", major: 1)

    private mutating func operate(_ operation: UInt8) {
        switch operation {
        case 0...2: respond()
        case 3: fault()
        case 4: respond(to: lastCall, stub: [UInt8](repeating: 3, count: Int(input.octet()) << 5 | Int(input.octet())))
        case 5:
            let shape = input.octet()
            acknowledge(token: shape & 1 == 0 ? nil : input.octets(8), type: shape & 2 == 0 ? 15 : 12)
        case 6: call(Int(input.integer(UInt16.self)) % 6000)
        case 7: mutation = Mutation(&input)
        case 8:
            // What was not sent yet is never answered.
            if association.queue.contains(where: { $0.callID == lastCall }) { open[lastCall] = nil }
            perform(association.abandon(lastCall))
        case 9:
            guard !isClosed, association.negotiation == nil else { break }
            perform(
                association.negotiate(
                    Self.interface, transferSyntaxes: [.ndr20], security: nil, reusing: input.octet() & 1 == 0 ? 1 : nil
                ))
        default: send(input.octets(Int(input.octet())))
        }
    }

    private mutating func call(_ count: Int) {
        guard !isClosed else { return }
        let (callID, actions) = association.call(
            context, opnum: 1, object: nil, stub: [UInt8](repeating: 1, count: count))
        let isSecured = server != nil && context.securityID != nil
        promise(open.updateValue(isSecured, forKey: callID) == nil, "an identifier that is in use")
        lastCall = callID
        perform(actions)
    }

    // MARK: The server

    private mutating func acknowledge(token: [UInt8]?, type: UInt8 = 12) {
        var pdu = WirePDU(type: type, flags: 0x13, callID: association.negotiation?.callID ?? 1)
        for _ in 0..<2 { pdu.put(UInt16(2048)) }
        pdu.put(UInt32(7))
        pdu.put(octets: [4, 0, 0x31, 0x33, 0x35, 0, 0, 0, 1, 0, 0, 0])
        pdu.put(UInt32(0))
        pdu.put(.ndr20)
        if let token {
            pdu.putTrailer(type: 10, level: 6, padding: 0, contextID: 1)
            pdu.put(octets: token)
        }
        pdu.close(authLength: token?.count ?? 0)
        send(pdu.octets)
    }

    private mutating func respond() {
        let shape = input.octet()
        respond(
            to: shape & 0x80 == 0 ? lastCall : UInt32(shape & 7), stub: input.octets(Int(input.octet())),
            flags: shape & 4 == 0 ? 3 : shape & 3, isSealed: shape & 8 == 0)
    }

    private mutating func respond(to callID: UInt32, stub: [UInt8], flags: UInt8 = 3, isSealed: Bool = true) {
        let stub = Array(stub.prefix(1900))
        var pdu = WirePDU(type: 2, flags: flags, callID: callID)
        pdu.put(UInt32(stub.count))
        pdu.put(UInt32(0))
        pdu.put(octets: stub)
        guard isSealed, let server else {
            pdu.close(authLength: 0)
            return send(pdu.octets)
        }
        let padding = (16 - stub.count % 16) % 16
        pdu.put(octets: repeatElement(0, count: padding))
        let end = pdu.count
        pdu.putTrailer(type: 10, level: 6, padding: UInt8(padding), contextID: 1)
        pdu.put(octets: repeatElement(0, count: 16))
        pdu.close(authLength: 16)
        let parts = MessageParts(body: 24..<end, authValue: end + 8..<end + 24, signsHeader: true)
        pdu.withOctets { octets in
            octets.withUnsafeMutableBytes { _ = try? server.protect($0, parts, level: .packetPrivacy) }
        }
        send(pdu.octets, sealed: (callID, flags, stub))
    }

    private mutating func fault() {
        var pdu = WirePDU(type: 3, flags: 3, callID: input.octet() & 0x80 == 0 ? lastCall : 1)
        pdu.put(UInt32(32))
        pdu.put(UInt32(0))
        pdu.put(input.integer(UInt32.self))
        pdu.put(UInt32(0))
        pdu.close(authLength: 0)
        send(pdu.octets)
    }

    private mutating func send(_ pdu: [UInt8], sealed fragment: (callID: UInt32, flags: UInt8, stub: [UInt8])? = nil) {
        var octets = pdu
        mutation.take()?.apply(&octets)
        // What was cut off may follow by chance.
        if let fragment, octets.starts(with: pdu) || pdu.starts(with: octets) {
            if fragment.flags & 1 != 0 { sealed[fragment.callID] = [] }
            sealed[fragment.callID]?.append(contentsOf: fragment.stub)
        }
        perform(association.receive(octets))
    }

    // MARK: The client

    private mutating func perform(_ actions: [ClientAssociationAction]) {
        for action in actions {
            promise(!isClosed, "after the close came \(action)")
            switch action {
            case .send(let pdu):
                promise(pdu.count >= 16 && Int(pdu[8]) | Int(pdu[9]) << 8 == pdu.count, "a PDU of another length")
                promise(pdu[2] != 0 || pdu.count <= 2048, "a fragment that is too long")
            case .initiate(let token): promise(token.count < 0xFFFF, "a token longer than its PDU")
            case .negotiated(.success(let negotiated)): context = negotiated
            case .negotiated(.failure): break
            case .complete(let callID, let result):
                let isSecured = open.removeValue(forKey: callID)
                promise(isSecured != nil, "a call is answered twice, or was never made")
                guard case .success(let answer) = result else { break }
                answered += 1
                promise(answer.stub.count <= Self.longestResponse, "a response that is too long")
                guard isSecured == true else { break }
                promise(answer.stub == sealed[callID], "a response that the server did not seal")
            case .close: isClosed = true
            }
        }
    }
}
