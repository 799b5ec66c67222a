import NDR
import NIOCore
import NIOPosix
import Security
import Synchronization
import Testing

@testable import DCERPC

// The known classes of holes in implementations of DCE/RPC, against the state machine alone. The classes are described in our own
// words; a CVE number names the best known case of one. `Tests/Interop/test_known_holes.py` tries the same on a running node.

/// Lengths of a header that contradict each other, and fragments whose sum is more than what was made room for: CVE-2022-26809 is
/// an integer that overflows while fragments are put together.
@Suite struct FragmentLengthHoles {
    @Test(arguments: [0, 1, 15, 5841, 0x8000, 0xFFFF])
    func aLengthThatIsNone(_ length: Int) throws {
        var association = Association.bound()
        var pdu = Client.request()
        pdu[8] = UInt8(truncatingIfNeeded: length)
        pdu[9] = UInt8(truncatingIfNeeded: length >> 8)
        let seen = try association.see(pdu)
        #expect(
            seen == [.fault(.protocolError, callID: 2, contextID: 0, notExecuted: false), .close],
            "judged by its header, before anything is waited for")
    }

    @Test(arguments: [1, 9, 0x7FFF, 0xFFF0, 0xFFF8, 0xFFFF], [PDUType.bind, .alterContext, .auth3, .request])
    func anAuthenticationLongerThanItsFragment(_ length: Int, _ type: PDUType) throws {
        var association = type == .bind ? Association.make() : Association.bound()
        var pdu = PDUWriter(type, flags: .whole, callID: 2).finish() + [UInt8](repeating: 0, count: 8)
        pdu[8] = 24
        pdu[10] = UInt8(truncatingIfNeeded: length)
        pdu[11] = UInt8(truncatingIfNeeded: length >> 8)
        let seen = try association.see(pdu)
        #expect(seen.last == .close)
        #expect(!seen.contains { if case .dispatch = $0 { true } else { false } })
    }

    /// Header, trailer and value together are exactly the fragment, or one octet more.
    @Test(arguments: [(16, false), (17, true)])
    func atTheLimitOfAFragment(_ length: UInt8, _ isRefused: Bool) throws {
        var association = Association.bound()
        var pdu = PDUWriter(.request, flags: .whole, callID: 2).finish() + [UInt8](repeating: 0, count: 24)
        pdu[8] = 40
        pdu[10] = length
        guard isRefused else {
            // The lengths agree, but there is no room for a request's own fields.
            #expect(try association.see(pdu).last == .close)
            return
        }
        #expect(throws: PDUError.authLength(17, callID: 2, type: .request)) { try PDUHeader(pdu) }
        #expect(try association.see(pdu).last == .close)
    }

    @Test func whatIsAnnouncedIsNotMadeRoomFor() throws {
        let limits = AssociationLimits(maximumRequest: 1000, maximumUnauthenticatedRequest: 1000)
        for hint in [0, 1, 1000] as [UInt32] {
            var association = Association.bound(limits: limits)
            #expect(try association.see(Client.request(flags: .firstFragment, hint: hint)).isEmpty)
            #expect(association.partialStub.capacity == 0)
        }
        for hint in [1001, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] as [UInt32] {
            var association = Association.bound(limits: limits)
            let seen = try association.see(Client.request(flags: .firstFragment, hint: hint))
            #expect(seen == [.fault(.accessDenied, callID: 2, contextID: 1, notExecuted: false), .close])
        }
    }

    @Test(arguments: [(0, true), (1, false)])
    func fragmentsWhoseSumIsTooMuch(_ excess: Int, _ isServed: Bool) throws {
        var association = Association.bound(
            limits: AssociationLimits(maximumRequest: 3000, maximumUnauthenticatedRequest: 3000))
        var seen: [Seen] = []
        for (flags, count) in [(PDUFlags.firstFragment, 1500), ([], 1000), (.lastFragment, 500 + excess)] {
            seen += try association.see(
                Client.request(stub: [UInt8](repeating: 1, count: count), flags: flags, hint: 0))
        }
        #expect(seen.count == (isServed ? 1 : 2))
        #expect((seen.last == .close) == !isServed)
        #expect(association.partialStub.isEmpty, "nothing of it is kept")
    }

    /// Padding as long as the stub leaves nothing of it; one octet more would leave less than nothing. The signature is right.
    @Test(arguments: [(16, true), (17, false)])
    func paddingLongerThanTheStub(_ padding: UInt8, _ isServed: Bool) throws {
        let context = TestSecurityContext()
        var association = Association.secured(context)
        var pdu = PDUWriter(.request, flags: .whole, callID: 2)
        pdu.write(UInt32(16))
        pdu.write(UInt16(1))
        pdu.write(UInt16(0))
        pdu.write(octets: [UInt8](repeating: 0, count: 16))
        pdu.write(SecurityTrailer(type: .ntlm, level: 6, paddingLength: Int(padding), contextID: 1))
        var octets = pdu.finish(authLength: 16) + [UInt8](repeating: 0, count: 16)
        let client = TestSecurityContext(key: context.key)
        try octets.withUnsafeMutableBytes { message in
            try client.protect(
                message, MessageParts(body: 24..<40, authValue: 48..<64, signsHeader: false), level: .packetPrivacy)
        }
        let seen = try association.see(octets)
        #expect(
            seen
                == (isServed
                    ? [.dispatch(callID: 2, opnum: 0, stub: [])]
                    : [.fault(.protocolError, callID: 2, contextID: 0, notExecuted: false), .close]))
    }
}

