import NDR
import Security

/// The server's side of one connection, as a state machine: octets and answers go in, ``AssociationAction``s come out.
///
/// It does no I/O, reads no clock, and knows no logger; what it keeps is bounded by its ``AssociationLimits``.
///
/// The states, and what follows:
/// - *unbound*: a bind is the only PDU it takes → *bound*, or *closed*.
/// - *bound*: calls, alter_context, auth3, cancels → *bound*, *draining*, or *closed*.
/// - *draining*: calls in flight are finished, new ones refused → *closed*.
/// - *closed*: nothing is taken and nothing comes out.
///
/// While a token is with its acceptor, while the calls in flight have as many octets as they may, and while it is told to hold,
/// the association ``isPaused``: octets are kept, not looked at, cancels among them. What a violation of the
/// protocol is answered with follows Windows, as far as Samba's tests of it (`raw_protocol.py`) tell; where they do not, [C706]
/// and [MS-RPCE] 3.3.3.5.
public struct Association: Sendable {
    enum State: Equatable {
        case unbound
        case bound
        case draining
        case closed
    }

    /// A presentation context that was accepted.
    struct PresentationContext: Equatable {
        /// As the client named it.
        let abstractSyntax: SyntaxIdentifier
        /// As the server registered it.
        let interface: SyntaxIdentifier
        let transferSyntax: TransferSyntax
    }

    /// A call whose answer is awaited.
    struct ActiveCall {
        let serial: UInt64
        let contextID: UInt16
        var security: MessageSecurity?
    }

    let limits: AssociationLimits
    let environment: any AssociationEnvironment
    let secondaryAddress: String

    var framer = PDUFramer()
    var state = State.unbound
    var actions: [AssociationAction] = []

    /// The association group; zero until a bind has named or made one.
    public internal(set) var group: UInt32 = 0
    /// The features that both sides have.
    public internal(set) var features: BindTimeFeatures = []
    /// Whether the client can sign headers.
    public internal(set) var signsHeaders = false
    /// Counts of what was received and sent, for the management interface.
    public internal(set) var statistics = AssociationStatistics()

    var maximumFragment: Int
    var isMultiplexed = false
    var presentationContexts: [UInt16: PresentationContext] = [:]
    var securityContexts = SecurityContextTable()
    var partialRequest: PartialRequest?
    /// The stub of ``partialRequest``. It is not in there because it has to grow in place: who takes the request out to work
    /// on it has a second reference, and each fragment would copy all that came before.
    var partialStub: [UInt8] = []
    var calls: [UInt32: ActiveCall] = [:]
    var load = CallLoad()
    private var isHeld = false
    var highestCallID: UInt32 = 0
    var awaitedToken: AwaitedToken?

    /// Makes the machine of a connection that has just been accepted.
    ///
    /// - Parameters:
    ///   - secondaryAddress: the endpoint to name in bind_ack: the port, as text.
    ///   - environment: the endpoint.
    ///   - limits: what the client may make it keep.
    public init(
        secondaryAddress: String, environment: any AssociationEnvironment, limits: AssociationLimits = .init()
    ) {
        self.limits = limits
        self.environment = environment
        self.secondaryAddress = secondaryAddress
        maximumFragment = limits.maximumFragment
    }

    /// Whether it waits for ``authenticated(_:result:)``, for the end of a call or for ``proceed()``, and the connection should
    /// not be read from.
    @inline(__always)
    public var isPaused: Bool {
        // Inlined, because where the association is a property of an object, what is called is given a copy of all of it.
        awaitedToken != nil || isHeld || isLoaded
    }
    /// Whether the calls in flight have as many octets as they may. Never without a call, whose end ends it.
    @inline(__always)
    private var isLoaded: Bool { load.calls > 0 && load.octets >= limits.maximumCallOctets }
    /// Whether a bind was accepted.
    public var isBound: Bool { state == .bound || state == .draining }
    /// Whether somebody has proved who he is on this connection.
    public var isAuthenticated: Bool { securityContexts.hasEstablished }
    /// Whether a request is arriving that holds one of the server's places for long ones.
    public var isReceivingLongRequest: Bool { partialRequest?.place != nil }
    /// Whether calls await their answers.
    public var hasCalls: Bool { !calls.isEmpty }

