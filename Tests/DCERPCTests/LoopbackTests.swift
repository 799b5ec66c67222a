import NDR
import NIOCore
import NIOPosix
import Security
import Testing

@testable import DCERPC

/// Client and server together, over real sockets.
@Suite struct LoopbackTests {
    @Test(arguments: [AuthenticationLevel.connect, .packet, .packetIntegrity, .packetPrivacy])
    func echoesAtEveryLevel(_ level: AuthenticationLevel) async throws {
        let service = EchoService(requiredLevel: level)
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator(), level: level)
            for length in [0, 1, 15, 16, 17, 5784, 5785, 100_000] {
                let stub = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 13) }
                #expect(try await echo.raw(0, stub) == stub)
            }
            let context = try #require(service.calls.withLock { $0.last })
            #expect(context.identity?.user == OneUser.name)
            #expect(context.authenticationLevel == level)
            #expect(context.authenticationType == .ntlm)
            #expect(context.localAddress == NetworkAddress(ip: "127.0.0.1", port: port))
            #expect(context.remoteAddress == client.localAddress)
            #expect(try await context.associationGroup == client.group)
            await client.close()
        }
    }

    /// SPNEGO's last legs are an alter_context and its answer, with the codes over the list of mechanisms in them.
    @Test(arguments: [AuthenticationLevel.connect, .packet, .packetIntegrity, .packetPrivacy])
    func echoesOverSPNEGO(_ level: AuthenticationLevel) async throws {
        let service = EchoService(requiredLevel: level)
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(
                EchoService.syntax, security: SPNEGOInitiator([try initiator()]), level: level)
            for length in [0, 15, 5785] {
                let stub = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 13) }
                #expect(try await echo.raw(0, stub) == stub)
            }
            let context = try #require(service.calls.withLock { $0.last })
            #expect(context.identity?.user == OneUser.name)
            #expect(context.authenticationLevel == level)
            #expect(context.authenticationType == .spnego)
            await client.close()
        }
    }

    @Test func aWrongPasswordIsToldBySPNEGOsLastLeg() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            await #expect(throws: (any Error).self) {
                try await client.bind(
                    EchoService.syntax, security: SPNEGOInitiator([try initiator(password: "wrong")]))
            }
        }
    }

    @Test func echoesWithoutAuthentication() async throws {
        let service = EchoService()
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax)
            #expect(try await echo.raw(0, [1, 2, 3]) == [1, 2, 3])
            let object: GUID = "00112233-4455-6677-8899-aabbccddeeff"
            #expect(try await echo.withObject(object).raw(0, [4]) == [4])
            #expect(service.calls.withLock { $0.map(\.object) } == [nil, object])
            #expect(service.calls.withLock { $0.map(\.identity) } == [nil, nil])
            await client.close()
        }
    }

    /// One connection negotiates one context at a time, and who comes meanwhile waits.
    @Test func bindsFromManyTasksAllSucceed() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            try await withThrowingTaskGroup(of: [UInt8].self) { group in
                for number in UInt8(0)..<16 {
                    group.addTask {
                        let security = number.isMultiple(of: 4) ? try initiator() : nil
                        return try await client.bind(EchoService.syntax, security: security).raw(0, [number])
                    }
                }
                var answers: Set<[UInt8]> = []
                for try await answer in group { answers.insert(answer) }
                #expect(answers.count == 16)
            }
            await client.close()
        }
    }

    /// Those that wait when the connection ends are told so, too.
    @Test func bindsThatWaitFailWithTheirConnection() async throws {
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(silent.localAddress?.port)
        let client = try await RPCClient.connect(host: "127.0.0.1", port: UInt16(port))
        await withTaskGroup(of: RPCClientError?.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    do {
                        _ = try await client.bind(EchoService.syntax)
                        return nil
                    } catch {
                        return error as? RPCClientError
                    }
                }
            }
            await client.close()
            for await error in group { #expect(error == .closed) }
        }
        try await silent.close()
    }

    @Test func refusesTooLowALevel() async throws {
        try await withServer([EchoService(requiredLevel: .packetPrivacy)]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator(), level: .packetIntegrity)
            await #expect(throws: RPCFault.accessDenied) { try await echo.raw(0, []) }
            // The connection survives, and can be raised by a second security context.
            let sealed = try await client.bind(EchoService.syntax, security: try initiator(), level: .packetPrivacy)
            #expect(try await sealed.raw(0, [1]) == [1])
            await #expect(throws: RPCFault.accessDenied) { try await echo.raw(0, []) }
            await client.close()
        }
    }

    @Test func aWrongPasswordIsToldByTheFirstCall() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator(password: "wrong"))
            await #expect(throws: RPCFault.accessDenied) { try await echo.raw(0, []) }
            await #expect(throws: RPCClientError.closed) { try await echo.raw(0, []) }
        }
    }

    @Test func severalInterfacesShareASecurityContext() async throws {
        let service = EchoService(requiredLevel: .packetPrivacy)
        let mapper = EndpointMapper()
        try await withServer([service, mapper]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            _ = try await client.bind(epmapper.interface.syntax, security: try initiator())
            let echo = try await client.bind(EchoService.syntax)
            #expect(try await echo.raw(0, [1]) == [1])
            await #expect(throws: RPCClientError.contextRejected(.abstractSyntaxNotSupported)) {
                try await client.bind(.unknown)
            }
            #expect(try await echo.raw(0, [2]) == [2])
            await client.close()
        }
    }

    @Test func whatAServiceThrowsBecomesAFault() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            for (number, fault) in [
                RPCFault.unsupportedType, .badStubData, .unspecified, .cancelled,
            ].enumerated() {
                await #expect(throws: fault) { try await echo.raw(1, [UInt8(number), 0, 0, 0]) }
            }
            await #expect(throws: RPCFault.badStubData) { try await echo.raw(1, []) }
            await #expect(throws: RPCFault.operationRange) { try await echo.raw(99, []) }
            #expect(try await echo.raw(0, [1]) == [1])
            await client.close()
        }
    }

    @Test func callsShareAConnection() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let stub = [UInt8](repeating: UInt8(number), count: number * 200)
                        let answer = try await echo.raw(0, stub)
                        #expect(answer == stub)
                    }
                }
                try await group.waitForAll()
            }
            await client.close()
        }
    }

    /// More than sockets take at once: the client goes on with a request when there is room again, or when another call wants its turn.
    @Test func longRequestsShareAConnection() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<6 {
                    group.addTask {
                        let stub = [UInt8](repeating: UInt8(number), count: number.isMultiple(of: 2) ? 1 << 20 : number)
                        let answer = try await echo.raw(0, stub)
                        #expect(answer == stub)
                    }
                }
                try await group.waitForAll()
            }
            await client.close()
        }
    }

    @Test func aLongRequestThatIsGivenUpLeavesTheConnection() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            let long = Task { try await echo.raw(0, [UInt8](repeating: 7, count: 1 << 20)) }
            #expect(try await echo.raw(0, [1]) == [1])
            long.cancel()
            _ = await long.result
            #expect(try await echo.raw(0, [2]) == [2])
            await client.close()
        }
    }

    /// The rest of a request finds nobody: it ends, and so does the call.
    @Test func aConnectionThatEndsInTheMiddleOfARequest() async throws {
        let limits = RPCServerLimits(association: AssociationLimits(maximumAdministratorRequest: 4 << 20))
        try await withServer([EchoService()], limits: limits) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            await #expect(throws: (any Error).self) { try await echo.raw(0, [UInt8](repeating: 7, count: 5 << 20)) }
            await client.close()
        }
    }

    @Test func aSlowCallHoldsNoOtherUp() async throws {
        let service = EchoService()
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax)
            async let slow = echo.raw(2, [])
            for await _ in service.waiting.stream { break }
            #expect(try await echo.raw(0, [1]) == [1])
            service.release.continuation.yield()
            #expect(try await slow == [])
            await client.close()
        }
    }

    @Test func aCancelledTaskCancelsItsCall() async throws {
        let service = EchoService()
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax)
            let slow = Task { try await echo.raw(2, []) }
            for await _ in service.waiting.stream { break }
            slow.cancel()
            await #expect(throws: CancellationError.self) { try await slow.value }
            #expect(try await echo.raw(0, [1]) == [1])
            await client.close()
        }
    }

    @Test func runsGroupsDownWithTheirLastConnection() async throws {
        let service = EchoService()
        try await withServer([service]) { _, port in
            let first = try await RPCClient.connect(host: "127.0.0.1", port: port)
            _ = try await first.bind(EchoService.syntax)
            let group = try await first.group
            let second = try await RPCClient.connect(host: "127.0.0.1", port: port, group: group)
            let echo = try await second.bind(EchoService.syntax)
            #expect(try await second.group == group)
            await first.close()
            // The group lives while the second connection does.
            #expect(try await echo.raw(0, [1]) == [1])
            await second.close()
            for await ended in service.ended.stream {
                #expect(ended == group)
                break
            }
            let late = try await RPCClient.connect(host: "127.0.0.1", port: port, group: group)
            await #expect(throws: RPCClientError.bindRefused(.notSpecified)) { try await late.bind(EchoService.syntax) }
        }
    }

    @Test func aClosingServerFinishesItsCalls() async throws {
        let service = EchoService()
        try await withServer([service]) { server, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax)
            async let slow = echo.raw(2, [])
            for await _ in service.waiting.stream { break }
            async let shutdown: Void = server.shutdown()
            // Refused as soon as the server drains; until then it is answered.
            while (try? await echo.raw(0, [1])) != nil {}
            service.release.continuation.yield()
            #expect(try await slow == [])
            await shutdown
            await #expect(throws: RPCClientError.self) { try await RPCClient.connect(host: "127.0.0.1", port: port) }
        }
    }

    @Test func aClosingServerWaitsNoLongerThanItsTime() async throws {
        let service = EchoService()
        try await withServer([service], shutdownTime: .milliseconds(1)) { server, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax)
            let slow = Task { try await echo.raw(2, []) }
            for await _ in service.waiting.stream { break }
            await server.shutdown()
            await #expect(throws: RPCClientError.closed) { try await slow.value }
        }
    }

    @Test func tellsWhyItCannotListen() async throws {
        try await withServer([]) { _, port in
            let second = RPCServer(
                configuration: RPCServerConfiguration(endpoints: [RPCEndpoint(host: "127.0.0.1", port: port)]))
            let error = try await #require(throws: RPCServerError.self) { try await second.start() }
            guard case .cannotListen("127.0.0.1", port, _) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func servicesCanBeAddedLater() async throws {
        try await withServer([]) { server, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            await #expect(throws: RPCClientError.contextRejected(.abstractSyntaxNotSupported)) {
                try await client.bind(EchoService.syntax)
            }
            try server.register(EchoService(), at: 0)
            let second = try await RPCClient.connect(host: "127.0.0.1", port: port)
            #expect(try await second.bind(EchoService.syntax).raw(0, [1]) == [1])
            await second.close()
            #expect(throws: RPCServerError.self) { try server.register(EchoService(), at: 1) }
        }
    }

    /// The second connection is accepted when the first has closed, not before: it waits in the backlog.
    @Test func limitsConnections() async throws {
        try await withServer([EchoService()], limits: RPCServerLimits(maximumConnections: 1)) { _, port in
            let first = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await first.bind(EchoService.syntax)
            let second = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let waiting = Task { try await second.bind(EchoService.syntax).raw(0, [2]) }
            #expect(try await echo.raw(0, [1]) == [1])
            await first.close()
            #expect(try await waiting.value == [2])
            await second.close()
        }
    }

    @Test func closesWhoDoesNotAuthenticate() async throws {
        try await withServer([], limits: RPCServerLimits(unauthenticatedTime: .milliseconds(20))) { _, port in
            // On a busy machine the time may be over before the client has seen that it is connected.
            let silent = try? await RPCClient.connect(host: "127.0.0.1", port: port)
            try await silent?.channel.closeFuture.get()
            let anonymous = try? await RPCClient.connect(host: "127.0.0.1", port: port)
            _ = try? await anonymous?.bind(mgmt.interface.syntax)
            try await anonymous?.channel.closeFuture.get()
        }
    }

    /// A fault that closes arrives even if the client still sends: the server does not reset the connection.
    @Test func theLastFaultArrives() async throws {
        let service = EchoService()
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax)
            // A call that is there to be told.
            let waiting = Task { try await echo.raw(2, []) }
            for await _ in service.waiting.stream { break }
            // A fragment that is longer than any may be, and much that is never read.
            let pdu = Client.request(callID: 77, stub: [UInt8](repeating: 0, count: 60_000))
            try await client.channel.writeAndFlush(ByteBuffer(bytes: pdu))
            await #expect(throws: RPCClientError.protocolViolation("a fault of no call")) {
                try await waiting.value
            }
        }
    }
}