/// PDUs where they do not belong, and fields of later legs that are not those of the first: CVE-2015-5370 is a server that believed
/// them.
@Suite struct ExchangeHoles {
    private func begun(level: UInt8 = 6) -> Association {
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token(level: level)))
        _ = association.authenticated(1, result: .step(.continueNeeded(reply: [9])))
        return association
    }

    @Test(arguments: PDUType.allCases.filter { $0 != .bind })
    func nothingButABindComesFirst(_ type: PDUType) throws {
        var association = Association.make()
        let seen = try association.see(PDUWriter(type, flags: .whole, callID: 1).finish())
        #expect(!association.isBound)
        #expect([.cancel, .orphaned].contains(type) ? seen.isEmpty : seen.last == .close)
    }

    @Test(arguments: [
        Client.token(type: .spnego), Client.token(level: 2), Client.token(level: 5), Client.token(level: 0),
        Client.token(id: 0), Client.token(id: 2),
    ])
    func aLastLegThatDiffersFromTheFirst(_ token: AuthenticationToken) throws {
        var association = begun()
        #expect(try association.see(Auth3PDU(token: token).encoded(callID: 1)).last == .close)
        #expect(!association.isAuthenticated)
    }

    @Test func aCallBetweenTheLegs() throws {
        for security in [nil, Client.security()] {
            var association = begun()
            let seen = try association.see(Client.request(security: security))
            #expect(seen == [.fault(.protocolError, callID: 2, contextID: 0, notExecuted: true), .close])
        }
    }

    @Test func aFinishedContextIsNotMadeAnew() throws {
        for level in [2, 5, 6] as [UInt8] {
            var association = Association.secured()
            let alter = try association.see(Client.alter(token: Client.token(level: level)))
            #expect(alter == [.fault(.accessDenied, callID: 1, contextID: 0, notExecuted: true), .close])
        }
        var association = Association.secured()
        #expect(try association.see(Auth3PDU(token: Client.token()).encoded(callID: 1)).last == .close)
    }

    /// The acceptor's answer comes when the client has gone on, or gone.
    @Test func aTokenWhoseAssociationHasEnded() {
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token()))
        association.connectionClosed()
        let late = association.authenticated(
            1, result: .step(.complete(reply: nil, context: TestSecurityContext())))
        #expect(late.isEmpty && !association.isAuthenticated)
    }

    /// An answer for another context than the one that is asked for is nobody's.
    @Test func aTokenOfAnotherContext() {
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token(id: 1)))
        let other = association.authenticated(
            2, result: .step(.complete(reply: nil, context: TestSecurityContext())))
        #expect(other.isEmpty && !association.isAuthenticated && association.isPaused)
    }
}

