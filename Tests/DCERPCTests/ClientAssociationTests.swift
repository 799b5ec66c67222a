import NDR
import Security
import Testing

@testable import DCERPC

@Suite struct ClientAssociationTests {
    private static let features = PresentationResult.features(.supported)

    /// What a server sends.
    private enum Server {
        static func ack(
            _ results: [PresentationResult] = [.accepted(.ndr20), features], callID: UInt32 = 1,
            fragment: UInt16 = 5840,
            flags: PDUFlags = [.whole, .concurrentMultiplexing], token: [UInt8]? = nil, type: PDUType = .bindAck
        ) -> [UInt8] {
            BindAckPDU(
                maximumTransmit: fragment, maximumReceive: fragment, associationGroup: 7, secondaryAddress: "135",
                results: results, token: token.map { Client.token(value: $0) }
            ).encoded(as: type, flags: flags, callID: callID)
        }

        static func response(
            _ callID: UInt32, _ stub: [UInt8], flags: PDUFlags = .whole, security: MessageSecurity? = nil
        ) -> [UInt8] {
            var writer = PDUWriter(.response, flags: flags, callID: callID)
            writer.write(UInt32(stub.count))
            writer.write(UInt32(0))
            writer.write(octets: stub)
            guard let security else { return writer.finish() }
            guard let pdu = try? security.seal(writer, stubOffset: ResponseFields.size) else {
                fatalError("not signed")
            }
            return pdu
        }
    }

    private func bound(
        flags: PDUFlags = [.whole, .concurrentMultiplexing], maximumResponse: Int = 1000
    ) -> (ClientAssociation, NegotiatedContext) {
        var client = ClientAssociation(maximumResponse: maximumResponse)
        _ = client.negotiate(.management, transferSyntaxes: [.ndr20], security: nil)
        let actions = client.receive(Server.ack(flags: flags))
        guard case .negotiated(.success(let context)) = actions.first else { fatalError("not bound") }
        return (client, context)
    }

    private func secured() -> (ClientAssociation, NegotiatedContext) {
        var client = ClientAssociation()
        _ = client.negotiate(
            .management, transferSyntaxes: [.ndr20], security: .init(type: .ntlm, level: .packetPrivacy, token: [1]))
        _ = client.receive(Server.ack(token: [2]))
        let actions = client.initiated(.success(.complete(reply: [3], context: TestSecurityContext())))
        guard case .negotiated(.success(let context)) = actions.last else { fatalError("not bound") }
        return (client, context)
    }

    private func answer(_ stub: [UInt8]) -> Result<CallAnswer, CallFailure> {
        .success(CallAnswer(stub: stub, representation: .littleEndianASCIIIEEE))
    }

    // MARK: Negotiation

