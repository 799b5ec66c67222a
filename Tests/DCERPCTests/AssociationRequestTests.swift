import NDR
import Security
import Testing

@testable import DCERPC

@Suite struct AssociationRequestTests {
    private func fault(
        _ fault: RPCFault, _ callID: UInt32 = 2, context: UInt16 = 1, notExecuted: Bool = false
    ) -> Seen {
        .fault(fault, callID: callID, contextID: context, notExecuted: notExecuted)
    }

    @Test func dispatchesAndAnswers() throws {
        var association = Association.bound()
        #expect(
            try association.see(Client.request(opnum: 4, stub: [1, 2])) == [
                .dispatch(callID: 2, opnum: 4, stub: [1, 2])
            ])
        #expect(
            association.reply(to: 2, stub: [7, 8, 9]) == [
                .send(octets("05000203 10000000 1b000000 02000000 03000000 0100 0000 070809"))
            ])
        #expect(association.reply(to: 2, stub: []) == [])
        #expect(association.statistics.callsIn == 1)
        #expect(association.statistics.callsOut == 1)
    }

    @Test func passesFaultsOn() throws {
        var association = Association.bound()
        for (thrown, sent, notExecuted) in [
            (RPCFault.operationRange, RPCFault.operationRange, true), (.accessDenied, .accessDenied, false),
            (RPCFault(status: 0), .unspecified, false), (RPCFault(status: 0xC000_0005), .unspecified, false),
        ] {
            _ = association.receive(Client.request())
            #expect(try association.fail(2, with: thrown).seen() == [fault(sent, notExecuted: notExecuted)])
        }
        #expect(association.isBound)
    }

    // test_no_auth_presentation_ctx_invalid1: the connection lives on.
    @Test func faultsAnUnknownContext() throws {
        var association = Association.bound()
        #expect(
            try association.see(Client.request(contextID: 12345)) == [
                fault(.unknownInterface, context: 0, notExecuted: true)
            ])
        #expect(try association.see(Client.request(callID: 3)) == [.dispatch(callID: 3, opnum: 0, stub: [])])
    }

    @Test func dropsTheRestOfARefusedCall() throws {
        var association = Association.bound()
        #expect(try association.see(Client.request(contextID: 9, flags: .firstFragment)).count == 1)
        #expect(try association.see(Client.request(contextID: 9, flags: [])) == [])
        #expect(try association.see(Client.request(contextID: 9, flags: .lastFragment)) == [])
        #expect(try association.see(Client.request(callID: 3)) == [.dispatch(callID: 3, opnum: 0, stub: [])])
    }

    // MARK: Lengths

    // test_neg_xmit_*: 5840 octets are accepted whatever was negotiated, 5841 are not.
    @Test func limitsFragments() throws {
        var association = Association.make()
        _ = association.receive(Client.bind(xmit: 2048, recv: 2048))
        #expect(try association.see(Client.request(stub: [UInt8](repeating: 0, count: 5840 - 24))).count == 1)
        let long = Client.request(callID: 3, stub: [UInt8](repeating: 0, count: 5841 - 24))
        #expect(try association.see(Array(long[..<16])) == [fault(.protocolError, 3, context: 0), .close])
    }

    // test_alloc_hint, test_fragmented_requests*
    @Test func limitsRequests() throws {
        let limits = AssociationLimits(maximumRequest: 100)
        var association = Association.bound(limits: limits)
        // The hint of an unfragmented request is ignored.
        #expect(try association.see(Client.request(stub: [1], hint: .max)).count == 1)
        _ = association.reply(to: 2, stub: [])
        #expect(try association.see(Client.request(stub: [1], flags: .firstFragment, hint: 100)) == [])
        #expect(
            try association.see(Client.request(stub: [UInt8](repeating: 0, count: 99), flags: .lastFragment)).count == 1
        )
        _ = association.reply(to: 2, stub: [])
        #expect(
            try association.see(Client.request(stub: [1], flags: .firstFragment, hint: 101)) == [
                fault(.accessDenied), .close,
            ])

        association = Association.bound(limits: limits)
        #expect(try association.see(Client.request(stub: [1], flags: .firstFragment, hint: 0)) == [])
        #expect(
            try association.see(Client.request(stub: [UInt8](repeating: 0, count: 100), flags: [])) == [
                fault(.accessDenied), .close,
            ])
    }

    @Test func limitsStrangersToShorterRequests() throws {
        let limits = AssociationLimits(maximumRequest: 200, maximumUnauthenticatedRequest: 100)
        var association = Association.bound(limits: limits)
        #expect(try association.see(Client.request(stub: [UInt8](repeating: 0, count: 100))).count == 1)
        _ = association.reply(to: 2, stub: [])
        #expect(
            try association.see(Client.request(stub: [UInt8](repeating: 0, count: 101))) == [
                fault(.accessDenied), .close,
            ])
    }

    @Test func limitsCallsInFlight() throws {
        var association = Association.bound(limits: AssociationLimits(maximumCalls: 2))
        for id: UInt32 in 2...3 { #expect(try association.see(Client.request(callID: id)).count == 1) }
        #expect(try association.see(Client.request(callID: 4)) == [fault(.serverTooBusy, 4, notExecuted: true)])
        _ = association.reply(to: 2, stub: [])
        #expect(try association.see(Client.request(callID: 5)) == [.dispatch(callID: 5, opnum: 0, stub: [])])
    }

    @Test func refusesACallIdentifierInUse() throws {
        var association = Association.bound()
        _ = association.receive(Client.request())
        #expect(try association.see(Client.request()) == [fault(.protocolError), .close])
    }

    @Test func refusesARequestThatEndsWithinItsFields() throws {
        for length in 16..<24 {
            var association = Association.bound()
            var request = Array(Client.request()[..<length])
            request[8] = UInt8(length)
            #expect(try association.see(request) == [fault(.protocolError, context: 0), .close])
        }
        var association = Association.bound()
        let request = Client.request(flags: [.whole, .objectUUID])
        #expect(try association.see(request) == [fault(.protocolError, context: 0), .close])
    }

    // MARK: Fragments

    @Test func joinsFragmentsFedOctetByOctet() throws {
        var association = Association.bound()
        let stub = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        var stream: [UInt8] = []
        for offset in stride(from: 0, to: 1000, by: 10) {
            stream += Client.request(
                stub: Array(stub[offset..<offset + 10]),
                flags: offset == 0 ? .firstFragment : offset == 990 ? .lastFragment : [], hint: UInt32(1000 - offset))
        }
        var seen: [Seen] = []
        for octet in stream { seen += try association.see([octet]) }
        #expect(seen == [.dispatch(callID: 2, opnum: 0, stub: stub)])
    }

    // test_first_only_requests, test_none_only_requests, test_last_only_requests, test_mix_requests
    @Test func faultsMixedFragments() throws {
        var association = Association.bound()
        #expect(try association.see(Client.request(flags: .firstFragment)) == [])
        #expect(try association.see(Client.request(flags: .firstFragment)) == [fault(.protocolError), .close])

        for flags: PDUFlags in [[], .lastFragment] {
            association = Association.bound()
            #expect(try association.see(Client.request(flags: flags)) == [fault(.protocolError, context: 0), .close])
        }

        association = Association.bound()
        #expect(try association.see(Client.request(callID: 50, flags: .firstFragment)) == [])
        #expect(
            try association.see(Client.request(callID: 51, flags: .firstFragment)) == [
                fault(.protocolError, 50), .close,
            ])
    }

    // test_ntlmssp_multi_auth_MPX_first1_firstNext111, test_ntlmssp_auth_MPX_middle_alone
    @Test func faultsMixedFragmentsOfWhoMultiplexes() throws {
        let flags: PDUFlags = [.whole, .concurrentMultiplexing]
        for second: PDUFlags in [.firstFragment, .lastFragment] {
            var association = Association.bound(flags: flags)
            #expect(try association.see(Client.request(callID: 3, flags: .firstFragment)) == [])
            #expect(
                try association.see(Client.request(callID: 4, flags: second)) == [
                    fault(.protocolError, 4, context: 0), .close,
                ])
        }
        var association = Association.bound(flags: flags)
        #expect(try association.see(Client.request(flags: [])) == [fault(.protocolError), .close])
        association = Association.bound(flags: flags)
        #expect(
            try association.see(Client.request(contextID: 111, flags: [])) == [
                fault(.unknownInterface, context: 0, notExecuted: true)
            ])
    }

    // [MS-RPCE] 3.3.3.5.6
    @Test func ignoresFragmentsOfCallsThatEndedRecently() throws {
        var association = Association.bound()
        _ = association.receive(Client.request(callID: 200))
        _ = association.reply(to: 200, stub: [])
        #expect(try association.see(Client.request(callID: 51, flags: .lastFragment)) == [])
        #expect(
            try association.see(Client.request(callID: 50, flags: .lastFragment)) == [
                fault(.protocolError, 50, context: 0), .close,
            ])
    }

    // test_first_cancel_requests, test_2nd_cancel_requests, test_last_cancel_requests
    @Test func ignoresPendingCancelsButTheFirst() throws {
        var association = Association.bound()
        #expect(
            try association.see(Client.request(flags: [.firstFragment, .pendingCancel])) == [
                fault(.noCallActive, context: 0, notExecuted: true), .close,
            ])
        association = Association.bound()
        #expect(try association.see(Client.request(flags: .firstFragment)) == [])
        #expect(try association.see(Client.request(flags: .pendingCancel)) == [])
        #expect(try association.see(Client.request(flags: [.lastFragment, .pendingCancel])).count == 1)
    }

    // test_co_cancel_*, test_orphaned_*
    @Test func cancelsAndOrphansCallsInFlight() throws {
        var association = Association.bound()
        for type in [PDUType.cancel, .orphaned] {
            #expect(try association.see(BarePDU.encoded(type, callID: 3)) == [])
            #expect(try association.see(Client.request(flags: .firstFragment)) == [])
            #expect(try association.see(BarePDU.encoded(type, callID: 2)) == [])
            #expect(try association.see(Client.request(flags: .lastFragment)).count == 1)
            #expect(
                try association.see(BarePDU.encoded(type, callID: 2)) == [type == .cancel ? .cancel(2) : .abandon(2)])
            #expect(association.reply(to: 2, stub: [1]).isEmpty == (type == .orphaned))
        }
    }

    // MARK: Security

    @Test func unsealsAndSeals() throws {
        let server = TestSecurityContext()
        let client = TestSecurityContext()
        var association = Association.secured(server)
        let request = Client.request(stub: [1, 2, 3], security: Client.security(client))
        // 24 octets of header, 16 of stub and padding, 8 of trailer, 16 of signature.
        #expect(request.count == 64)
        #expect(request[24] == 1 ^ 0x5A)
        #expect(try association.see(request) == [.dispatch(callID: 2, opnum: 0, stub: [1, 2, 3])])
        guard case .send(var response) = association.reply(to: 2, stub: [4, 5, 6, 7]).first else {
            Issue.record("no response")
            return
        }
        #expect(response.count == 64)
        let header = try PDUHeader(response)
        let stub = try Client.security(client).open(&response, header: header, stubOffset: 24, paddingLength: 12)
        #expect(response[stub] == [4, 5, 6, 7])
    }

    @Test func aCallKnowsItsCaller() throws {
        var association = Association.secured()
        guard case .dispatch(let call) = association.receive(Client.request(security: Client.security())).first else {
            Issue.record("no call")
            return
        }
        #expect(call.identity?.user == "user")
        #expect(call.authenticationLevel == .packetPrivacy)
        #expect(call.authenticationType == .ntlm)
        // Without a trailer, it is nobody's call: whether that is enough, the service decides.
        guard case .dispatch(let call) = association.receive(Client.request(callID: 3)).first else {
            Issue.record("no call")
            return
        }
        #expect(call.identity == nil)
        #expect(call.authenticationLevel == .none)
    }

    // [MS-RPCE] 3.3.1.5.4: a single context at connect covers requests without a trailer, and answers have none.
    @Test func atConnectLevelTheTrailerIsOptional() throws {
        let server = TestSecurityContext()
        var association = Association.secured(server, level: 2)
        var signed = Client.request(security: Client.security(TestSecurityContext(key: 9), level: .packet))
        signed[try PDUHeader(signed).trailerOffset + 1] = 2
        for request in [Client.request(), signed] {
            guard case .dispatch(let call) = association.receive(request).first else {
                Issue.record("no call")
                return
            }
            #expect(call.identity == server.identity)
            #expect(call.authenticationLevel == .connect)
            #expect(try association.reply(to: 2, stub: [1]).seen() == [.response(callID: 2, contextID: 1, length: 25)])
        }
    }

    // test_auth_none_*_request, test_spnego_connect_packet_upgrade, test_spnego_packet_downgrade_connect
    @Test func refusesForeignTrailers() throws {
        let context = TestSecurityContext()
        for security in [
            Client.security(context, id: 2), Client.security(context, level: .packet),
            Client.security(context, type: .spnego),
        ] {
            var association = Association.secured()
            #expect(try association.see(Client.request(security: security)) == [fault(.accessDenied), .close])
        }
        var association = Association.bound()
        #expect(try association.see(Client.request(security: Client.security())) == [fault(.accessDenied), .close])
    }

    @Test func refusesAWrongSignature() throws {
        let request = Client.request(stub: [1, 2, 3], security: Client.security())
        // The padding's length is none of what a flipped bit is found by: it is refused by its size.
        for index in 24..<request.count where !(40..<48).contains(index) {
            var association = Association.secured()
            var altered = request
            altered[index] ^= 1
            #expect(try association.see(altered) == [fault(.securityPackage), .close])
        }
        var association = Association.secured()
        #expect(try association.see(request).count == 1)
        // Once more the same octets: the number is another.
        _ = association.reply(to: 2, stub: [])
        #expect(try association.see(request) == [fault(.securityPackage), .close])
    }

    // test_ntlmssp_multi_auth_first1_last*: every fragment is verified, with the first one's context.
    @Test func everyFragmentIsSealedByItself() throws {
        let security = Client.security()
        let first = Client.request(stub: [UInt8](repeating: 1, count: 32), flags: .firstFragment, security: security)
        let last = Client.request(contextID: 111, opnum: 111, stub: [2, 3], flags: .lastFragment, security: security)
        var association = Association.secured()
        #expect(try association.see(first) == [])
        #expect(
            try association.see(last) == [
                .dispatch(callID: 2, opnum: 0, stub: [UInt8](repeating: 1, count: 32) + [2, 3])
            ])

        association = Association.secured()
        _ = association.receive(first)
        #expect(try association.see(Client.request(flags: .lastFragment)) == [fault(.protocolError), .close])

        association = Association.secured()
        _ = association.receive(first)
        let foreign = Client.request(flags: .lastFragment, security: Client.security(TestSecurityContext(key: 1)))
        #expect(try association.see(foreign) == [fault(.securityPackage), .close])

        association = Association.bound()
        #expect(try association.see(Client.request(flags: .firstFragment)) == [])
        #expect(
            try association.see(Client.request(flags: .lastFragment, security: security)) == [
                fault(.accessDenied), .close,
            ])
    }

    @Test func severalContextsOnOneConnection() throws {
        var association = Association.secured(TestSecurityContext(key: 1))
        #expect(
            try association.see(Client.alter(token: Client.token(level: 5, id: 2))) == [.authenticate(2, [1, 2, 3, 4])])
        _ = association.authenticated(2, result: .step(.complete(reply: nil, context: TestSecurityContext(key: 2))))
        let first = Client.security(TestSecurityContext(key: 1))
        let second = Client.security(TestSecurityContext(key: 2), level: .packetIntegrity, id: 2)
        #expect(try association.see(Client.request(callID: 2, stub: [1], security: second)).count == 1)
        #expect(try association.see(Client.request(callID: 3, stub: [2], security: first)).count == 1)
        // Signed with the one, announced as the other.
        let mixed = Client.security(TestSecurityContext(key: 1), level: .packetIntegrity, id: 2)
        #expect(
            try association.see(Client.request(callID: 4, security: mixed)) == [fault(.securityPackage, 4), .close])
    }

    @Test func refusesPaddingBeyondTheStub() throws {
        var association = Association.secured()
        var request = Client.request(stub: [], security: Client.security())
        request[try PDUHeader(request).trailerOffset + 2] = 1
        #expect(try association.see(request) == [fault(.protocolError, context: 0), .close])
    }

    // MARK: Answers in fragments

    @Test(arguments: [0, 1, 2023, 2024, 2025, 4048, 4049, 10_000])
    func cutsAnswers(_ length: Int) throws {
        var association = Association.make()
        _ = association.receive(Client.bind(xmit: 2048, recv: 2048))
        _ = association.receive(Client.request())
        let stub = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        try checkFragments(association.reply(to: 2, stub: stub), carry: stub, room: 2024, nil)
    }

    // 2048 less 24, 8 and 16 leaves 2000, a multiple of 16.
    @Test(arguments: [0, 1, 16, 1999, 2000, 2001, 4000, 4001])
    func cutsSealedAnswers(_ length: Int) throws {
        let client = Client.security()
        var association = Association.make()
        _ = association.receive(Client.bind(xmit: 2048, recv: 2048, token: Client.token()))
        _ = association.authenticated(1, result: .step(.complete(reply: nil, context: TestSecurityContext())))
        _ = association.receive(Client.request(security: client))
        let stub = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try checkFragments(association.reply(to: 2, stub: stub), carry: stub, room: 2000, client)
    }

    private func checkFragments(
        _ actions: [AssociationAction], carry stub: [UInt8], room: Int, _ security: MessageSecurity?
    ) throws {
        var carried: [UInt8] = []
        for (index, action) in actions.enumerated() {
            guard case .send(var pdu) = action else {
                Issue.record("not a PDU")
                return
            }
            let header = try PDUHeader(pdu)
            #expect(pdu.count <= 2048)
            #expect(header.flags.contains(.firstFragment) == (index == 0))
            #expect(header.flags.contains(.lastFragment) == (index == actions.count - 1))
            // [MS-RPCE] 2.2.2.6: the hint is what remains, this fragment included.
            #expect(try ResponseFields(header, of: pdu).allocationHint == UInt32(stub.count - carried.count))
            let trailer = try SecurityTrailer(header, of: pdu, bodyOffset: 24)
            #expect((header.trailerOffset - 24) % 16 == 0 || security == nil)
            let range = try security?.open(
                &pdu, header: header, stubOffset: 24, paddingLength: trailer?.paddingLength ?? 0)
            carried += pdu[range ?? 24..<pdu.count]
        }
        #expect(carried == stub)
        #expect(actions.count == max(1, (stub.count + room - 1) / room))
    }

    // MARK: Draining

    @Test func drainsBeforeItCloses() throws {
        var association = Association.bound()
        _ = association.receive(Client.request())
        #expect(association.drain() == [])
        #expect(try association.see(Client.request(callID: 3)) == [fault(.serverTooBusy, 3, notExecuted: true)])
        #expect(
            try association.reply(to: 2, stub: []).seen() == [
                .response(callID: 2, contextID: 1, length: 24), .shutdown, .close,
            ])
        association = Association.bound()
        #expect(try association.drain().seen() == [.shutdown, .close])
        association = Association.make()
        #expect(try association.drain().seen() == [.close])
    }

    @Test func afterTheEndNothingComesOut() throws {
        var association = Association.bound()
        _ = association.receive(Client.request())
        association.connectionClosed()
        #expect(association.reply(to: 2, stub: []) == [])
        #expect(association.fail(2, with: .accessDenied) == [])
        #expect(association.receive(Client.request(callID: 3)) == [])
        #expect(association.drain() == [])
    }
}

