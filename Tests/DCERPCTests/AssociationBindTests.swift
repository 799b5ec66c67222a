import NDR
import Security
import Testing

@testable import DCERPC

/// bind, alter_context and auth3. What is expected of a wrong PDU is what Samba's `raw_protocol.py`, which passes against
/// Windows, expects; the name of its test is in a comment.
@Suite struct AssociationBindTests {
    private let ack = Seen.bindAck([.accepted(.ndr20)], flags: .whole, fragment: 5840, address: "135", token: nil)

    @Test func acceptsABind() throws {
        var association = Association.make()
        #expect(try association.see(Client.bind()) == [ack])
        #expect(association.isBound)
        #expect(association.group != 0)
    }

    @Test func acceptsABindOctetByOctet() throws {
        var association = Association.make()
        var seen: [Seen] = []
        for octet in sambaBind { seen += try association.see([octet]) }
        #expect(seen.count == 1)
        guard case .authenticate(1, let token) = try #require(seen.first) else {
            Issue.record("no token")
            return
        }
        #expect(token.count == 74)
        let answer = try association.authenticated(1, result: .step(.continueNeeded(reply: [9]))).seen()
        #expect(
            answer == [
                .bindAck(
                    [.accepted(.ndr20), .features(.supported)], flags: [.whole, .supportHeaderSigning], fragment: 5840,
                    address: "135", token: [9])
            ])
        #expect(association.signsHeaders)
    }

    // test_no_auth_request_bind_pfc_*: only these two flags are repeated.
    @Test(
        arguments: [
            (PDUFlags(rawValue: 0), PDUFlags.whole), (.firstFragment, .whole), (.lastFragment, .whole),
            (.supportHeaderSigning, [.whole, .supportHeaderSigning]), (PDUFlags(rawValue: 8), .whole),
            (.concurrentMultiplexing, [.whole, .concurrentMultiplexing]), (.didNotExecute, .whole), (.maybe, .whole),
            (.objectUUID, .whole),
        ] as [(PDUFlags, PDUFlags)])
    func repeatsTheFlagsItUnderstands(_ sent: PDUFlags, _ received: PDUFlags) throws {
        var association = Association.make()
        #expect(
            try association.see(Client.bind(flags: sent)) == [
                .bindAck([.accepted(.ndr20)], flags: received, fragment: 5840, address: "135", token: nil)
            ])
    }

    // test_neg_xmit_*
    @Test(
        arguments: [
            (0xFFFF, 0xFFFF, 5840), (0, 0xFFFF, 2048), (0xFFFF, 0, 2048), (0, 0, 2048), (3199, 0, 2048),
            (3199, 0xFFFF, 3192), (0xFFFF, 3199, 3192), (2047, 5840, 2048), (2056, 5840, 2056),
        ] as [(UInt16, UInt16, UInt16)])
    func negotiatesFragmentSizes(_ xmit: UInt16, _ recv: UInt16, _ both: UInt16) throws {
        var association = Association.make()
        guard case .bindAck(_, _, both, _, _) = try association.see(Client.bind(xmit: xmit, recv: recv)).first else {
            Issue.record("not \(both)")
            return
        }
    }

    // test_no_auth_no_ctx, test_no_auth_presentation_ctx_invalid2, test_no_auth_bind_time_twice
    @Test(arguments: [
        [], [Client.offer(1, .management, [])],
        [
            Client.offer(1, .zero, [BindTimeFeatures.keepConnectionOnOrphan.syntax]),
            Client.offer(2, .zero, [BindTimeFeatures.securityContextMultiplexing.syntax]),
        ],
    ])
    func refusesWrongLists(_ offers: [PresentationContextOffer]) throws {
        var association = Association.make()
        #expect(try association.see(Client.bind(offers)) == [.bindNak(.notSpecified), .close])
        #expect(try association.see(Client.bind()) == [])
    }

    // test_no_auth_valid_valid_request
    @Test func refusesASecondBind() throws {
        var association = Association.bound()
        #expect(try association.see(Client.bind()) == [.bindNak(.notSpecified), .close])
    }

    // test_no_auth_presentation_ctx_valid1, _invalid1, _invalid3, test_no_auth_bind_time_*
    @Test func answersEachOffer() throws {
        var association = Association.make()
        let offers = [
            Client.offer(1, .management, [.zero, .ndr20, .ndr20]),
            Client.offer(2, .unknown),
            Client.offer(3, .management, [.zero]),
            Client.offer(4, .unknown, [BindTimeFeatures(rawValue: 0xFF).syntax, .ndr20]),
            Client.offer(5, .zero, [.zero, BindTimeFeatures.supported.syntax]),
            Client.offer(6, SyntaxIdentifier(uuid: SyntaxIdentifier.management.uuid, major: 1, minor: 1)),
        ]
        #expect(
            try association.see(Client.bind(offers)) == [
                .bindAck(
                    [
                        .accepted(.ndr20), .rejected(.abstractSyntaxNotSupported),
                        .rejected(.transferSyntaxesNotSupported),
                        .features(.supported), .rejected(.abstractSyntaxNotSupported),
                        .rejected(.abstractSyntaxNotSupported),
                    ], flags: .whole, fragment: 5840, address: "135", token: nil)
            ])
        #expect(association.features == .supported)
    }

    // test_no_auth_presentation_ctx_no_ndr64
    @Test func acceptsOneTransferSyntaxForAnInterface() throws {
        var association = Association.make()
        #expect(
            try association.see(Client.bind([Client.offer(1), Client.offer(2), Client.offer(3, .epmapper)])) == [
                .bindAck(
                    [.accepted(.ndr20), .rejected(.transferSyntaxesNotSupported), .accepted(.ndr20)], flags: .whole,
                    fragment: 5840, address: "135", token: nil)
            ])
    }

    // Samba's clients leave the reserved octets of an empty list out.
    @Test func refusesAnEmptyListThatEndsEarly() throws {
        var association = Association.make()
        var bind = Array(Client.bind([]).dropLast(3))
        bind[8] -= 3
        #expect(try association.see(bind) == [.bindNak(.notSpecified), .close])
    }

    // [MS-RPCE] 3.3.1.5.2.1: an empty token; _test_generic_auth_*: with a trailer, and an auth_length of zero.
    @Test func answersTheLastLegWithAnEmptyToken() throws {
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token(id: 7)))
        let actions = association.authenticated(7, result: .step(.complete(reply: nil, context: TestSecurityContext())))
        guard case .send(let pdu) = actions.first else {
            Issue.record("no answer")
            return
        }
        #expect(pdu.suffix(8) == octets("0a06 00 00 07000000")[...])
        #expect(try PDUHeader(pdu).authLength == 0)
        #expect(try BindAckPDU(try PDUHeader(pdu), of: pdu).token == nil)
    }

    // test_assoc_group_fail1, _ok1; a group belongs to its client's address ([MS-RPCE] 3.3.1.5.7)
    @Test func joinsGroupsOfTheSameClientOnly() throws {
        var environment = TestEnvironment()
        var first = Association.make(environment)
        #expect(try first.see(Client.bind(group: 1)) == [.bindNak(.notSpecified), .close])
        first = Association.bound(environment: environment)
        var second = Association.make(environment)
        #expect(try second.see(Client.bind(group: first.group)) == [ack])
        #expect(second.group == first.group)
        environment.client = "192.0.2.2"
        var stranger = Association.make(environment)
        #expect(try stranger.see(Client.bind(group: first.group)) == [.bindNak(.notSpecified), .close])
        #expect(environment.groups.leave(first.group) == false)
        #expect(environment.groups.leave(first.group) == true)
        #expect(environment.groups.join(first.group, client: "192.0.2.1") == nil)
    }

    // test_auth_none_*_bind, test_spnego_*_bind
    @Test(
        arguments: [
            (AuthenticationType.none, UInt8(1), BindNakPDU.Reason.notSpecified), (.none, 0, .notSpecified),
            (.none, 7, .notSpecified), (.none, 255, .notSpecified), (.spnego, 1, .notSpecified),
            (.ntlm, 7, .notSpecified),
            (.none, 2, .authenticationTypeNotRecognized), (.none, 6, .authenticationTypeNotRecognized),
            (.kerberos, 6, .authenticationTypeNotRecognized),
        ] as [(AuthenticationType, UInt8, BindNakPDU.Reason)])
    func refusesLevelsAndTypes(_ type: AuthenticationType, _ level: UInt8, _ reason: BindNakPDU.Reason) throws {
        var association = Association.make()
        #expect(
            try association.see(Client.bind(token: Client.token(type: type, level: level))) == [
                .bindNak(reason), .close,
            ])
    }

    @Test func refusesWhatTheProviderRefuses() throws {
        var association = Association.make()
        #expect(try association.see(Client.bind(token: Client.token())) == [.authenticate(1, [1, 2, 3, 4])])
        #expect(association.isPaused)
        #expect(try association.authenticated(1, result: .refused).seen() == [.bindNak(.invalidChecksum), .close])
    }

    // test_invalid_auth_noctx, test_spnego_auth_pad_fail_bind
    @Test func refusesWrongAuthenticationLengths() throws {
        var association = Association.make()
        var bind = Client.bind()
        bind[10] = UInt8(bind.count)
        #expect(try association.see(bind) == [.bindNak(.protocolVersionNotSupported), .close])

        association = Association.make()
        bind = Client.bind(token: Client.token())
        bind[try PDUHeader(bind).trailerOffset + 2] = UInt8(try PDUHeader(bind).trailerOffset - 24 + 1)
        #expect(try association.see(bind) == [.bindNak(.protocolVersionNotSupported), .close])
    }

    @Test func refusesOtherVersions() throws {
        var association = Association.make()
        var bind = Client.bind()
        bind[0] = 4
        #expect(try association.see(bind) == [.bindNak(.protocolVersionNotSupported), .close])
    }

    @Test func limitsTheLengthOfABind() throws {
        let bind = Client.bind(token: Client.token(value: [UInt8](repeating: 1, count: 1000)))
        var association = Association.make(limits: AssociationLimits(maximumBind: bind.count))
        #expect(try association.see(bind).count == 1)
        #expect(association.isPaused)
        association = Association.make(limits: AssociationLimits(maximumBind: bind.count - 1))
        // The header alone is enough to refuse it.
        #expect(try association.see(Array(bind[..<16])) == [.bindNak(.protocolVersionNotSupported), .close])
    }

    @Test func limitsPresentationContexts() throws {
        let limits = AssociationLimits(maximumPresentationContexts: 2)
        var association = Association.make(limits: limits)
        #expect(
            try association.see(Client.bind((1...3).map { Client.offer($0) })) == [
                .bindNak(.localLimitExceeded), .close,
            ])
        association = Association.make(limits: limits)
        #expect(try association.see(Client.bind([Client.offer(1)])) == [ack])
        let accepted = Seen.alterResponse([.accepted(.ndr20)], flags: .whole, token: nil)
        #expect(try association.see(Client.alter([Client.offer(2)])) == [accepted])
        #expect(try association.see(Client.alter([Client.offer(2)])) == [accepted])
        #expect(try association.see(Client.alter([Client.offer(3)])) == [.bindNak(.localLimitExceeded), .close])
    }

    // test_spnego_privacy_bind_*: a context that cannot seal is no context at packet privacy.
    @Test func refusesAContextThatCannotServeItsLevel() throws {
        let signing = TestSecurityContext(highestLevel: .packetIntegrity)
        for (level, isServed) in [(UInt8(5), true), (6, false)] {
            var association = Association.bound()
            _ = association.receive(Client.alter(callID: 4, token: Client.token(level: level)))
            let answer = association.authenticated(1, result: .step(.complete(reply: nil, context: signing)))
            let refusal = Seen.fault(.securityPackage, callID: 4, contextID: 0, notExecuted: true)
            #expect(association.isAuthenticated == isServed)
            if isServed { #expect(answer.count == 1) } else { #expect(try answer.seen() == [refusal, .close]) }
        }
    }

    // MARK: alter_context

    // test_no_auth_request_alter_pfc_*: multiplexing is a matter of the bind.
    @Test func altersContexts() throws {
        var association = Association.bound()
        #expect(
            try association.see(
                Client.alter([Client.offer(1), Client.offer(2, .epmapper)], flags: PDUFlags(rawValue: 0xFF)))
                == [
                    .alterResponse(
                        [.accepted(.ndr20), .accepted(.ndr20)], flags: [.whole, .supportHeaderSigning], token: nil)
                ])
        #expect(
            try association.see(Client.request(contextID: 2, opnum: 3)) == [.dispatch(callID: 2, opnum: 3, stub: [])])
    }

    // test_alter_no_auth_no_ctx, test_no_auth_presentation_ctx_invalid3, test_spnego_change_abstract
    @Test(arguments: [[], [Client.offer(1, .management, [])], [Client.offer(1, .epmapper)]])
    func faultsAWrongAlterContext(_ offers: [PresentationContextOffer]) throws {
        var association = Association.bound()
        #expect(
            try association.see(Client.alter(offers, callID: 5)) == [
                .fault(.protocolError, callID: 5, contextID: 0, notExecuted: true), .close,
            ])
    }

    // test_no_auth_presentation_ctx_valid2: syntaxes that we do not speak change nothing.
    @Test func keepsAContextWhoseRenewalIsRejected() throws {
        var association = Association.bound()
        #expect(
            try association.see(Client.alter([Client.offer(1, .management, [.zero, .epmapper])])) == [
                .alterResponse([.rejected(.transferSyntaxesNotSupported)], flags: .whole, token: nil)
            ])
        #expect(try association.see(Client.request(opnum: 1)) == [.dispatch(callID: 2, opnum: 1, stub: [])])
    }

    @Test func faultsWhatComesBeforeABind() throws {
        for pdu in [Client.request(callID: 1), Client.alter(), Auth3PDU(token: Client.token()).encoded(callID: 1)] {
            var association = Association.make()
            #expect(
                try association.see(pdu) == [
                    .fault(.protocolError, callID: 1, contextID: 0, notExecuted: true), .close,
                ])
        }
    }

    @Test(arguments: [PDUType.response, .fault, .bindAck, .bindNak, .alterContextResponse, .shutdown])
    func closesOnWhatOnlyServersSend(_ type: PDUType) throws {
        for var association in [Association.make(), .bound(), .secured()] {
            #expect(try association.see(BarePDU.encoded(type, callID: 1)) == [.close])
        }
    }

    // MARK: Legs

    @Test func takesThreeLegsWithAuth3() throws {
        var association = Association.make()
        #expect(try association.see(Client.bind(token: Client.token())) == [.authenticate(1, [1, 2, 3, 4])])
        #expect(
            try association.authenticated(1, result: .step(.continueNeeded(reply: [5, 6, 7]))).seen() == [
                .bindAck([.accepted(.ndr20)], flags: .whole, fragment: 5840, address: "135", token: [5, 6, 7])
            ])
        // The request is already there when the last token is still with its acceptor: it waits.
        let context = TestSecurityContext()
        let security = Client.security(TestSecurityContext())
        let auth3 = Auth3PDU(token: Client.token(value: [8])).encoded(callID: 1)
        #expect(
            try association.see(auth3 + Client.request(stub: [1, 2, 3], security: security)) == [.authenticate(1, [8])])
        #expect(
            try association.authenticated(1, result: .step(.complete(reply: nil, context: context))).seen() == [
                .dispatch(callID: 2, opnum: 0, stub: [1, 2, 3])
            ])
        #expect(association.isAuthenticated)
    }

    @Test func takesFourLegsWithAlterContext() throws {
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token()))
        _ = association.authenticated(1, result: .step(.continueNeeded(reply: [5])))
        #expect(try association.see(Client.alter(token: Client.token(value: [6]))) == [.authenticate(1, [6])])
        #expect(
            try association.authenticated(1, result: .step(.complete(reply: [7], context: TestSecurityContext())))
                .seen()
                == [.alterResponse([.accepted(.ndr20)], flags: .whole, token: [7])])
    }

    // test_spnego_change_auth_level, _change_auth_type1; provider's refusal
    @Test func faultsAWrongLeg() throws {
        for (token, fault) in [
            (Client.token(level: 5), RPCFault.accessDenied), (Client.token(type: .spnego), .securityPackage),
        ] {
            var association = Association.make()
            _ = association.receive(Client.bind(token: Client.token()))
            _ = association.authenticated(1, result: .step(.continueNeeded(reply: [5])))
            #expect(
                try association.see(Client.alter(token: token)) == [
                    .fault(fault, callID: 1, contextID: 0, notExecuted: true), .close,
                ])
        }
        var association = Association.bound()
        #expect(try association.see(Client.alter(token: Client.token())) == [.authenticate(1, [1, 2, 3, 4])])
        #expect(
            try association.authenticated(1, result: .refused).seen() == [
                .fault(.securityPackage, callID: 1, contextID: 0, notExecuted: true), .close,
            ])
    }

    // test_spnego_connect_reauth_alter, _reauth_auth3
    @Test func refusesToAuthenticateAContextAgain() throws {
        var association = Association.secured()
        #expect(
            try association.see(Client.alter(token: Client.token())) == [
                .fault(.accessDenied, callID: 1, contextID: 0, notExecuted: true), .close,
            ])
        association = Association.secured()
        #expect(
            try association.see(Auth3PDU(token: Client.token()).encoded(callID: 1)) == [
                .fault(.protocolError, callID: 1, contextID: 0, notExecuted: true), .close,
            ])
    }

    // test_ntlmssp_auth_pad_fail_auth3
    @Test func refusesPaddingBeforeAnAuth3() throws {
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token()))
        _ = association.authenticated(1, result: .step(.continueNeeded(reply: [5])))
        var auth3 = Auth3PDU(token: Client.token()).encoded(callID: 1)
        auth3[try PDUHeader(auth3).trailerOffset + 2] = 1
        #expect(
            try association.see(auth3) == [
                .fault(.remoteNoMemory, callID: 1, contextID: 0, notExecuted: true), .close,
            ])
    }

    // test_spnego_auth3, test_spnego_unfinished_request
    @Test func tellsTheFirstCallOfAFailedAuth3() throws {
        let security = Client.security()
        for (request, contextID) in [
            (Client.request(), UInt16(1)), (Client.request(security: security), 1),
        ] {
            var association = Association.make()
            _ = association.receive(Client.bind(token: Client.token()))
            _ = association.authenticated(1, result: .step(.continueNeeded(reply: [5])))
            _ = association.receive(Auth3PDU(token: Client.token()).encoded(callID: 1))
            #expect(try association.authenticated(1, result: .refused).seen() == [])
            #expect(
                try association.see(request) == [
                    .fault(.accessDenied, callID: 2, contextID: contextID, notExecuted: false), .close,
                ])
        }
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token()))
        _ = association.authenticated(1, result: .step(.continueNeeded(reply: [5])))
        #expect(
            try association.see(Client.request(security: Client.security())) == [
                .fault(.protocolError, callID: 2, contextID: 0, notExecuted: true), .close,
            ])
    }

    @Test func anAuth3ThatNeedsAnotherLegHasFailed() throws {
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token()))
        _ = association.authenticated(1, result: .step(.continueNeeded(reply: [5])))
        _ = association.receive(Auth3PDU(token: Client.token()).encoded(callID: 1))
        #expect(try association.authenticated(1, result: .step(.continueNeeded(reply: [5]))).seen() == [])
        #expect(!association.isAuthenticated)
    }

    @Test func limitsUnfinishedSecurityContexts() throws {
        let limits = AssociationLimits(maximumUnfinishedContexts: 2)
        var association = Association.bound(limits: limits)
        for id: UInt32 in 1...2 {
            #expect(
                try association.see(Client.alter(token: Client.token(id: id))) == [.authenticate(id, [1, 2, 3, 4])])
            _ = association.authenticated(id, result: .step(.continueNeeded(reply: [5])))
        }
        // One that is finished counts no more; one that goes on is none more.
        _ = association.receive(Client.alter(token: Client.token(id: 1)))
        _ = association.authenticated(1, result: .step(.complete(reply: nil, context: TestSecurityContext())))
        #expect(try association.see(Client.alter(token: Client.token(id: 3))) == [.authenticate(3, [1, 2, 3, 4])])
        _ = association.authenticated(3, result: .step(.continueNeeded(reply: [5])))
        #expect(
            try association.see(Client.alter(token: Client.token(id: 4))) == [
                .fault(.protocolError, callID: 1, contextID: 0, notExecuted: true), .close,
            ])
    }

    // test_multiple_auth_limit
    @Test func limitsSecurityContexts() throws {
        var association = Association.bound(limits: AssociationLimits(maximumSecurityContexts: 2))
        for id: UInt32 in 1...2 {
            #expect(
                try association.see(Client.alter(token: Client.token(id: id))) == [.authenticate(id, [1, 2, 3, 4])])
            _ = association.authenticated(id, result: .step(.complete(reply: nil, context: TestSecurityContext())))
        }
        #expect(
            try association.see(Client.alter(token: Client.token(id: 3))) == [
                .fault(.protocolError, callID: 1, contextID: 0, notExecuted: true), .close,
            ])
    }
}