/// Less protection than was agreed on: CVE-2016-2118 is a server that let an attacker choose the level.
@Suite struct DowngradeHoles {
    @Test(arguments: [0, 1, 2, 3, 4, 5, 7, 255] as [UInt8])
    func aTrailerBelowItsContext(_ level: UInt8) throws {
        var association = Association.secured(level: 6)
        var pdu = Client.request(stub: [1, 2, 3, 4], security: Client.security())
        pdu[pdu.count - 16 - 7] = level
        let seen = try association.see(pdu)
        #expect(seen == [.fault(.accessDenied, callID: 2, contextID: 1, notExecuted: false), .close])
    }

    /// Who leaves the protection out is nobody: the call has no identity, and no level.
    @Test func aRequestWithoutItsTrailer() throws {
        var association = Association.secured(level: 6)
        guard case .dispatch(let call) = association.receive(Client.request()).first else {
            Issue.record("not dispatched")
            return
        }
        #expect(call.identity == nil)
        #expect(call.authenticationLevel == .none)
    }

    @Test func aFragmentWithoutItsTrailer() throws {
        let client = Client.security()
        var association = Association.secured(level: 6)
        #expect(
            try association.see(
                Client.request(stub: [1], flags: .firstFragment, hint: 2, security: client)
            ).isEmpty)
        let seen = try association.see(Client.request(stub: [2], flags: .lastFragment))
        #expect(seen == [.fault(.protocolError, callID: 2, contextID: 1, notExecuted: false), .close])
    }

    /// A second context at a lower level does not lower the first.
    @Test func aWeakerContextBesideIt() throws {
        var association = Association.secured(level: 6)
        _ = association.receive(Client.alter(token: Client.token(level: 2, id: 2)))
        _ = association.authenticated(2, result: .step(.complete(reply: nil, context: TestSecurityContext(key: 1))))
        guard case .dispatch(let call) = association.receive(Client.request()).first else {
            Issue.record("not dispatched")
            return
        }
        #expect(call.identity == nil, "with several contexts, a request without a trailer belongs to none")
    }

    @Test func sealedRequestsComeOnceAndInOrder() throws {
        let client = Client.security()
        let first = Client.request(callID: 2, security: client)
        let second = Client.request(callID: 3, security: client)
        for order in [[first, first], [second]] {
            var association = Association.secured(level: 6)
            var seen: [Seen] = []
            for pdu in order { seen += try association.see(pdu) }
            #expect(seen.last == .close)
            #expect(seen.count { if case .dispatch = $0 { true } else { false } } == order.count - 1)
        }
    }
}

/// What belongs to one context, call or association used in another.
@Suite struct ConfusionHoles {
    @Test func aRequestOfAnotherContext() throws {
        var association = Association.secured(TestSecurityContext(key: 1))
        _ = association.receive(Client.alter(token: Client.token(id: 2)))
        _ = association.authenticated(2, result: .step(.complete(reply: nil, context: TestSecurityContext(key: 2))))
        let labelled = Client.request(security: Client.security(TestSecurityContext(key: 1), id: 2))
        let seen = try association.see(labelled)
        #expect(seen == [.fault(.securityPackage, callID: 2, contextID: 1, notExecuted: false), .close])
    }