    @Test func bindsWithItsFeatures() throws {
        var client = ClientAssociation()
        let actions = client.negotiate(.epmapper, transferSyntaxes: [.ndr20], security: nil)
        #expect(
            actions == [
                .send(
                    Client.bind(
                        [Client.offer(0, .epmapper), Client.offer(1, .epmapper, [BindTimeFeatures.supported.syntax])],
                        flags: [.whole, .concurrentMultiplexing]))
            ])
        #expect(
            client.receive(Server.ack()) == [
                .negotiated(.success(NegotiatedContext(contextID: 0, securityID: nil)))
            ])
        #expect(client.group == 7)
        #expect(client.features == .supported)
    }

    @Test func endsThreeLegsWithAuth3() throws {
        var client = ClientAssociation()
        _ = client.negotiate(
            .management, transferSyntaxes: [.ndr20], security: .init(type: .ntlm, level: .packetPrivacy, token: [1]))
        #expect(client.receive(Server.ack(token: [2])) == [.initiate(token: [2])])
        #expect(
            client.initiated(.success(.complete(reply: [3], context: TestSecurityContext()))) == [
                .send(Auth3PDU(token: Client.token(value: [3])).encoded(callID: 1)),
                .negotiated(.success(NegotiatedContext(contextID: 0, securityID: 1))),
            ])
    }

    @Test func endsFourLegsWithAlterContext() throws {
        var client = ClientAssociation()
        _ = client.negotiate(
            .management, transferSyntaxes: [.ndr20], security: .init(type: .spnego, level: .packetPrivacy, token: [1]))
        #expect(client.receive(Server.ack(token: [2])) == [.initiate(token: [2])])
        let leg = client.initiated(.success(.complete(reply: [3], context: TestSecurityContext())))
        guard case .send(let pdu) = leg.first, leg.count == 1 else {
            Issue.record("no leg")
            return
        }
        #expect(try PDUHeader(pdu).type == .alterContext)
        #expect(try BindPDU(try PDUHeader(pdu), of: pdu).token?.value == [3])
        // The server's last answer has an empty token, or none.
        #expect(
            client.receive(Server.ack([.accepted(.ndr20)], token: [], type: .alterContextResponse)) == [
                .negotiated(.success(NegotiatedContext(contextID: 0, securityID: 1)))
            ])
    }

    /// The server decides how long a token is that repeats its own words; one that fits into no PDU ends the connection.
    @Test(arguments: [AuthenticationType.ntlm, .spnego], [true, false])
    func aTokenMustFitIntoAPDU(type: AuthenticationType, isLast: Bool) throws {
        for (length, fits) in [(ClientAssociation.longestToken, true), (ClientAssociation.longestToken + 1, false)] {
            var client = ClientAssociation()
            _ = client.negotiate(
                .management, transferSyntaxes: [.ndr20], security: .init(type: type, level: .packetPrivacy, token: [1]))
            let ack = BindAckPDU(
                maximumTransmit: 5840, maximumReceive: 5840, associationGroup: 7, secondaryAddress: "135",
                results: [.accepted(.ndr20)], token: Client.token(type: type, value: [2]))
            _ = client.receive(ack.encoded(as: .bindAck, flags: [.whole, .concurrentMultiplexing], callID: 1))
            let token = [UInt8](repeating: 3, count: length)
            let step =
                isLast
                ? SecurityStep.complete(reply: token, context: TestSecurityContext()) : .continueNeeded(reply: token)
            let actions = client.initiated(.success(step))
            let isSent = actions.contains { if case .send = $0 { true } else { false } }
            #expect(isSent == fits)
            let error = RPCClientError.security(.unacceptable("a token of \(length) octets fits into no PDU"))
            #expect(actions.contains(.close(error)) == !fits)
        }
    }

    @Test func goesOnWhileTheInitiatorWants() throws {
        var client = ClientAssociation()
        _ = client.negotiate(
            .management, transferSyntaxes: [.ndr20], security: .init(type: .spnego, level: .packetPrivacy, token: [1]))
        _ = client.receive(Server.ack(token: [2]))
        #expect(client.initiated(.success(.continueNeeded(reply: [3]))).count == 1)
        #expect(
            client.receive(Server.ack([.accepted(.ndr20)], token: [4], type: .alterContextResponse)) == [
                .initiate(token: [4])
            ])
        #expect(
            client.initiated(.success(.complete(reply: nil, context: TestSecurityContext()))) == [
                .negotiated(.success(NegotiatedContext(contextID: 0, securityID: 1)))
            ])
    }

    @Test func oneNegotiationAtATime() {
        var client = ClientAssociation()
        _ = client.negotiate(.management, transferSyntaxes: [.ndr20], security: nil)
        #expect(
            client.negotiate(.epmapper, transferSyntaxes: [.ndr20], security: nil) == [.negotiated(.failure(.busy))])
    }

    @Test func failsWithWhatTheServerSays() {
        for (pdu, error) in [
            (BindNakPDU(reason: .invalidChecksum).encoded(callID: 1), RPCClientError.bindRefused(.invalidChecksum)),
            (
                FaultPDU(contextID: 0, fault: .accessDenied, didNotExecute: true).encoded(callID: 1),
                .negotiationFault(.accessDenied)
            ),
            (Server.ack([.rejected(.abstractSyntaxNotSupported)]), .contextRejected(.abstractSyntaxNotSupported)),
            (Server.ack([.userRejected(reason: 1)]), .contextRejected(.notSpecified)),
            (Server.ack([.accepted(.ndr64)]), .protocolViolation("a wrong result list")),
            (Server.ack([]), .protocolViolation("a wrong result list")),
            (Server.ack(callID: 2), .protocolViolation("bindAck without its question")),
            (Server.ack(fragment: 1016), .protocolViolation("fragments of 1016 octets")),
        ] {
            var client = ClientAssociation()
            _ = client.negotiate(.management, transferSyntaxes: [.ndr20], security: nil)
            #expect(client.receive(pdu) == [.negotiated(.failure(error)), .close(error)])
            #expect(client.receive(pdu) == [])
        }
        var client = ClientAssociation()
        _ = client.negotiate(.management, transferSyntaxes: [.ndr20], security: nil)
        #expect(client.receive(Server.ack(fragment: 1024)).count == 1)
    }

    @Test func failsIfTheServerBreaksTheAuthenticationOff() {
        var client = ClientAssociation()
        let offer = ClientAssociation.SecurityOffer(type: .ntlm, level: .packetPrivacy, token: [1])
        _ = client.negotiate(.management, transferSyntaxes: [.ndr20], security: offer)
        #expect(
            client.receive(Server.ack()) == [
                .negotiated(.failure(.authenticationIncomplete)), .close(.authenticationIncomplete),
            ])
        client = ClientAssociation()
        _ = client.negotiate(.management, transferSyntaxes: [.ndr20], security: offer)
        _ = client.receive(Server.ack(token: [2]))
        let error = RPCClientError.security(.unacceptable("it"))
        #expect(client.initiated(.failure(.unacceptable("it"))) == [.negotiated(.failure(error)), .close(error)])
    }

    @Test func aRejectedSecondContextLeavesTheFirst() {
        var (client, context) = bound()
        _ = client.negotiate(.unknown, transferSyntaxes: [.ndr20], security: nil)
        #expect(
            client.receive(
                Server.ack([.rejected(.abstractSyntaxNotSupported)], callID: 2, type: .alterContextResponse)) == [
                    .negotiated(.failure(.contextRejected(.abstractSyntaxNotSupported)))
                ])
        #expect(client.call(context, opnum: 0, object: nil, stub: []).actions.count == 1)
    }

    // MARK: Calls

    @Test func callsAndIsAnswered() throws {
        var (client, context) = bound()
        let object: GUID = "00112233-4455-6677-8899-aabbccddeeff"
        let (callID, actions) = client.call(context, opnum: 4, object: object, stub: [1, 2])
        #expect(
            actions == [
                .send(
                    octets(
                        """
                        05000083 10000000 2a000000 02000000 02000000 0000 0400 33221100554477668899aabbccddeeff 0102
                        """))
            ])
        #expect(client.receive(Server.response(callID, [9])) == [.complete(callID: callID, answer([9]))])
    }

    @Test func joinsFragmentsFedOctetByOctet() {
        var (client, context) = bound()
        let (callID, _) = client.call(context, opnum: 0, object: nil, stub: [])
        let stream =
            Server.response(callID, [1, 2], flags: .firstFragment) + Server.response(callID, [3], flags: [])
            + Server.response(callID, [4], flags: .lastFragment)
        var actions: [ClientAssociationAction] = []
        for octet in stream { actions += client.receive([octet]) }
        #expect(actions == [.complete(callID: callID, answer([1, 2, 3, 4]))])
    }

    @Test func readsBigEndianAnswers() {
        var (client, context) = bound()
        let (callID, _) = client.call(context, opnum: 0, object: nil, stub: [])
        #expect(callID == 2)
        #expect(
            client.receive(octets("05000203 00000000 001a0000 00000002 00000002 0000 0000 0102")) == [
                .complete(
                    callID: 2, .success(CallAnswer(stub: [1, 2], representation: .bigEndianASCIIIEEE)))
            ])
    }

    @Test func limitsAnswers() {
        for (length, isTaken) in [(1000, true), (1001, false)] {
            var (client, context) = bound(maximumResponse: 1000)
            let (callID, _) = client.call(context, opnum: 0, object: nil, stub: [])
            let stub = [UInt8](repeating: 0, count: length)
            let error = RPCClientError.responseTooLong(limit: 1000)
            #expect(
                client.receive(Server.response(callID, stub))
                    == (isTaken
                        ? [.complete(callID: callID, answer(stub))]
                        : [.complete(callID: callID, .failure(.association(error))), .close(error)]))
        }
    }

    @Test func aFaultEndsItsCallOnly() {
        var (client, context) = bound()
        let (first, _) = client.call(context, opnum: 0, object: nil, stub: [])
        let (second, _) = client.call(context, opnum: 0, object: nil, stub: [])
        #expect(
            client.receive(FaultPDU(contextID: 0, fault: .operationRange, didNotExecute: true).encoded(callID: first))
                == [
                    .complete(callID: first, .failure(.fault(.operationRange, didNotExecute: true)))
                ])
        #expect(client.receive(Server.response(second, [])) == [.complete(callID: second, answer([]))])
    }

    @Test func queuesWhereTheServerDoesNotMultiplex() {
        var (client, context) = bound(flags: .whole)
        let (first, sent) = client.call(context, opnum: 0, object: nil, stub: [])
        let (second, held) = client.call(context, opnum: 0, object: nil, stub: [])
        let (third, _) = client.call(context, opnum: 0, object: nil, stub: [])
        #expect(sent.count == 1)
        #expect(held.isEmpty)
        #expect(client.abandon(second) == [])
        let actions = client.receive(Server.response(first, [1]))
        #expect(actions.first == .complete(callID: first, answer([1])))
        guard case .send(let pdu) = actions.last else {
            Issue.record("the third was not sent")
            return
        }
        #expect(pdu[12] == UInt8(third))
        #expect(
            client.connectionClosed() == [.complete(callID: third, .failure(.association(.closed)))])
        #expect(client.call(context, opnum: 0, object: nil, stub: []).actions.count == 1)
    }

    @Test func cancelsAndStillTakesTheAnswer() {
        var (client, context) = bound()
        let (callID, _) = client.call(context, opnum: 0, object: nil, stub: [])
        #expect(client.abandon(callID) == [.send(octets("05001203 10000000 10000000 02000000"))])
        #expect(client.receive(Server.response(callID, [])) == [.complete(callID: callID, answer([]))])
    }

    // MARK: Security

    @Test func verifiesAnswers() {
        var (client, context) = secured()
        let server = Client.security()
        let (first, _) = client.call(context, opnum: 0, object: nil, stub: [1])
        #expect(
            client.receive(Server.response(first, [1, 2, 3], security: server)) == [
                .complete(callID: first, answer([1, 2, 3]))
            ])
        let (second, _) = client.call(context, opnum: 0, object: nil, stub: [1])
        var altered = Server.response(second, [1, 2, 3], security: server)
        altered[24] ^= 1
        let error = RPCClientError.security(.messageAltered)
        #expect(
            client.receive(altered) == [.complete(callID: second, .failure(.association(error))), .close(error)])
    }

    @Test func takesNoAnswerWithoutItsSignature() {
        var (client, context) = secured()
        let (callID, _) = client.call(context, opnum: 0, object: nil, stub: [1])
        let error = RPCClientError.protocolViolation("a response without a signature")
        #expect(
            client.receive(Server.response(callID, [1])) == [
                .complete(callID: callID, .failure(.association(error))), .close(error),
            ])
    }

    // MARK: What a server must not send

    @Test func closesOnWrongPDUs() {
        let wrong: [([UInt8], RPCClientError)] = [
            (Server.response(99, []), .protocolViolation("a response to no call")),
            (
                FaultPDU(contextID: 0, fault: .accessDenied, didNotExecute: false).encoded(callID: 99),
                .protocolViolation("a fault of no call")
            ),
            (BindNakPDU(reason: .notSpecified).encoded(callID: 1), .protocolViolation("a bind_nak without a bind")),
            (Server.ack(), .protocolViolation("bindAck without its question")),
            (
                Server.ack(type: .alterContextResponse),
                .protocolViolation("alterContextResponse without its question")
            ),
            (Client.request(), .protocolViolation("request from a server")),
            (Client.bind(), .protocolViolation("bind from a server")),
            (BarePDU.encoded(.shutdown, callID: 0), .closed),
            (
                octets("04000203 10000000 10000000 00000000"),
                .malformed(.version(major: 4, minor: 0, callID: 0, type: .response))
            ),
            (
                octets("05000203 10000000 d1160000 00000000"),
                .malformed(.fragmentLength(5841, callID: 0, type: .response))
            ),
        ]
        for (pdu, error) in wrong {
            var (client, _) = bound()
            #expect(client.receive(pdu) == [.close(error)])
            (client, _) = secured()
            #expect(client.receive(pdu) == [.close(error)])
        }
    }

    @Test func closesOnMixedFragments() {
        for flags: PDUFlags in [[], .lastFragment] {
            var (client, context) = bound()
            let (callID, _) = client.call(context, opnum: 0, object: nil, stub: [])
            #expect(client.receive(Server.response(callID, [], flags: flags)).count == 2)
        }
        var (client, context) = bound()
        let (callID, _) = client.call(context, opnum: 0, object: nil, stub: [])
        #expect(client.receive(Server.response(callID, [], flags: .firstFragment)) == [])
        #expect(client.receive(Server.response(callID, [], flags: .firstFragment)).count == 2)
    }
}
