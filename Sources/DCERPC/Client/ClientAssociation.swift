import NDR
import Security

/// The client's side of one connection, as a state machine: the mirror of ``Association``.
///
/// The states, and what follows:
/// - *unbound*: the first ``negotiate(_:security:)`` sends a bind → *bound*, or *closed*.
/// - *bound*: calls, and further negotiations by alter_context → *bound*, or *closed*.
/// - *closed*: nothing is taken and nothing comes out.
///
/// One negotiation is made at a time; calls go on meanwhile.
public struct ClientAssociation: Sendable {
    enum State: Equatable {
        case unbound
        case bound
        case closed
    }

    /// How a negotiation stands.
    struct Negotiation: Sendable {
        enum Step: Sendable, Equatable {
            /// The server's answer is awaited.
            case sent
            /// The initiator's answer is awaited.
            case initiating
            /// The security context stands on our side; the server's last answer is awaited.
            case finishing
        }

        let callID: UInt32
        /// One for each transfer syntax; once the server has chosen, the accepted one alone.
        var offers: [PresentationContextOffer]
        var transferSyntax: TransferSyntax
        let isBind: Bool
        var step: Step
        /// The security context that is being made, or that is used again.
        var securityID: UInt32?
        var trailer: SecurityTrailer?
    }

    /// What is known of the authentication that a negotiation begins.
    public struct SecurityOffer: Sendable, Equatable {
        /// The provider.
        public let type: AuthenticationType
        /// The level.
        public let level: AuthenticationLevel
        /// The initiator's first token.
        public let token: [UInt8]

        /// Makes an offer.
        public init(type: AuthenticationType, level: AuthenticationLevel, token: [UInt8]) {
            self.type = type
            self.level = level
            self.token = token
        }
    }

    struct PendingCall: Sendable {
        let contextID: UInt16
        let security: MessageSecurity?
        var stub: [UInt8] = []
        var hasFirst = false
    }

    /// What a call wants to send, kept while the server takes no second one.
    struct QueuedCall: Sendable {
        let callID: UInt32
        let contextID: UInt16
        let security: MessageSecurity?
        let opnum: UInt16
        let object: GUID?
        let stub: [UInt8]
    }

    /// The longest response that is taken, all its fragments together.
    let maximumResponse: Int
    let offeredFragment: Int

    var framer = PDUFramer()
    var state = State.unbound
    var actions: [ClientAssociationAction] = []

    /// The association group that the server named; zero before the bind.
    public internal(set) var group: UInt32
    /// The features that both sides have.
    public internal(set) var features: BindTimeFeatures = []

    var maximumFragment: Int
    var isMultiplexed = false
    /// Whether the server signs headers, too.
    var signsHeaders = false
    var negotiation: Negotiation?
    var security: [UInt32: MessageSecurity] = [:]
    var nextContextID: UInt16 = 0
    var nextSecurityID: UInt32 = 1
    var nextCallID: UInt32 = 1
    var calls: [UInt32: PendingCall] = [:]
    var queue: [QueuedCall] = []
    /// The request whose fragments are not all made yet.
    private var sending: Fragmenter?

    /// Makes the machine of a connection that has just been made.
    ///
    /// - Parameters:
    ///   - group: the association group to join; zero for a new one.
    ///   - maximumFragment: the largest fragment to send and to receive.
    ///   - maximumResponse: the longest response to take.
    public init(group: UInt32 = 0, maximumFragment: Int = 5840, maximumResponse: Int = 64 << 20) {
        self.group = group
        offeredFragment = min(max(maximumFragment, AssociationLimits.minimumFragment), 0xFFF8) & ~7
        self.maximumFragment = offeredFragment
        self.maximumResponse = maximumResponse
    }

    /// Takes octets from the connection.
    public mutating func receive(_ octets: consuming [UInt8]) -> [ClientAssociationAction] {
        guard state != .closed else { return [] }
        framer.append(octets)
        while state != .closed {
            do throws(PDUError) {
                let maximum = negotiation == nil ? offeredFragment : 0xFFFF
                guard
                    var frame = try framer.next({ (header) throws(PDUError) in
                        guard header.fragmentLength <= maximum else {
                            throw .fragmentLength(header.fragmentLength, callID: header.callID, type: header.type)
                        }
                    })
                else { break }
                try receive(frame.header, &frame.pdu)
            } catch {
                close(.malformed(error))
            }
        }
        return takeActions()
    }