    @Test func aFragmentOfAnotherContext() throws {
        var association = Association.secured(TestSecurityContext(key: 1))
        _ = association.receive(Client.alter(token: Client.token(id: 2)))
        _ = association.authenticated(2, result: .step(.complete(reply: nil, context: TestSecurityContext(key: 2))))
        _ = association.receive(
            Client.request(
                stub: [1], flags: .firstFragment, hint: 2, security: Client.security(TestSecurityContext(key: 1))))
        let foreign = Client.request(
            stub: [2], flags: .lastFragment, security: Client.security(TestSecurityContext(key: 2), id: 2))
        #expect(try association.see(foreign).last == .close)
    }

    /// The first call keeps its identifier; the second one is a violation, and not a second answer to the first.
    @Test func anIdentifierInUse() throws {
        var association = Association.bound(flags: [.whole, .concurrentMultiplexing])
        _ = association.receive(Client.request(callID: 2))
        #expect(try association.see(Client.request(callID: 2)).last == .close)
        #expect(association.reply(to: 2, stub: []).isEmpty, "a closed association answers nothing")
    }

    /// An answer that comes when its call was orphaned does not answer the call that has its identifier now.
    @Test func anAnswerToAnOrphan() throws {
        var association = Association.bound(flags: [.whole, .concurrentMultiplexing])
        guard case .dispatch(let first) = association.receive(Client.request(callID: 2)).first else { return }
        _ = association.receive(BarePDU.encoded(.orphaned, callID: 2))
        guard case .dispatch(let second) = association.receive(Client.request(callID: 2)).first else { return }
        #expect(first.serial != second.serial)
        _ = association.ended(first.serial)
        #expect(association.hasCalls, "the second call still waits")
        #expect(try association.reply(to: 2, stub: []).seen().count == 1)
        #expect(association.reply(to: 2, stub: []).isEmpty)
    }

    @Test func aContextThatWasRefused() throws {
        var association = Association.make()
        _ = association.receive(Client.bind([Client.offer(0), Client.offer(1, .unknown)]))
        let seen = try association.see(Client.request(contextID: 1))
        #expect(seen == [.fault(.unknownInterface, callID: 2, contextID: 0, notExecuted: true)])
    }
}

/// Counts how often it is asked what an interface is served in.
private final class CountingEnvironment: AssociationEnvironment {
    let looks = Mutex(0)
    private let base = TestEnvironment()

    func interface(serving syntax: SyntaxIdentifier) -> SyntaxIdentifier? { base.interface(serving: syntax) }

    func transferSyntaxes(of interface: SyntaxIdentifier) -> [TransferSyntax] {
        looks.withLock { $0 += 1 }
        return [.ndr20]
    }

    func supports(_ type: AuthenticationType) -> Bool { base.supports(type) }

    func joinGroup(_ id: UInt32) -> UInt32? { base.joinGroup(id) }

    func placeForLongRequest() -> LongRequestPlace? { nil }
}

/// Few octets that ask for much.
@Suite struct BombHoles {
    @Test(arguments: [0x100, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFF0, 0xFFFF_FFFF] as [UInt32])
    func countsWithoutElements(_ count: UInt32) {
        var stub: [UInt8] = [0, 0, 0, 0, 1, 0, 0, 0]
        for _ in 0..<2 { withUnsafeBytes(of: count.littleEndian) { stub.append(contentsOf: $0) } }
        var decoder = NDRDecoder(stub)
        #expect(throws: (any Error).self) { _ = try epmapper.ept_map.Request(from: &decoder) }
    }

    /// A bind with as many contexts and transfer syntaxes as its octets can hold is answered or refused, and keeps no more than
    /// the limit.
    @Test func contextsWithoutEnd() throws {
        var association = Association.bound(limits: AssociationLimits(maximumPresentationContexts: 8))
        for number in 2..<8 as Range<UInt16> {
            #expect(try association.see(Client.alter([Client.offer(number)])).count == 1)
        }
        #expect(association.presentationContexts.count == 7)
        #expect(try association.see(Client.alter([Client.offer(8)])).count == 1)
        #expect(try association.see(Client.alter([Client.offer(9)])).last == .close)
        #expect(association.presentationContexts.count <= 8)
    }