@Suite struct ManagementTests {
    @Test func answersEveryMethod() async throws {
        try await withServer([EchoService()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let management = mgmtClient(try await client.bind(mgmt.interface.syntax))
            let ids = try await management.rpc_mgmt_inq_if_ids()
            #expect(ids.status == 0)
            #expect(
                ids.if_id_vector?.IfId.compactMap { $0?.Uuid } == [mgmt.interface.syntax.uuid, EchoService.syntax.uuid])
            let statistics = try await management.rpc_mgmt_inq_stats(.init(count: 50))
            #expect(statistics.count == 4)
            #expect(statistics.statistics.count == 4)
            #expect(try await management.rpc_mgmt_inq_stats(.init(count: 1)).statistics.count == 1)
            await #expect(throws: NDRError.self) { try await management.rpc_mgmt_inq_stats(.init(count: 51)) }
            #expect(try await management.rpc_mgmt_is_server_listening() == .init(status: 0, returnValue: 1))
            #expect(try await management.rpc_mgmt_stop_server_listening().status == 5)
            let name = try await management.rpc_mgmt_inq_princ_name(.init(authn_proto: 10, princ_name_size: 14))
            #expect(name == .init(princ_name: "DOMAIN\\NODE1$", status: 0))
            #expect(
                try await management.rpc_mgmt_inq_princ_name(.init(authn_proto: 10, princ_name_size: 13)).status == 0x7A
            )
            #expect(
                try await management.rpc_mgmt_inq_princ_name(.init(authn_proto: 9, princ_name_size: 99)).status == 0x6D3
            )
            await client.close()
        }
    }
}