@Suite struct VerificationTrailerTests {
    /// [MS-RPCE] 2.2.2.13, put together by hand: signature; bitmask (1) of one bit; presentation context (2) for mgmt and
    /// NDR; header (3) of call 2, context 1, opnum 0, with the flag of the last command.
    private static let header2 = "0340 1000 00 00 0000 10000000 02000000 0100 0000"
    private static let pcontext =
        "0200 2800 80bda8af8a7dc911bef408002b102989 01000000 045d888aeb1cc9119fe808002b104860 02000000"

    private func trailer(
        bitmask: String = "01000400 01000000", _ pcontext: String = pcontext, _ header: String = header2
    ) -> [UInt8] {
        octets("8ae3137102f43671" + bitmask + pcontext + header)
    }

    private func see(_ stub: [UInt8], flags: PDUFlags = [.whole, .supportHeaderSigning]) throws -> [Seen] {
        var association = Association.bound(flags: flags)
        return try association.see(Client.request(stub: stub))
    }

    @Test func isCutOff() throws {
        #expect(try see([1, 2, 3, 4] + trailer()) == [.dispatch(callID: 2, opnum: 0, stub: [1, 2, 3, 4])])
        #expect(try see(trailer()) == [.dispatch(callID: 2, opnum: 0, stub: [])])
    }

