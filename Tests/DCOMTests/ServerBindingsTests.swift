import DCERPC
import Security
import Testing

@testable import DCOM

/// Which bindings a client is told of, on hosts with one address and with several ([MS-DCOM] 2.2.19).
struct ServerBindingsTests {
    static let bindings: ServerBindings = {
        let bindings = ServerBindings(
            hostNames: ["node1.lab.test", "NODE1"],
            addresses: [
                "192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:DB8:1::1", "127.0.0.1", "::1", "fe80::1",
                "169.254.1.1",
                "::ffff:203.0.113.1",
            ], providers: [.ntlm])
        bindings.exporterPort = 49_152
        return bindings
    }()

    @Test(
        "the address the client used, the names, the other addresses of its protocol, then those of the other one",
        arguments: [
            (
                "192.0.2.1",
                [
                    "192.0.2.1", "node1.lab.test", "NODE1", "198.51.100.1", "203.0.113.1", "2001:db8::1",
                    "2001:DB8:1::1",
                ]
            ),
            (
                "2001:db8:1::1",
                [
                    "2001:db8:1::1", "node1.lab.test", "NODE1", "2001:db8::1", "192.0.2.1", "198.51.100.1",
                    "203.0.113.1",
                ]
            ),
            (
                "::ffff:198.51.100.1",
                [
                    "198.51.100.1", "node1.lab.test", "NODE1", "192.0.2.1", "203.0.113.1", "2001:db8::1",
                    "2001:DB8:1::1",
                ]
            ),
            (
                "fe80::1",
                [
                    "fe80::1", "node1.lab.test", "NODE1", "2001:db8::1", "2001:DB8:1::1", "192.0.2.1", "198.51.100.1",
                    "203.0.113.1",
                ]
            ),
            (
                "127.0.0.1",
                [
                    "127.0.0.1", "node1.lab.test", "NODE1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1",
                    "2001:DB8:1::1", "::1",
                ]
            ),
        ])
    func order(address: String, expected: [String]) throws {
        let resolver = Self.bindings.resolver(for: .test(address: address))
        #expect(resolver.strings == expected.map { StringBinding(host: $0) })
        let exporter = try #require(Self.bindings.exporter(for: .test(address: address)))
        #expect(exporter.strings == expected.map { StringBinding(host: $0, port: 49_152) })
        #expect(exporter.strings.allSatisfy { $0.port == 49_152 })
        // An IPv6 address is written as it is, and its port in the brackets of 2.2.19.3.
        #expect(exporter.strings.map(\.host) == expected)
    }

    @Test("a stranger is told the address it used and the names, not which networks the host is in")
    func strangers() {
        for context in [CallContext.test(nil, level: .none, address: "192.0.2.1"), .test(.anonymous)] {
            #expect(
                Self.bindings.resolver(for: context).strings.map(\.address) == ["192.0.2.1", "node1.lab.test", "NODE1"])
        }
    }

    @Test("ServerAlive2 tells strangers and users their bindings, none of which has an endpoint")
    func serverAlive2() async throws {
        let server = DCOMServer(
            classes: [],
            configuration: .init(
                hostNames: ["node1"], addresses: ["198.51.100.1"], securityProviders: [.spnego, .ntlm],
                principalNames: [.spnego: "host/node1.lab.test"]))
        let service = try #require(server.resolverServices.first)
        for (context, expected) in [
            (CallContext.test(nil, level: .none), ["192.0.2.1", "node1"]),
            (.test(), ["192.0.2.1", "node1", "198.51.100.1"]),
        ] {
            let client = IObjectExporterClient(LocalCaller(service: service, context: context))
            let response = try await client.serverAlive2(.init())
            let bindings = try DualStringArray(#require(response.ppdsaOrBindings))
            #expect(bindings.strings.map(\.address) == expected)
            #expect(bindings.strings.allSatisfy { $0.tower == 7 && $0.port == nil })
            #expect(bindings.security.map(\.authenticationService) == [9, 10])
            #expect(bindings.security.map(\.principal) == ["host/node1.lab.test", ""])
        }
    }

    @Test("a server with no provider at all says so with an empty list")
    func noProviders() throws {
        let bindings = ServerBindings(hostNames: [], security: [])
        let array = bindings.resolver(for: .test())
        #expect(try DualStringArray(array.idl) == array && array.security.isEmpty)
    }
}
