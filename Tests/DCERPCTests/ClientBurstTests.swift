import NDR
import Security
import Testing

@testable import DCERPC

/// A long request goes out in bursts; whatever is wanted in the middle of it, the server gets its fragments in order.
@Suite struct ClientBurstTests {
    private let context = NegotiatedContext(contextID: 0, securityID: 1)
    private static let stub = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    /// A client and a server that have agreed on a security context.
    private func pair() throws -> (ClientAssociation, Association) {
        var client = ClientAssociation()
        var server = Association.make()
        let offer = ClientAssociation.SecurityOffer(type: .ntlm, level: .packetPrivacy, token: [1])
        _ = server.receive(
            sent(client.negotiate(.management, transferSyntaxes: [.ndr20], security: offer)))
        let ack = server.authenticated(1, result: .step(.continueNeeded(reply: [2])))
        _ = client.receive(sent(ack))
        _ = server.receive(sent(client.initiated(.success(.complete(reply: [3], context: TestSecurityContext())))))
        _ = server.authenticated(1, result: .step(.complete(reply: nil, context: TestSecurityContext())))
        #expect(server.isAuthenticated)
        return (client, server)
    }

    private func sent(_ actions: [ClientAssociationAction]) -> [UInt8] {
        actions.flatMap { if case .send(let pdu) = $0 { pdu } else { [UInt8]() } }
    }

    private func sent(_ actions: [AssociationAction]) -> [UInt8] {
        actions.flatMap { if case .send(let pdu) = $0 { pdu } else { [UInt8]() } }
    }

    @Test func isMadeBurstByBurst() throws {
        var (client, server) = try pair()
        let (callID, first) = client.call(context, opnum: 7, object: nil, stub: Self.stub)
        var seen = try server.see(sent(first))
        var bursts = [sent(first).count]
        while client.isSending {
            let burst = sent(client.sendOn())
            bursts.append(burst.count)
            seen += try server.see(burst)
        }
        // Each but the last is as long as said, and by less than a fragment longer.
        for burst in bursts.dropLast() {
            #expect((ClientAssociation.burst..<ClientAssociation.burst + 5840).contains(burst))
        }
        #expect(bursts.count == 5)
        #expect(seen == [.dispatch(callID: callID, opnum: 7, stub: Self.stub)])
        #expect(client.sendOn() == [])
    }

    @Test func aSecondCallComesBehindTheFirst() throws {
        var (client, server) = try pair()
        let (long, first) = client.call(context, opnum: 1, object: nil, stub: Self.stub)
        #expect(client.isSending)
        let (short, second) = client.call(context, opnum: 2, object: nil, stub: [5])
        #expect(!client.isSending)
        #expect(
            try server.see(sent(first) + sent(second)) == [
                .dispatch(callID: long, opnum: 1, stub: Self.stub), .dispatch(callID: short, opnum: 2, stub: [5]),
            ])
    }

    @Test func twoLongOnesComeOneAfterTheOther() throws {
        var (client, server) = try pair()
        let (long, first) = client.call(context, opnum: 1, object: nil, stub: Self.stub)
        let (longer, second) = client.call(context, opnum: 2, object: nil, stub: Self.stub + Self.stub)
        var octets = sent(first) + sent(second)
        #expect(client.isSending)
        while client.isSending { octets += sent(client.sendOn()) }
        #expect(
            try server.see(octets) == [
                .dispatch(callID: long, opnum: 1, stub: Self.stub),
                .dispatch(callID: longer, opnum: 2, stub: Self.stub + Self.stub),
            ])
    }

    @Test func whoIsGivenUpIsSentToItsEnd() throws {
        var (client, server) = try pair()
        let (callID, first) = client.call(context, opnum: 1, object: nil, stub: Self.stub)
        let rest = client.abandon(callID)
        #expect(!client.isSending)
        #expect(
            try server.see(sent(first) + sent(rest)) == [
                .dispatch(callID: callID, opnum: 1, stub: Self.stub), .cancel(callID),
            ])
    }

    @Test func aNegotiationComesBehindIt() throws {
        var (client, server) = try pair()
        let (callID, first) = client.call(context, opnum: 1, object: nil, stub: Self.stub)
        let rest = client.negotiate(.epmapper, transferSyntaxes: [.ndr20], security: nil, reusing: 1)
        let seen = try server.see(sent(first) + sent(rest))
        #expect(seen.first == .dispatch(callID: callID, opnum: 1, stub: Self.stub))
        #expect(seen.count == 2)
        guard case .alterResponse([.accepted(.ndr20)], _, _) = seen.last else {
            Issue.record("no answer to the negotiation: \(seen)")
            return
        }
    }

    /// A server may refuse a call whose first fragments it has: the rest has to come all the same, or the next call's
    /// fragments would be taken for its.
    @Test func aRefusalInTheMiddleEndsNoSending() throws {
        var (client, server) = try pair()
        let (callID, first) = client.call(context, opnum: 1, object: nil, stub: Self.stub)
        let fault = FaultPDU(contextID: 0, fault: .serverTooBusy, didNotExecute: true).encoded(callID: callID)
        #expect(
            client.receive(fault) == [
                .complete(callID: callID, .failure(.fault(.serverTooBusy, didNotExecute: true)))
            ])
        #expect(client.isSending)
        var octets = sent(first)
        while client.isSending { octets += sent(client.sendOn()) }
        let (next, second) = client.call(context, opnum: 2, object: nil, stub: [6])
        #expect(
            try server.see(octets + sent(second)).last == .dispatch(callID: next, opnum: 2, stub: [6]))
    }

    @Test func aClosedConnectionEndsIt() throws {
        var (client, _) = try pair()
        let (callID, _) = client.call(context, opnum: 1, object: nil, stub: Self.stub)
        #expect(client.connectionClosed() == [.complete(callID: callID, .failure(.association(.closed)))])
        #expect(!client.isSending)
        #expect(client.sendOn() == [])
    }
}
