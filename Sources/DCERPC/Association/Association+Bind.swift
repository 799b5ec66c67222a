import NDR
import Security

/// A token that is with its acceptor, and what is to be done when it comes back.
struct AwaitedToken: Sendable {
    enum Purpose: Sendable {
        /// Answer a bind or an alter_context (`response` says which) with this.
        case answer(BindAckPDU, as: PDUType, flags: PDUFlags)
        /// An auth3, which has no answer.
        case auth3
    }

    let callID: UInt32
    let trailer: SecurityTrailer
    let purpose: Purpose

    var contextID: UInt32 { trailer.contextID }
}

// MARK: bind

extension Association {
    mutating func receiveBind(_ header: PDUHeader, _ pdu: [UInt8]) {
        let bind: BindPDU
        do throws(PDUError) {
            bind = try BindPDU(header, of: pdu)
        } catch {
            send(BindNakPDU(reason: .protocolVersionNotSupported).encoded(callID: header.callID))
            return close(.malformed(error))
        }
        guard state == .unbound, Self.isWellFormed(bind.offers) else {
            return refuseBind(header.callID, .notSpecified)
        }
        if let trailer = bind.token?.trailer {
            // [C706] has no number for a level that does not exist, nor for a token at the level "none".
            guard MessageSecurity.level(of: trailer.level) != nil else {
                return refuseBind(header.callID, .notSpecified)
            }
            guard environment.supports(trailer.type) else {
                return refuseBind(header.callID, .authenticationTypeNotRecognized)
            }
        }
        guard bind.offers.count <= limits.maximumPresentationContexts else {
            return refuseBind(header.callID, .localLimitExceeded)
        }
        guard let group = environment.joinGroup(bind.associationGroup) else {
            return refuseBind(header.callID, .notSpecified)
        }
        self.group = group
        maximumFragment = limits.negotiatedFragment(bind)
        isMultiplexed = header.flags.contains(.concurrentMultiplexing)
        var flags = answerFlags(header)
        if isMultiplexed { flags.insert(.concurrentMultiplexing) }
        state = .bound

        guard let results = negotiate(bind.offers, isBind: true) else {
            // Only a second offer by the same number can contradict the first.
            return refuseBind(header.callID, .notSpecified)
        }
        let answer = acknowledgement(results, secondaryAddress: secondaryAddress)
        if let token = bind.token {
            securityContexts.begin(token.trailer, isDefault: true)
            askProvider(token, callID: header.callID, .answer(answer, as: .bindAck, flags: flags))
        } else {
            send(answer.encoded(as: .bindAck, flags: flags, callID: header.callID))
        }
    }

    /// A list of offers that an answer can be given to: not empty, each with a transfer syntax, at most one of them features.
    private static func isWellFormed(_ offers: [PresentationContextOffer]) -> Bool {
        !offers.isEmpty && offers.allSatisfy { !$0.transferSyntaxes.isEmpty }
            && offers.count { $0.transferSyntaxes.first.map { BindTimeFeatures($0) != nil } ?? false } <= 1
    }

    /// The flags of an answer: the client's ability to sign headers is acknowledged, as our providers can.
    private mutating func answerFlags(_ header: PDUHeader) -> PDUFlags {
        guard header.flags.contains(.supportHeaderSigning) else { return .whole }
        if !signsHeaders { signHeaders() }
        return [.whole, .supportHeaderSigning]
    }

    /// Signs headers from now on. Windows does so from the PDU that asks for it, in whatever is still under way.
    private mutating func signHeaders() {
        signsHeaders = true
        securityContexts.signHeaders()
        partialRequest?.security?.signsHeader = true
        for id in calls.keys { calls[id]?.security?.signsHeader = true }
    }

    private func acknowledgement(_ results: [PresentationResult], secondaryAddress: String) -> BindAckPDU {
        BindAckPDU(
            maximumTransmit: UInt16(maximumFragment), maximumReceive: UInt16(maximumFragment), associationGroup: group,
            secondaryAddress: secondaryAddress, results: results)
    }

