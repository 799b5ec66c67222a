import DCERPC
import NDR
import Security

/// A message that is being put together from its fragments.
struct Assembly {
    /// What tells the messages in flight on one association apart.
    struct Key: Hashable {
        let callID: UInt32
        let isRequest: Bool
    }

    /// The call's place.
    let call: Int
    var message: CapturedMessage
    var octets: [UInt8] = []
    /// Why one of the fragments cannot be read.
    var problem: String?
}

extension AssociationFollower {
    mutating func request(_ header: PDUHeader, _ pdu: [UInt8], _ time: CaptureTime) throws(PDUError) {
        guard let association else { return }
        let fields = try RequestFields(header, of: pdu)
        let trailer = try SecurityTrailer(header, of: pdu, bodyOffset: fields.stubOffset)
        let key = Assembly.Key(callID: header.callID, isRequest: true)
        if header.flags.contains(.firstFragment) {
            store(key, isComplete: false)
            let meaning = meaning(of: fields.contextID)
            var call = CapturedCall(
                id: builder.traffic.calls.count, association: association, position: position, callID: header.callID,
                presentationContext: fields.contextID, interface: meaning?.interface, transferSyntax: meaning?.syntax,
                opnum: fields.opnum, object: fields.object)
            position += 1
            call.protection = trailer.map { .init(contextID: $0.contextID, provider: $0.type, level: $0.level) }
            call.flags = header.flags
            if header.flags.contains(.maybe) { call.outcome = .none }
            calls[header.callID] = builder.traffic.calls.count
            begin(key, builder.traffic.calls.count, header, fields.allocationHint, time)
            builder.traffic.calls.append(call)
        } else if assemblies[key] == nil {
            remarkOnce("a request's first fragment is missing", time)
        }
        append(key, header, pdu, stubOffset: fields.stubOffset, trailer, time)
    }

    mutating func response(_ header: PDUHeader, _ pdu: [UInt8], _ time: CaptureTime) throws(PDUError) {
        guard let association else { return }
        let fields = try ResponseFields(header, of: pdu)
        let trailer = try SecurityTrailer(header, of: pdu, bodyOffset: ResponseFields.size)
        let key = Assembly.Key(callID: header.callID, isRequest: false)
        if header.flags.contains(.firstFragment) {
            store(key, isComplete: false)
            let index = calls[header.callID] ?? lonely(header, fields.contextID, association, time)
            if builder.traffic.calls[index].protection == nil {
                builder.traffic.calls[index].protection = trailer.map {
                    .init(contextID: $0.contextID, provider: $0.type, level: $0.level)
                }
            }
            begin(key, index, header, fields.allocationHint, time)
        } else if assemblies[key] == nil {
            remarkOnce("a response's first fragment is missing", time)
        }
        append(key, header, pdu, stubOffset: ResponseFields.size, trailer, time)
        if header.flags.contains(.lastFragment) { calls[header.callID] = nil }
    }

    mutating func fault(_ header: PDUHeader, _ pdu: [UInt8], _ time: CaptureTime) throws(PDUError) {
        guard let association else { return }
        let fault = try FaultPDU(header, of: pdu)
        // Some servers sign faults as they sign responses, which moves the key stream of the security context on.
        if let trailer = try SecurityTrailer(header, of: pdu, bodyOffset: ResponseFields.size) {
            _ = open(header, pdu, stubOffset: ResponseFields.size, trailer, fromClient: false, time)
        }
        if calls[header.callID] == nil, settle(header.callID, .fault(fault.fault)) { return }
        let index = calls.removeValue(forKey: header.callID) ?? lonely(header, fault.contextID, association, time)
        assemblies[Assembly.Key(callID: header.callID, isRequest: false)] = nil
        store(Assembly.Key(callID: header.callID, isRequest: true), isComplete: false)
        builder.traffic.calls[index].outcome = .fault(fault.fault, didNotExecute: fault.didNotExecute, at: time)
    }

    /// Changes a call in flight.
    func mark(_ callID: UInt32, _ change: (inout CapturedCall) -> Void) {
        guard let index = calls[callID] else { return }
        change(&builder.traffic.calls[index])
    }