    @Test func mustAgreeWithTheRequest() throws {
        let denied = [Seen.fault(.accessDenied, callID: 2, contextID: 1, notExecuted: false), .close]
        #expect(try see(trailer(), flags: .whole) == denied)
        #expect(try see(trailer(bitmask: "01000400 00000000"), flags: .whole).count == 1)
        // A flipped bit is found wherever it is, but in reserved octets (12 to 15 are bits of the mask, 65 to 67 and 70 to 71
        // of the header), and where it makes an unknown command, which is skipped (8, 9, 17, 61).
        let exceptions: Set = [8, 9, 12, 13, 14, 15, 17, 61, 65, 66, 67, 70, 71]
        for index in 0..<80 where !exceptions.contains(index) {
            var altered = trailer()
            altered[index] ^= 1
            #expect(try see(altered) != [.dispatch(callID: 2, opnum: 0, stub: [])], "octet \(index)")
        }
        #expect(try see(trailer(Self.pcontext.replacing("80bda8af", with: "81bda8af"))) == denied)
        #expect(try see(trailer(Self.pcontext, Self.header2.replacing("02000000", with: "03000000"))) == denied)
        // An unknown command is skipped, unless it says that it must not be.
        #expect(try see(octets("8ae3137102f43671 0740 0400 00000000")) == [.dispatch(callID: 2, opnum: 0, stub: [])])
        #expect(try see(octets("8ae3137102f43671 07c0 0400 00000000")) == denied)
    }

    @Test func whatDoesNotReachTheEndIsNone() throws {
        let stub = trailer() + [0, 0, 0, 0]
        #expect(try see(stub) == [.dispatch(callID: 2, opnum: 0, stub: stub)])
    }
}