    /// Decides on each offer; nil if one contradicts a context that exists, which is a violation of the protocol.
    private mutating func negotiate(_ offers: [PresentationContextOffer], isBind: Bool) -> [PresentationResult]? {
        var results: [PresentationResult] = []
        results.reserveCapacity(offers.count)
        var accepted: Set<SyntaxIdentifier> = []
        // Chosen once for each interface: a list of hundreds of offers for one would take hundreds of looks at all of it.
        var choices: [SyntaxIdentifier: TransferSyntax?] = [:]
        for offer in offers {
            if isBind, let offered = offer.transferSyntaxes.first.flatMap({ BindTimeFeatures($0) }) {
                features = offered.intersection(.supported)
                results.append(.features(features))
                continue
            }
            let existing = presentationContexts[offer.id]
            if let existing, existing.abstractSyntax != offer.abstractSyntax { return nil }
            guard let interface = environment.interface(serving: offer.abstractSyntax) else {
                results.append(.rejected(.abstractSyntaxNotSupported))
                continue
            }
            let chosen = choices[offer.abstractSyntax] ?? select(offer.abstractSyntax, of: interface, among: offers)
            choices.updateValue(chosen, forKey: offer.abstractSyntax)
            guard let transfer = chosen,
                offer.transferSyntaxes.contains(transfer.identifier), accepted.insert(offer.abstractSyntax).inserted
            else {
                results.append(.rejected(.transferSyntaxesNotSupported))
                continue
            }
            if let existing, existing.transferSyntax != transfer { return nil }
            presentationContexts[offer.id] = PresentationContext(
                abstractSyntax: offer.abstractSyntax, interface: interface, transferSyntax: transfer)
            results.append(.accepted(transfer.identifier))
        }
        return results
    }

    /// The transfer syntax of an interface: ours that is preferred, if it is proposed, or else the first proposed one that is
    /// spoken. Several offers of one interface are one offer of several transfer syntaxes ([MS-RPCE] 3.3.1.5.6).
    private func select(
        _ abstractSyntax: SyntaxIdentifier, of interface: SyntaxIdentifier, among offers: [PresentationContextOffer]
    ) -> TransferSyntax? {
        let ours = environment.transferSyntaxes(of: interface)
        var first: TransferSyntax?
        for offer in offers where offer.abstractSyntax == abstractSyntax {
            for syntax in offer.transferSyntaxes {
                guard let syntax = TransferSyntax(syntax), ours.contains(syntax) else { continue }
                if syntax == ours.first { return syntax }
                first = first ?? syntax
            }
        }
        return first
    }
}

// MARK: alter_context and auth3

extension Association {
    mutating func receiveAlterContext(_ header: PDUHeader, _ pdu: [UInt8]) {
        func violation(_ text: String) -> CloseReason { .protocolViolation("alter_context: \(text)") }
        let alter: BindPDU
        do throws(PDUError) {
            alter = try BindPDU(header, of: pdu)
        } catch {
            return fail(header.callID, .protocolError, didNotExecute: true, .malformed(error))
        }
        guard Self.isWellFormed(alter.offers) else {
            return fail(header.callID, .protocolError, didNotExecute: true, violation("no contexts"))
        }
        // What is no provider or no level at all, Windows sees before it looks at the contexts; all else after that.
        if let trailer = alter.token?.trailer {
            guard trailer.type != .none, MessageSecurity.level(of: trailer.level) != nil else {
                return fail(header.callID, .accessDenied, didNotExecute: true, .authenticationFailed)
            }
        }
        let new = Set(alter.offers.map(\.id)).subtracting(presentationContexts.keys).count
        guard presentationContexts.count + new <= limits.maximumPresentationContexts else {
            return refuseBind(header.callID, .localLimitExceeded)
        }
        guard let results = negotiate(alter.offers, isBind: false) else {
            return fail(header.callID, .protocolError, didNotExecute: true, violation("a context changes its meaning"))
        }
        // Fragment sizes and group are those of the bind, whatever an alter_context says; it has no secondary address.
        let answer = acknowledgement(results, secondaryAddress: "")
        let flags = answerFlags(header)
        guard let token = alter.token else {
            return send(answer.encoded(as: .alterContextResponse, flags: flags, callID: header.callID))
        }
        guard admit(token.trailer, callID: header.callID) else { return }
        askProvider(token, callID: header.callID, .answer(answer, as: .alterContextResponse, flags: flags))
    }