    /// Begins to negotiate a presentation context, and with it a security context if `offer` is there.
    ///
    /// - Parameters:
    ///   - syntax: the interface.
    ///   - transferSyntaxes: the transfer syntaxes, of which the server chooses one ([MS-RPCE] 3.3.1.5.6); at least one.
    ///   - offer: the authentication; nil to use the security context `reusing`, if that is not nil, or none.
    ///   - reusing: a security context of this connection.
    public mutating func negotiate(
        _ syntax: SyntaxIdentifier, transferSyntaxes: [TransferSyntax], security offer: SecurityOffer?,
        reusing: UInt32? = nil
    ) -> [ClientAssociationAction] {
        guard state != .closed else { return [.negotiated(.failure(.closed))] }
        guard negotiation == nil else { return [.negotiated(.failure(.busy))] }
        let isBind = state == .unbound
        let firstID = nextContextID
        let offers = zip(transferSyntaxes, UInt16(0)...).map { transferSyntax, index in
            PresentationContextOffer(
                id: firstID &+ index, abstractSyntax: syntax, transferSyntaxes: [transferSyntax.identifier])
        }
        nextContextID &+= UInt16(truncatingIfNeeded: offers.count)
        var trailer: SecurityTrailer?
        if let offer {
            trailer = SecurityTrailer(type: offer.type, level: offer.level.rawValue, contextID: nextSecurityID)
            nextSecurityID += 1
        }
        let callID = takeCallID()
        let new = Negotiation(
            callID: callID, offers: offers, transferSyntax: .ndr20, isBind: isBind, step: .sent,
            securityID: trailer?.contextID ?? reusing, trailer: trailer)
        negotiation = new
        sendLeg(new, token: offer?.token)
        return takeActions()
    }

    /// A PDU's length has 16 bits, and besides the token it holds headers and few presentation contexts.
    static let longestToken = 0xFFFF - 256

    /// Takes the initiator's answer to ``ClientAssociationAction/initiate(token:)``.
    public mutating func initiated(_ result: Result<SecurityStep, SecurityError>) -> [ClientAssociationAction] {
        guard state != .closed, var negotiation, negotiation.step == .initiating, let trailer = negotiation.trailer
        else { return [] }
        switch result {
        case .failure(let error):
            close(.security(error))
        case .success(.continueNeeded(let token)) where token.count > Self.longestToken,
            .success(.complete(let token?, _)) where token.count > Self.longestToken:
            // A token repeats what the server said of itself, so the server decides how long it is.
            close(.security(.unacceptable("a token of \(token.count) octets fits into no PDU")))
        case .success(.continueNeeded(let token)):
            negotiation.step = .sent
            self.negotiation = negotiation
            sendLeg(negotiation, token: token)
        case .success(.complete(let token, let context)):
            guard let level = MessageSecurity.level(of: trailer.level) else {
                close(.authenticationIncomplete)
                break
            }
            security[trailer.contextID] = MessageSecurity(
                contextID: trailer.contextID, type: trailer.type, levelOctet: trailer.level, level: level,
                signsHeader: signsHeaders, context: context)
            if let token, trailer.type == .ntlm {
                // NTLM has three legs, so the last one has no answer ([MS-RPCE] 2.2.1.1.7 and 3.3.1.5.2.1).
                send(
                    Auth3PDU(token: AuthenticationToken(trailer: trailer, value: token))
                        .encoded(callID: negotiation.callID))
                finish(negotiation)
            } else if let token {
                negotiation.step = .finishing
                self.negotiation = negotiation
                sendLeg(negotiation, token: token)
            } else {
                finish(negotiation)
            }
        }
        return takeActions()
    }

    /// Makes a call.
    ///
    /// - Returns: the call's identifier, which ``ClientAssociationAction/complete(callID:_:)`` will name, and the actions.
    public mutating func call(
        _ context: NegotiatedContext, opnum: UInt16, object: GUID?, stub: [UInt8]
    ) -> (callID: UInt32, actions: [ClientAssociationAction]) {
        let callID = takeCallID()
        guard state == .bound else {
            return (callID, [.complete(callID: callID, .failure(.association(.closed)))])
        }
        let queued = QueuedCall(
            callID: callID, contextID: context.contextID, security: context.securityID.flatMap { security[$0] },
            opnum: opnum, object: object, stub: stub)
        if isMultiplexed || calls.isEmpty { send(queued) } else { queue.append(queued) }
        return (callID, takeActions())
    }

    /// Whether fragments of a request are still to be made; see ``sendOn()``.
    public var isSending: Bool { sending != nil }

    /// Makes further fragments of a long request. Whoever drives the association calls this as soon as what came before has
    /// been taken by the connection, until ``isSending`` says that there are none.
    public mutating func sendOn() -> [ClientAssociationAction] {
        sendFragments(atMost: Self.burst)
        return takeActions()
    }