    /// Whether this call's answer is awaited. An orphaned one's is not, and its identifier may be another's by now.
    @inline(__always)
    public func awaits(_ callID: UInt32, serial: UInt64) -> Bool { calls[callID]?.serial == serial }

    /// Whether tokens of this security context are still to come, so that its acceptor is needed.
    public func isNegotiating(_ contextID: UInt32) -> Bool {
        if case .negotiating = securityContexts[contextID] { true } else { false }
    }

    /// Takes octets from the connection.
    public mutating func receive(_ octets: consuming [UInt8]) -> [AssociationAction] {
        guard state != .closed else { return [] }
        framer.append(octets)
        processFrames()
        return takeActions()
    }

    /// Takes what became of the token that ``AssociationAction/authenticate(contextID:type:token:)`` gave away.
    public mutating func authenticated(_ contextID: UInt32, result: TokenResult) -> [AssociationAction] {
        guard state != .closed, let awaited = awaitedToken, awaited.contextID == contextID else { return [] }
        awaitedToken = nil
        finish(awaited, result)
        processFrames()
        return takeActions()
    }

    /// Looks at no further PDU until ``proceed()``.
    public mutating func hold() {
        isHeld = true
    }

    /// Goes on after ``hold()``.
    public mutating func proceed() -> [AssociationAction] {
        guard isHeld else { return [] }
        isHeld = false
        processFrames()
        return takeActions()
    }

    /// Takes note that nothing is done any more for a call that was abandoned.
    public mutating func ended(_ serial: UInt64) -> [AssociationAction] {
        load.end(serial)
        processFrames()
        return takeActions()
    }

    /// Answers a call with the stub of its response.
    public mutating func reply(to callID: UInt32, stub: [UInt8]) -> [AssociationAction] {
        // No such call: it was orphaned, or the connection has closed since.
        guard state != .closed, let call = calls.removeValue(forKey: callID) else { return [] }
        load.end(call.serial)
        do throws(SecurityError) {
            var fragments = Fragmenter.response(
                callID: callID, contextID: call.contextID, stub: stub, maximumFragment: maximumFragment,
                security: call.security)
            while let fragment = try fragments.next() { send(fragment) }
            statistics.callsOut &+= 1
        } catch {
            // The key stream is lost: nothing that follows could be read by the client.
            close(.authenticationFailed)
        }
        processFrames()
        closeIfDrained()
        return takeActions()
    }

    /// Answers a call with a fault.
    public mutating func fail(_ callID: UInt32, with fault: RPCFault) -> [AssociationAction] {
        guard state != .closed, let call = calls.removeValue(forKey: callID) else { return [] }
        load.end(call.serial)
        let fault = fault.isSendable ? fault : .unspecified
        sendFault(callID: callID, contextID: call.contextID, fault, didNotExecute: fault.impliesNotExecuted)
        processFrames()
        closeIfDrained()
        return takeActions()
    }

    /// Lets the calls in flight finish, refuses new ones, and then closes.
    public mutating func drain() -> [AssociationAction] {
        switch state {
        case .unbound:
            close(.shutdown)
        case .bound:
            state = .draining
            closeIfDrained()
        case .draining, .closed:
            break
        }
        return takeActions()
    }

    /// Takes note that the connection is gone: nothing comes out any more.
    public mutating func connectionClosed() {
        state = .closed
        calls = [:]
        load = CallLoad()
        partialRequest = nil
        partialStub = []
        awaitedToken = nil
        actions = []
    }
}

/// Counts that [C706] appendix Q wants to know, of one connection.
public struct AssociationStatistics: Sendable, Hashable {
    /// Calls received.
    public var callsIn: UInt32 = 0
    /// Responses sent.
    public var callsOut: UInt32 = 0
    /// PDUs received.
    public var packetsIn: UInt32 = 0
    /// PDUs sent.
    public var packetsOut: UInt32 = 0

    /// All zero.
    public init() {}
}

// MARK: Frames

extension Association {
    private mutating func processFrames() {
        while state != .closed, !isPaused {
            do throws(PDUError) {
                let limits = limits
                guard var frame = try framer.next({ (header) throws(PDUError) in try limits.check(header) })
                else { return }
                statistics.packetsIn &+= 1
                receive(frame.header, &frame.pdu)
            } catch {
                refuse(error)
            }
        }
    }

