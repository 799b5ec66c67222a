import NDR
import Security
import Testing

@testable import DCERPC

/// The choice of a transfer syntax ([MS-RPCE] 3.3.1.5.6), and calls in the chosen one.
@Suite struct TransferSyntaxTests {
    private static let both = TestEnvironment(transferSyntaxes: [.ndr64, .ndr20])
    private static let objects = TestEnvironment(transferSyntaxes: [.ndr20, .ndr64])
    private static let rejected = PresentationResult.rejected(.transferSyntaxesNotSupported)

    private func results(
        _ environment: TestEnvironment, _ syntaxes: [[SyntaxIdentifier]]
    ) throws -> [PresentationResult] {
        var association = Association.make(environment)
        let offers = zip(syntaxes, UInt16(1)...).map { Client.offer($1, .management, $0) }
        guard case .bindAck(let results, _, _, _, _) = try association.see(Client.bind(offers)).first else {
            Issue.record("no bind_ack")
            return []
        }
        return results
    }

    // "If one of the client proposed transfer syntaxes matches the server's preferred transfer syntax, then that …"
    @Test func thePreferredOneWins() throws {
        #expect(try results(Self.both, [[.ndr20], [.ndr64]]) == [Self.rejected, .accepted(.ndr64)])
        #expect(try results(Self.both, [[.ndr64], [.ndr20]]) == [.accepted(.ndr64), Self.rejected])
        #expect(try results(Self.both, [[.ndr20, .ndr64]]) == [.accepted(.ndr64)])
        #expect(try results(Self.objects, [[.ndr64], [.ndr20]]) == [Self.rejected, .accepted(.ndr20)])
        #expect(
            try results(Self.both, [[.zero, .ndr20], [.ndr64], [.ndr64]]) == [
                Self.rejected, .accepted(.ndr64), Self.rejected,
            ])
    }

    // "… the first transfer syntax in the client's list of proposed syntaxes which is also supported …"
    @Test func otherwiseTheFirstOneThatIsSpoken() throws {
        #expect(
            try results(Self.both, [[.zero], [.ndr20], [.ndr20]]) == [Self.rejected, .accepted(.ndr20), Self.rejected])
        #expect(try results(Self.objects, [[.ndr64]]) == [.accepted(.ndr64)])
        #expect(try results(TestEnvironment(), [[.ndr64]]) == [Self.rejected])
        let later = SyntaxIdentifier(uuid: SyntaxIdentifier.ndr64.uuid, major: 1, minor: 1)
        #expect(try results(Self.both, [[later]]) == [Self.rejected])
    }

    // Product note 106: a client whose stubs are marshalled already asks for NDR once more.
    @Test func aRejectedOneMayBeProposedAgain() throws {
        var association = Association.make(Self.both)
        _ = try association.see(Client.bind([Client.offer(1), Client.offer(2, .management, [.ndr64])]))
        #expect(
            try association.see(Client.alter([Client.offer(1)])) == [
                .alterResponse([.accepted(.ndr20)], flags: .whole, token: nil)
            ])
        for (contextID, syntax) in [(UInt16(1), TransferSyntax.ndr20), (2, .ndr64)] {
            let actions = association.receive(Client.request(callID: UInt32(contextID) + 1, contextID: contextID))
            guard case .dispatch(let call) = try #require(actions.first) else {
                Issue.record("no call")
                continue
            }
            #expect(call.transferSyntax == syntax)
        }
    }

    // A context keeps its meaning.
    @Test func aContextIsNotRenegotiated() throws {
        var association = Association.make(Self.both)
        _ = try association.see(Client.bind([Client.offer(1, .management, [.ndr64])]))
        #expect(
            try association.see(Client.alter([Client.offer(1)]))
                == [.fault(.protocolError, callID: 1, contextID: 0, notExecuted: true), .close])
    }

    // [MS-RPCE] 2.2.2.13.3
    @Test func theVerificationTrailerNamesIt() throws {
        for (uuid, isRight) in [
            ("33057171babe37498319b5dbef9ccc36 01000000", true), ("045d888aeb1cc9119fe808002b104860 02000000", false),
        ] {
            var association = Association.make(Self.both)
            _ = try association.see(Client.bind([Client.offer(1, .management, [.ndr64])]))
            let trailer = octets("8ae3137102f43671 0240 2800 80bda8af8a7dc911bef408002b102989 01000000 \(uuid)")
            let seen = try association.see(Client.request(stub: trailer))
            #expect((seen == [.dispatch(callID: 2, opnum: 0, stub: [])]) == isRight)
            if !isRight { #expect(seen.last == .close) }
        }
    }

    // MARK: Client

    private func answer(
        _ results: [PresentationResult], to syntaxes: [TransferSyntax]
    ) throws -> ClientAssociationAction? {
        var client = ClientAssociation()
        let actions = client.negotiate(.management, transferSyntaxes: syntaxes, security: nil)
        guard case .send(let pdu) = try #require(actions.first) else { return nil }
        let offers = try BindPDU(PDUHeader(pdu), of: pdu).offers
        #expect(offers.dropLast().map(\.transferSyntaxes) == syntaxes.map { [$0.identifier] })
        #expect(offers.map(\.id) == (0...UInt16(syntaxes.count)).map { $0 })
        let ack = BindAckPDU(
            maximumTransmit: 5840, maximumReceive: 5840, associationGroup: 1, secondaryAddress: "135",
            results: results)
        return client.receive(ack.encoded(as: .bindAck, flags: .whole, callID: 1)).first
    }

    @Test func theClientTakesTheServersChoice() throws {
        let features = PresentationResult.features(.supported)
        let both: [TransferSyntax] = [.ndr20, .ndr64]
        func context(_ id: UInt16, _ syntax: TransferSyntax) -> ClientAssociationAction {
            .negotiated(.success(NegotiatedContext(contextID: id, securityID: nil, transferSyntax: syntax)))
        }
        #expect(try answer([Self.rejected, .accepted(.ndr64), features], to: both) == context(1, .ndr64))
        #expect(try answer([.accepted(.ndr20), Self.rejected, features], to: both) == context(0, .ndr20))
        // A server that knows of one syntax for each context accepts both: one is enough.
        #expect(try answer([.accepted(.ndr20), .accepted(.ndr64), features], to: both) == context(0, .ndr20))
        let refusal = RPCClientError.contextRejected(.transferSyntaxesNotSupported)
        #expect(
            try answer([Self.rejected, Self.rejected, features], to: both)
                == .negotiated(.failure(refusal)))
        for wrong in [[], [.accepted(.ndr20)], [.accepted(.ndr64), Self.rejected, features], [features, features]] {
            guard case .negotiated(.failure(.protocolViolation)) = try #require(try answer(wrong, to: both)) else {
                Issue.record("\(wrong)")
                continue
            }
        }
    }

    // MARK: Calls

    /// Answers what it is asked, so that both directions of each construct are seen.
    private struct Echoes: echoesServer {
        func testEnum(
            _ request: echoes.TestEnum.Request, context: CallContext
        ) async throws -> echoes.TestEnum.Response {
            .init(foo1: request.foo1, foo2: request.foo2, foo3: request.foo3)
        }

        func testSurrounding(
            _ request: echoes.TestSurrounding.Request, context: CallContext
        ) async throws -> echoes.TestSurrounding.Response {
            .init(data: request.data)
        }

        func testCall2(
            _ request: echoes.TestCall2.Request, context: CallContext
        ) async throws -> echoes.TestCall2.Response {
            .init(info: .info5(.init(v1: 1, v2: 2)), returnValue: 3)
        }

        func shares(_ request: echoes.Shares.Request, context: CallContext) async throws -> echoes.Shares.Response {
            .init(info_ctr: request.info_ctr, resume_handle: request.resume_handle, returnValue: 4)
        }
    }

    @Test(
        arguments: [
            ([.ndr20, .ndr64], nil, TransferSyntax.ndr64), ([.ndr20], nil, .ndr20), ([.ndr64], nil, .ndr64),
            ([.ndr64, .ndr20], RPCInterface.objectSyntaxes, .ndr20),
            ([.ndr64], RPCInterface.objectSyntaxes, .ndr64),
        ] as [([TransferSyntax], [TransferSyntax]?, TransferSyntax)])
    func callsAreMadeInIt(
        _ offered: [TransferSyntax], _ served: [TransferSyntax]?, _ chosen: TransferSyntax
    ) async throws {
        let service = HandlerService(
            interface: echoes.interface, handlers: echoes.handlers(Echoes()), transferSyntaxes: served,
            authorize: { _ in })
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let bound = try await client.bind(
                echoes.interface.syntax, transferSyntaxes: offered, security: try initiator())
            #expect(bound.transferSyntax == chosen)
            let caller = echoesClient(bound)
            let info = ECHO_SHARE_LIST(
                level: 1, ctr: .ctr1(.init(count: 1, array: [.init(name: "a", type: 1, comment: "b")])))
            let shares = try await caller.shares(.init(server_unc: nil, info_ctr: info, resume_handle: 5))
            #expect(shares == .init(info_ctr: info, resume_handle: 5, returnValue: 4))
            #expect(
                try await caller.testCall2(.init(level: 5))
                    == .init(info: .info5(.init(v1: 1, v2: 2)), returnValue: 3))
            let surrounding = ECHO_SURROUNDING(x: 3, surrounding: [1, 2, 3])
            #expect(try await caller.testSurrounding(.init(data: surrounding)).data == surrounding)
            await client.close()
        }
    }

    // [MS-RPCE] 2.2.5: a PDU in NDR64 is little endian.
    @Test func bigEndianStubsAreRefused() async throws {
        let call = IncomingCall(
            callID: 1, serial: 1, contextID: 1, interface: echoes.interface.syntax, opnum: 1, object: nil,
            representation: .bigEndianASCIIIEEE, transferSyntax: .ndr64, stub: [], identity: nil,
            authenticationLevel: .none, authenticationType: .none, place: nil)
        let service = HandlerService(
            interface: echoes.interface, handlers: echoes.handlers(Echoes()), authorize: { _ in })
        let address = NetworkAddress(ip: "127.0.0.1", port: 1)
        let context = CallContext(localAddress: address, remoteAddress: address, interface: echoes.interface.syntax)
        let outcome = await CallRunner.run(call, by: service, context: context, logger: .init(label: "test"))
        guard case .fault(.badStubData) = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }
}