    /// A list of offers is looked through once for each interface, and not once for each offer: what fits one PDU would otherwise
    /// take a quarter of a million looks.
    @Test func manyOffersOfOneInterface() throws {
        let environment = CountingEnvironment()
        var association = Association(secondaryAddress: "135", environment: environment)
        let offers = (0..<250).map { Client.offer($0, .management, [.unknown, .zero]) } + [Client.offer(250)]
        let seen = try association.see(Client.bind(offers))
        guard case .bindAck(let results, _, _, _, _) = seen.first else {
            Issue.record("not bound")
            return
        }
        #expect(results.last == .accepted(.ndr20) && results.count == 251)
        #expect(environment.looks.withLock { $0 } == 1)
    }

    /// Fragments that add nothing are taken, and keep nothing.
    @Test func emptyFragmentsWithoutEnd() throws {
        var association = Association.bound()
        _ = association.receive(Client.request(flags: .firstFragment))
        for _ in 0..<10_000 { #expect(association.receive(Client.request(flags: [])).isEmpty) }
        #expect(association.partialStub.isEmpty && association.framer.buffered == 0)
        #expect(
            try association.see(Client.request(flags: .lastFragment)) == [.dispatch(callID: 2, opnum: 0, stub: [])])
    }

    /// Calls that were orphaned still count until they have ended.
    @Test func orphansWithoutEnd() throws {
        var association = Association.bound(
            flags: [.whole, .concurrentMultiplexing], limits: AssociationLimits(maximumCalls: 4))
        for callID in 2..<6 as Range<UInt32> {
            #expect(try association.see(Client.request(callID: callID)).count == 1)
            _ = association.receive(BarePDU.encoded(.orphaned, callID: callID))
        }
        let seen = try association.see(Client.request(callID: 6))
        #expect(seen == [.fault(.serverTooBusy, callID: 6, contextID: 1, notExecuted: true)])
    }
}

/// Wants ever more tokens, and tells when it is thrown away.
private final class EndlessAcceptor: SecurityAcceptor {
    private let ended: AsyncStream<Void>.Continuation

    init(ended: AsyncStream<Void>.Continuation) { self.ended = ended }

    deinit { ended.yield() }

    func accept(_ token: [UInt8]) async throws(SecurityError) -> SecurityStep { .continueNeeded(reply: [1]) }
}

private struct EndlessProvider: SecurityProvider {
    let authenticationType = AuthenticationType.ntlm
    let ended = AsyncStream.makeStream(of: Void.self)

    func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor { EndlessAcceptor(ended: ended.continuation) }
}

/// Exchanges of tokens that come to no end: what is kept for them is bounded by the number of those that are under way.
@Suite struct EndlessExchangeHoles {
    /// An auth3 ends the exchange, whatever the acceptor says: nothing of it is kept while the connection stays open.
    @Test(.timeLimit(.minutes(5))) func anAuth3ThatDoesNotEnd() async throws {
        let provider = EndlessProvider()
        let server = RPCServer(
            configuration: RPCServerConfiguration(
                endpoints: [RPCEndpoint(host: "127.0.0.1")], providers: [provider],
                limits: RPCServerLimits(unauthenticatedTime: .seconds(3600))))
        let port = try await server.start()[0].port
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: Int(port)).get()
        var octets = Client.bind()
        for id in 1...20 as ClosedRange<UInt32> {
            octets += Client.alter(token: Client.token(id: id))
            octets += Auth3PDU(token: Client.token(id: id)).encoded(callID: 1)
        }
        try await channel.writeAndFlush(ByteBuffer(bytes: octets))
        var ended = 0
        for await _ in provider.ended.stream {
            ended += 1
            if ended == 20 { break }
        }
        #expect(ended == 20 && channel.isActive)
        try await channel.close()
        await server.shutdown()
    }
}