    /// Gives a call up: asks the server to cancel it. Its answer will come all the same; it is read, to keep the signatures'
    /// numbers in step, and told like any other.
    public mutating func abandon(_ callID: UInt32) -> [ClientAssociationAction] {
        guard state == .bound else { return [] }
        finishSending()
        if let index = queue.firstIndex(where: { $0.callID == callID }) {
            queue.remove(at: index)
        } else if calls[callID] != nil {
            send(BarePDU.encoded(.cancel, callID: callID))
        }
        return takeActions()
    }

    /// Takes note that the connection is gone; what was awaited fails.
    public mutating func connectionClosed() -> [ClientAssociationAction] {
        guard state != .closed else { return [] }
        end(.closed)
        return takeActions()
    }
}

// MARK: Output

extension ClientAssociation {
    mutating func takeActions() -> [ClientAssociationAction] {
        let taken = actions
        actions = []
        return taken
    }

    mutating func takeCallID() -> UInt32 {
        // [MS-RPCE] product note 123: Windows takes no identifier above 0x7FFFFFFF.
        let callID = nextCallID
        nextCallID = nextCallID == 0x7FFF_FFFF ? 1 : nextCallID + 1
        return callID
    }

    mutating func send(_ pdu: [UInt8]) {
        actions.append(.send(pdu))
    }

    mutating func sendLeg(_ negotiation: Negotiation, token: [UInt8]?) {
        finishSending()
        let isBind = negotiation.isBind && state == .unbound
        var offers = negotiation.offers
        var flags = PDUFlags.whole
        if isBind, let abstractSyntax = offers.first?.abstractSyntax {
            flags.insert(.concurrentMultiplexing)
            // The list of features follows, as an offer for the same interface ([MS-RPCE] 3.3.1.5.3).
            offers.append(
                PresentationContextOffer(
                    id: nextContextID, abstractSyntax: abstractSyntax,
                    transferSyntaxes: [BindTimeFeatures.supported.syntax]))
            nextContextID &+= 1
        }
        let trailer = negotiation.trailer
        if let level = trailer?.level, level >= AuthenticationLevel.packetIntegrity.rawValue {
            flags.insert(.supportHeaderSigning)
        }
        let bind = BindPDU(
            maximumTransmit: UInt16(offeredFragment), maximumReceive: UInt16(offeredFragment),
            associationGroup: group, offers: offers,
            token: trailer.flatMap { trailer in token.map { AuthenticationToken(trailer: trailer, value: $0) } })
        send(bind.encoded(as: isBind ? .bind : .alterContext, flags: flags, callID: negotiation.callID))
    }

    mutating func send(_ call: QueuedCall) {
        calls[call.callID] = PendingCall(contextID: call.contextID, security: call.security)
        finishSending()
        sending = Fragmenter.request(
            callID: call.callID, contextID: call.contextID, opnum: call.opnum, object: call.object, stub: call.stub,
            maximumFragment: maximumFragment, security: call.security)
        sendFragments(atMost: Self.burst)
    }

    /// How many octets of fragments are made at a time: while the server works on these, the next ones are sealed.
    static let burst = 64 << 10

    /// Makes fragments of the request that is being sent, until there are so many octets of them.
    private mutating func sendFragments(atMost octets: Int) {
        guard var fragments = sending.take() else { return }
        var sent = 0
        do throws(SecurityError) {
            while sent < octets, let fragment = try fragments.next() {
                sent += fragment.count
                send(fragment)
            }
            if !fragments.isFinished { sending = fragments }
        } catch {
            close(.security(error))
        }
    }

    /// Nothing comes between the fragments of a request: the signatures are numbered in the order of sending.
    private mutating func finishSending() {
        sendFragments(atMost: .max)
    }

    mutating func finish(_ negotiation: Negotiation) {
        self.negotiation = nil
        actions.append(
            .negotiated(
                .success(
                    NegotiatedContext(
                        contextID: negotiation.offers.first?.id ?? 0, securityID: negotiation.securityID,
                        transferSyntax: negotiation.transferSyntax))))
    }

    /// Ends a negotiation without ending the connection.
    mutating func fail(_ error: RPCClientError) {
        // A security context that is half made cannot be gone on with, and a bind without a context is none.
        guard let negotiation, negotiation.trailer == nil, !negotiation.isBind else { return close(error) }
        self.negotiation = nil
        actions.append(.negotiated(.failure(error)))
    }

    mutating func close(_ error: RPCClientError) {
        guard state != .closed else { return }
        end(error)
        actions.append(.close(error))
    }

    mutating func end(_ error: RPCClientError) {
        state = .closed
        if negotiation != nil { actions.append(.negotiated(.failure(error))) }
        for callID in calls.keys.sorted() {
            actions.append(.complete(callID: callID, .failure(.association(error))))
        }
        for call in queue { actions.append(.complete(callID: call.callID, .failure(.association(error)))) }
        negotiation = nil
        calls = [:]
        queue = []
        sending = nil
    }
}
