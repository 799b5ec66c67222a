import DCERPC
import ErrorCodes
import NDR
import Security
import Testing

@testable import DCOM

/// Client and server over TCP, with NTLM and PKT_PRIVACY, as they are used.
struct LoopbackTests {
    #if os(Linux)
        /// Nobody else's: ports are given back and taken again here.
        private static let host = "127.0.0.77"
    #else
        private static let host = "127.0.0.1"
    #endif

    @Test("an object is activated, called and released in both ways", arguments: ActivationClient.Method.allCases)
    func roundTrip(method: ActivationClient.Method) async throws {
        try await withServer { test, port in
            let client = ActivationClient(method: method)
            let object = try await client.activate(
                host: Self.host, port: port, clsid: TestObject.clsid, iids: [TestObject.a, TestObject.missing],
                credentials: .alice)
            #expect(object.version == .current)
            #expect(try await doubled(21, by: object.proxy(TestObject.a)) == 42)
            // Queried when it is needed.
            #expect(try await doubled(4, by: object.proxy(TestObject.b)) == 8)
            try await object.addReferences(3, to: TestObject.b)
            await #expect(throws: DCOMError.interfaceUnavailable(TestObject.missing, .noInterface)) {
                try await object.proxy(TestObject.missing)
            }
            #expect(test.log.releasedCount == 0)
            let proxy = try await object.proxy(TestObject.a)
            try await object.ping()
            try await object.ping()
            try await object.release()
            #expect(test.log.releasedCount == 1)
            #expect(test.server.exporter.objectCount == 0)
            await #expect(throws: (any Error).self) { try await doubled(1, by: proxy) }
            await #expect(throws: DCOMError.released) { try await object.proxy(TestObject.a) }
            try await object.release()
        }
    }

    @Test("a class object makes instances over the wire")
    func classObject() async throws {
        try await withServer { _, port in
            let object = try await ActivationClient().activate(
                host: Self.host, port: port, clsid: TestObject.clsid, iids: [DCOMIdentifier.classFactory],
                target: .classObject, credentials: .alice)
            let factory = IClassFactoryClient(try await object.proxy(IClassFactory.interface))
            let made = try await factory.remoteCreateInstance(.init(riid: TestObject.a))
            #expect(made.returnValue == .ok)
            try await object.release()
        }
    }

    @Test("a scope pings for its object and releases it, also when it fails")
    func scope() async throws {
        try await withServer { test, port in
            let result = try await ActivationClient().withObject(
                host: Self.host, port: port, clsid: TestObject.clsid, iids: [TestObject.a], credentials: .alice
            ) { object in
                try await doubled(5, by: object.proxy(TestObject.a))
            }
            #expect(result == 10)
            #expect(test.log.releasedCount == 1)
            await #expect(throws: HRESULT.unexpected) {
                try await ActivationClient().withObject(
                    host: Self.host, port: port, clsid: TestObject.clsid, iids: [TestObject.a], credentials: .alice
                ) { _ in
                    throw HRESULT.unexpected
                }
            }
            #expect(test.log.releasedCount == 2)
        }
    }

    @Test("a scope whose task is cancelled releases its object, too, and loses no result")
    func cancelledScope() async throws {
        try await withServer { (test, port) async throws in
            for heeds in [true, false] {
                let inside = AsyncStream.makeStream(of: Void.self)
                let scope = Task {
                    // Where it is not even entered, nobody waits for that.
                    defer { inside.continuation.finish() }
                    return try await ActivationClient().withObject(
                        host: Self.host, port: port, clsid: TestObject.clsid, iids: [TestObject.a],
                        credentials: .alice, releaseTime: .seconds(3600)
                    ) { _ in
                        inside.continuation.yield()
                        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
                        if heeds { throw CancellationError() }
                        return 7
                    }
                }
                for await _ in inside.stream { break }
                scope.cancel()
                if heeds {
                    await #expect(throws: CancellationError.self) { try await scope.value }
                } else {
                    #expect(try await scope.value == 7)
                }
            }
            #expect(test.log.releasedCount == 2)
        }
    }

    @Test("refusals reach the client as what they are")
    func refusals() async throws {
        try await withServer { _, port in
            for method in ActivationClient.Method.allCases {
                let client = ActivationClient(method: method)
                await #expect(throws: DCOMError.activationFailed(.classNotRegistered)) {
                    try await client.activate(
                        host: Self.host, port: port, clsid: .random(), iids: [TestObject.a], credentials: .alice)
                }
                await #expect(throws: DCOMError.activationFailed(.noInterface)) {
                    try await client.activate(
                        host: Self.host, port: port, clsid: TestObject.clsid, iids: [TestObject.missing],
                        credentials: .alice)
                }
                await #expect(throws: RPCFault.accessDenied) {
                    try await client.activate(
                        host: Self.host, port: port, clsid: TestObject.clsid, iids: [TestObject.a],
                        credentials: .carol)
                }
            }
        }
    }

    @Test("a client whose connections were lost finds its object again, with all its references and its ping set")
    func reconnects() async throws {
        let test = TestServer()
        let first = Self.server(of: test)
        let addresses = try await first.start()
        test.server.exporterDidStart(port: addresses[1].port)
        let object = try await ActivationClient().activate(
            host: Self.host, port: addresses[0].port, clsid: TestObject.clsid, iids: [TestObject.a],
            credentials: .alice)
        try await object.ping()
        let lost = try await object.proxy(TestObject.a)
        // The listeners end, and others listen in their place; the exporter and its objects live on.
        await first.shutdown()
        await #expect(throws: (any Error).self) { try await doubled(1, by: lost) }
        await #expect(throws: (any Error).self) { try await object.reconnect() }
        let second = Self.server(of: test, port: addresses[0].port)
        let again = try await second.start()
        test.server.exporterDidStart(port: again[1].port)
        try await object.reconnect()
        #expect(try await doubled(21, by: object.proxy(TestObject.a)) == 42)
        #expect(try await doubled(4, by: object.proxy(TestObject.b)) == 8)
        try await object.ping()
        #expect(test.log.releasedCount == 0)
        try await object.release()
        #expect(test.log.releasedCount == 1 && test.server.exporter.objectCount == 0)
        await #expect(throws: DCOMError.released) { try await object.reconnect() }
        await second.shutdown()
    }

    @Test("after a restart of the server a client learns that its object is gone: OR_INVALID_OXID")
    func staleExporter() async throws {
        let (before, after) = (TestServer(), TestServer())
        let first = Self.server(of: before)
        let addresses = try await first.start()
        before.server.exporterDidStart(port: addresses[1].port)
        let object = try await ActivationClient().activate(
            host: Self.host, port: addresses[0].port, clsid: TestObject.clsid, iids: [TestObject.a],
            credentials: .alice)
        await first.shutdown()
        await before.server.shutdown()
        let second = Self.server(of: after, port: addresses[0].port)
        let again = try await second.start()
        after.server.exporterDidStart(port: again[1].port)
        await #expect(throws: DCOMError.resolverFailed(.invalidOXID)) { try await object.reconnect() }
        await #expect(throws: (any Error).self) { try await object.release() }
        await second.shutdown()
    }

    private func withServer(_ body: (TestServer, UInt16) async throws -> Void) async throws {
        let test = TestServer()
        let server = Self.server(of: test)
        let addresses = try await server.start()
        test.server.exporterDidStart(port: addresses[1].port)
        do {
            try await body(test, addresses[0].port)
        } catch {
            await server.shutdown()
            throw error
        }
        await server.shutdown()
    }

    /// Listens for the resolver at this port, or at a free one, and for the exporter at a free one.
    private static func server(of test: TestServer, port: UInt16 = 0) -> RPCServer {
        let provider = NTLMProvider(
            environment: NTLMEnvironment(
                netbiosComputerName: "NODE1", netbiosDomainName: "LAB", dnsComputerName: "node1.lab.test",
                dnsDomainName: "lab.test"), users: TestUsers())
        return RPCServer(
            configuration: RPCServerConfiguration(
                endpoints: [
                    RPCEndpoint(host: Self.host, port: port, services: test.server.resolverServices),
                    RPCEndpoint(host: Self.host, services: test.server.exporterServices),
                ], providers: [provider]))
    }
}

/// Alice is an administrator, Carol is not.
private struct TestUsers: UserDirectory {
    func user(domain: String, name: String) async throws -> UserRecord? {
        guard ["alice", "carol"].contains(name.lowercased()) else { return nil }
        return UserRecord(
            name: name.lowercased(), domain: "LAB", sid: "S-1-5-21-1-2-3-\(name.lowercased() == "alice" ? 1000 : 1002)",
            ntHash: try NTLMPassword.ntHash("Passw0rd!"), isAdministrator: name.lowercased() == "alice", isEnabled: true
        )
    }
}

extension ClientSecurity {
    fileprivate static let alice = ClientSecurity { _ in
        try NTLMInitiator(domain: "LAB", user: "alice", password: "Passw0rd!")
    }
    fileprivate static let carol = ClientSecurity { _ in
        try NTLMInitiator(domain: "LAB", user: "carol", password: "Passw0rd!")
    }
}