    /// Decides whether an alter_context's token may begin or continue a security context; answers and closes if not.
    private mutating func admit(_ trailer: SecurityTrailer, callID: UInt32) -> Bool {
        switch securityContexts[trailer.contextID] {
        case .negotiating(let type, let levelOctet):
            guard levelOctet == trailer.level else {
                fail(callID, .accessDenied, didNotExecute: true, .authenticationFailed)
                return false
            }
            guard type == trailer.type else {
                fail(callID, .securityPackage, didNotExecute: true, .authenticationFailed)
                return false
            }
        case .established, .failed:
            fail(callID, .accessDenied, didNotExecute: true, .authenticationFailed)
            return false
        case nil:
            guard securityContexts.count < limits.maximumSecurityContexts else {
                fail(callID, .protocolError, didNotExecute: true, .limitExceeded("security contexts"))
                return false
            }
            guard securityContexts.unfinished < limits.maximumUnfinishedContexts else {
                fail(callID, .protocolError, didNotExecute: true, .limitExceeded("unfinished security contexts"))
                return false
            }
            guard environment.supports(trailer.type) else {
                fail(callID, .accessDenied, didNotExecute: true, .authenticationFailed)
                return false
            }
            securityContexts.begin(trailer, isDefault: false)
        }
        return true
    }

    mutating func receiveAuth3(_ header: PDUHeader, _ pdu: [UInt8]) {
        let auth3: Auth3PDU
        do throws(PDUError) {
            auth3 = try Auth3PDU(header, of: pdu)
        } catch {
            let fault = if case .authPadding = error { RPCFault.remoteNoMemory } else { RPCFault.protocolError }
            return fail(header.callID, fault, didNotExecute: true, .malformed(error))
        }
        let trailer = auth3.token.trailer
        guard case .negotiating(let type, let levelOctet) = securityContexts[trailer.contextID],
            type == trailer.type, levelOctet == trailer.level
        else {
            return fail(
                header.callID, .protocolError, didNotExecute: true, .protocolViolation("auth3 without an exchange"))
        }
        askProvider(auth3.token, callID: header.callID, .auth3)
    }
}

// MARK: Tokens

extension Association {
    private mutating func askProvider(_ token: AuthenticationToken, callID: UInt32, _ purpose: AwaitedToken.Purpose) {
        awaitedToken = AwaitedToken(callID: callID, trailer: token.trailer, purpose: purpose)
        actions.append(
            .authenticate(contextID: token.trailer.contextID, type: token.trailer.type, token: token.value))
    }

    mutating func finish(_ awaited: AwaitedToken, _ result: TokenResult) {
        let trailer = awaited.trailer
        let reply: [UInt8]?
        switch result {
        case .refused:
            return refuse(awaited)
        case .step(.continueNeeded(let token)):
            // An auth3 is the last leg by definition: who needs another one has failed.
            if case .auth3 = awaited.purpose { return refuse(awaited) }
            reply = token
        case .step(.complete(let token, let context)):
            // What the level needs was not agreed on: better told now, as Windows does, than by the first call.
            guard let level = MessageSecurity.level(of: trailer.level), context.supports(level) else {
                return refuse(awaited)
            }
            securityContexts[trailer.contextID] = .established(
                MessageSecurity(
                    contextID: trailer.contextID, type: trailer.type, levelOctet: trailer.level, level: level,
                    signsHeader: signsHeaders, context: context))
            reply = token
        }
        switch awaited.purpose {
        case .auth3:
            break
        case .answer(var answer, let type, let flags):
            answer.token = AuthenticationToken(trailer: trailer, value: reply ?? [])
            send(answer.encoded(as: type, flags: flags, callID: awaited.callID))
        }
    }

    private mutating func refuse(_ awaited: AwaitedToken) {
        securityContexts[awaited.contextID] = .failed
        switch awaited.purpose {
        case .answer(_, as: .bindAck, _):
            send(BindNakPDU(reason: .invalidChecksum).encoded(callID: awaited.callID))
            close(.authenticationFailed)
        case .answer:
            fail(awaited.callID, .securityPackage, didNotExecute: true, .authenticationFailed)
        case .auth3:
            // It has no answer; the first request will have one ([MS-RPCE] 3.3.1.5.2.1).
            break
        }
    }
}