    private mutating func receive(_ header: PDUHeader, _ pdu: inout [UInt8]) {
        switch (header.type, state) {
        case (_, .closed): break
        case (.bind, _): receiveBind(header, pdu)
        case (.request, .unbound), (.alterContext, .unbound), (.auth3, .unbound):
            fail(header.callID, .protocolError, didNotExecute: true, .protocolViolation("\(header.type) before a bind"))
        case (.request, .bound), (.request, .draining): receiveRequest(header, &pdu)
        case (.alterContext, .bound), (.alterContext, .draining): receiveAlterContext(header, pdu)
        case (.auth3, .bound), (.auth3, .draining): receiveAuth3(header, pdu)
        case (.cancel, _):
            if calls[header.callID] != nil { actions.append(.cancel(callID: header.callID)) }
        case (.orphaned, _):
            if let call = calls.removeValue(forKey: header.callID) {
                // It weighs until it has ended, or orphans without number could be kept busy.
                actions.append(.abandon(callID: header.callID, serial: call.serial))
                closeIfDrained()
            }
        case (.response, _), (.fault, _), (.bindAck, _), (.bindNak, _), (.alterContextResponse, _), (.shutdown, _):
            close(.protocolViolation("\(header.type) from a client"))
        }
    }

    /// Answers octets that are no PDU as well as can be, and closes.
    private mutating func refuse(_ error: PDUError) {
        switch error {
        case .version(_, _, let callID, let type), .fragmentLength(_, let callID, let type),
            .authLength(_, let callID, let type):
            switch type {
            case .bind:
                send(BindNakPDU(reason: .protocolVersionNotSupported).encoded(callID: callID))
            case .request:
                sendFault(callID: callID, contextID: 0, .protocolError, didNotExecute: false)
            case .alterContext, .auth3:
                sendFault(callID: callID, contextID: 0, .protocolError, didNotExecute: true)
            case .response, .fault, .bindAck, .bindNak, .alterContextResponse, .shutdown, .cancel, .orphaned:
                break
            }
        case .type, .representation, .truncated, .malformed, .authPadding:
            break
        }
        close(.malformed(error))
    }
}

extension AssociationLimits {
    /// Judges a header before its PDU is waited for.
    func check(_ header: PDUHeader) throws(PDUError) {
        let maximum =
            switch header.type {
            case .bind, .alterContext, .auth3: maximumBind
            case .request, .cancel, .orphaned: maximumFragment
            case .response, .fault, .bindAck, .bindNak, .alterContextResponse, .shutdown: PDUHeader.size
            }
        guard header.fragmentLength <= maximum else {
            throw .fragmentLength(header.fragmentLength, callID: header.callID, type: header.type)
        }
    }
}

// MARK: Output

extension Association {
    private mutating func takeActions() -> [AssociationAction] {
        let taken = actions
        actions = []
        return taken
    }

    mutating func send(_ pdu: [UInt8]) {
        statistics.packetsOut &+= 1
        actions.append(.send(pdu))
    }

    mutating func close(_ reason: CloseReason) {
        guard state != .closed else { return }
        connectionClosed(keeping: reason)
    }

    private mutating func connectionClosed(keeping reason: CloseReason) {
        let pending = actions
        connectionClosed()
        actions = pending + [.close(reason)]
    }

    mutating func sendFault(callID: UInt32, contextID: UInt16, _ fault: RPCFault, didNotExecute: Bool) {
        send(FaultPDU(contextID: contextID, fault: fault, didNotExecute: didNotExecute).encoded(callID: callID))
    }

    /// Answers with a fault and closes.
    mutating func fail(
        _ callID: UInt32, contextID: UInt16 = 0, _ fault: RPCFault, didNotExecute: Bool = false, _ reason: CloseReason
    ) {
        sendFault(callID: callID, contextID: contextID, fault, didNotExecute: didNotExecute)
        close(reason)
    }

    mutating func refuseBind(_ callID: UInt32, _ reason: BindNakPDU.Reason) {
        send(BindNakPDU(reason: reason).encoded(callID: callID))
        close(.bindRefused(reason))
    }

    mutating func closeIfDrained() {
        guard state == .draining, calls.isEmpty else { return }
        send(BarePDU.encoded(.shutdown, callID: 0))
        close(.shutdown)
    }
}