    /// A call whose request is not in the capture.
    private mutating func lonely(
        _ header: PDUHeader, _ contextID: UInt16, _ association: Int, _ time: CaptureTime
    ) -> Int {
        let meaning = meaning(of: contextID)
        let call = CapturedCall(
            id: builder.traffic.calls.count, association: association, position: position, callID: header.callID,
            presentationContext: contextID, interface: meaning?.interface, transferSyntax: meaning?.syntax)
        position += 1
        builder.traffic.calls.append(call)
        remarkOnce("an answer comes without its request", time)
        return builder.traffic.calls.count - 1
    }

    // MARK: Fragments

    private mutating func begin(
        _ key: Assembly.Key, _ call: Int, _ header: PDUHeader, _ hint: UInt32, _ time: CaptureTime
    ) {
        assemblies[key] = Assembly(
            call: call,
            message: CapturedMessage(
                stub: .plain([]), representation: header.representation, fragments: 0, stubLength: 0,
                allocationHint: hint, began: time, ended: time, isComplete: false))
    }

    private mutating func append(
        _ key: Assembly.Key, _ header: PDUHeader, _ pdu: [UInt8], stubOffset: Int, _ trailer: SecurityTrailer?,
        _ time: CaptureTime
    ) {
        let part = open(header, pdu, stubOffset: stubOffset, trailer, fromClient: key.isRequest, time)
        let length = header.trailerOffset - stubOffset - (trailer?.paddingLength ?? 0)
        guard var assembly = assemblies.removeValue(forKey: key) else { return }
        assembly.message.fragments += 1
        assembly.message.stubLength += max(length, 0)
        assembly.message.ended = time
        switch part {
        case .plain(let octets): assembly.octets += octets
        case .unreadable(let reason): assembly.problem = assembly.problem ?? reason
        }
        assemblies[key] = assembly
        if header.flags.contains(.lastFragment) { store(key, isComplete: true) }
    }

    /// Gives a message to its call.
    mutating func store(_ key: Assembly.Key, isComplete: Bool) {
        guard let assembly = assemblies.removeValue(forKey: key), assembly.message.fragments > 0 else { return }
        var message = assembly.message
        message.isComplete = isComplete
        message.stub = assembly.problem.map { .unreadable($0) } ?? .plain(assembly.octets)
        if key.isRequest, isComplete, assembly.problem == nil,
            let offset = VerificationTrailer.offset(in: assembly.octets)
        {
            message.stub = .plain(Array(assembly.octets[..<offset]))
            message.verificationTrailer = Array(assembly.octets[offset...])
        }
        if key.isRequest {
            builder.traffic.calls[assembly.call].request = message
        } else {
            builder.traffic.calls[assembly.call].outcome = .response(message)
        }
    }

    // MARK: Protection

    /// A fragment's stub, unsealed where it has to be and can be.
    private mutating func open(
        _ header: PDUHeader, _ pdu: [UInt8], stubOffset: Int, _ trailer: SecurityTrailer?, fromClient: Bool,
        _ time: CaptureTime
    ) -> CapturedStub {
        let end = header.trailerOffset
        guard stubOffset <= end else { return .unreadable("the fragment ends before its stub") }
        guard let trailer else { return .plain(Array(pdu[stubOffset..<end])) }
        let stub = stubOffset..<max(stubOffset, end - trailer.paddingLength)
        guard let level = AuthenticationLevel(rawValue: trailer.level), level > .none else {
            return .unreadable("there is no authentication level \(trailer.level)")
        }
        guard level > .connect else { return .plain(Array(pdu[stub])) }
        let isSealed = level == .packetPrivacy
        func closed(_ reason: String) -> CapturedStub {
            isSealed ? .unreadable("sealed: \(reason)") : .plain(Array(pdu[stub]))
        }
        switch keys(of: trailer.contextID) {
        case nil: return closed("the capture does not have the authentication of its security context")
        case .failure(let error): return closed(error.description)
        case .success(let context):
            let parts = MessageParts(
                body: stubOffset..<end, authValue: (header.fragmentLength - header.authLength)..<header.fragmentLength,
                signsHeader: signsHeaders)
            var opened = pdu
            do throws(ObservationError) {
                try context.open(&opened, parts, level: level, fromClient: fromClient)
                return .plain(Array(opened[stub]))
            } catch {
                let isLossy = fromClient ? isLossy.client : isLossy.server
                let reason = isLossy ? "octets before it are not in the capture" : error.description
                if !isSealed, !isLossy {
                    remarkOnce(
                        "a message of the \(fromClient ? "client" : "server") is not what was signed: \(error)",
                        time)
                }
                return closed(reason)
            }
        }
    }
}
