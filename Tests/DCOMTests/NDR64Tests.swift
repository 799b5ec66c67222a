import DCERPC
import ErrorCodes
import NDR
import Security
import Testing

@testable import DCOM

/// Objects in NDR64 ([MS-RPCE] 2.2.5), for clients that know nothing else; [MS-DCOM] 2.1 has NDR 2.0.
struct NDR64Tests {
    private func encoded<Value: NDRCodable>(_ value: Value) throws -> [UInt8] {
        var encoder = NDREncoder(syntax: .ndr64)
        try encoder.encode(value)
        return encoder.bytes
    }

    private func decoded<Value: NDRCodable>(_ type: Value.Type, _ bytes: [UInt8]) throws -> Value {
        var decoder = NDRDecoder(bytes, syntax: .ndr64)
        let value = try decoder.decode(Value.self)
        try decoder.finish()
        return value
    }

    @Test("the headers have pointers of eight octets")
    func headers() throws {
        let this = ORPCTHIS(version: .current, cid: "00112233-4455-6677-8899-aabbccddeeff")
        // Version, flags, reserved1, cid; a gap up to 8; NULL.
        let text = "05000700 00000000 00000000 33221100 5544 7766 8899aabbccddeeff 00000000"
        #expect(try encoded(this) == octets(text + "0000000000000000"))
        #expect(try encoded(ORPCTHAT()) == octets("00000000 00000000 0000000000000000"))

        let extent = ORPC_EXTENT(
            id: "00112233-4455-6677-8899-aabbccddeeff", size: 5, data: [1, 2, 3, 4, 5, 0, 0, 0])
        let that = ORPCTHAT(flags: 0, extensions: ORPC_EXTENT_ARRAY(size: 1, extent: [extent, nil]))
        let bytes = octets(
            "00000000 00000000 0000020000000000"  // flags, extensions
                + "01000000 00000000 0400020000000000"  // size, reserved, extent
                + "0200000000000000 0800020000000000 0000000000000000"  // (1 + 1) & ~1 pointers
                + "0800000000000000 33221100 5544 7766 8899aabbccddeeff 05000000 0102030405000000")
        #expect(try encoded(that) == bytes)
        #expect(try decoded(ORPCTHAT.self, bytes) == that)
    }

    // Count, ulCntData, octets, and the padding to the alignment of four.
    @Test("an interface pointer's count has eight octets, its length four")
    func interfacePointers() throws {
        let pointer = MInterfacePointer(ulCntData: 5, abData: [1, 2, 3, 4, 5])
        #expect(try encoded(pointer) == octets("0500000000000000 05000000 0102030405 000000"))
        #expect(try decoded(MInterfacePointer.self, octets("0500000000000000 05000000 0102030405")) == pointer)
    }

    @Test("an object is activated, called and released by a client that speaks nothing else")
    func wholeLife() async throws {
        let test = TestServer()
        let provider = NTLMProvider(
            environment: NTLMEnvironment(
                netbiosComputerName: "NODE1", netbiosDomainName: "LAB", dnsComputerName: "node1.lab.test",
                dnsDomainName: "lab.test"), users: OneAdministrator())
        let server = RPCServer(
            configuration: RPCServerConfiguration(
                endpoints: [
                    RPCEndpoint(host: "127.0.0.1", services: test.server.resolverServices),
                    RPCEndpoint(host: "127.0.0.1", services: test.server.exporterServices),
                ], providers: [provider]))
        let addresses = try await server.start()
        test.server.exporterDidStart(port: addresses[1].port)
        do {
            try await live(test, addresses)
        } catch {
            await server.shutdown()
            throw error
        }
        await server.shutdown()
    }

    private func live(_ test: TestServer, _ addresses: [NetworkAddress]) async throws {
        let resolver = try await RPCClient.connect(host: "127.0.0.1", port: addresses[0].port)
        let activation = try await resolver.bind(
            IActivation.interface.syntax, transferSyntaxes: [.ndr64], security: OneAdministrator.initiator())
        #expect(activation.transferSyntax == .ndr64)
        let response = try await IActivationClient(activation).remoteActivation(
            ActivationRequest(clsid: TestObject.clsid, iids: [TestObject.a]).remoteActivation(.outgoing(.current)))
        let reference = try test.reference(response)

        let exporter = try await RPCClient.connect(host: "127.0.0.1", port: addresses[1].port)
        let object = try await exporter.bind(
            SyntaxIdentifier(uuid: TestObject.a, major: 0), transferSyntaxes: [.ndr64],
            security: OneAdministrator.initiator())
        #expect(object.transferSyntax == .ndr64)
        let twice = try await InterfaceProxy(object.withObject(reference.ipid)).call(
            opnum: 3, encode: { $0.write(UInt32(21)) },
            decode: { decoder in
                let number = try decoder.read(UInt32.self)
                #expect(try decoder.read(UInt32.self) == 0)
                return number
            })
        #expect(twice == 42)

        // Who knows both gets NDR 2.0.
        let unknown = try await exporter.bind(
            IRemUnknown.interface.syntax, transferSyntaxes: [.ndr64], security: OneAdministrator.initiator())
        let both = try await exporter.bind(IRemUnknown.interface.syntax, transferSyntaxes: [.ndr64, .ndr20])
        #expect(both.transferSyntax == .ndr20)
        let client = IRemUnknownClient(InterfaceProxy(unknown.withObject(response.pipidRemUnknown)))
        let query = try await client.remQueryInterface(
            .init(ripid: reference.ipid, cRefs: 1, cIids: 2, iids: [TestObject.b, TestObject.missing]))
        #expect(query.ppQIResults?.map(\.hResult) == [.ok, .noInterface])
        let other = try #require(query.ppQIResults?.first)
        let released = try await client.remRelease(
            .init(
                cInterfaceRefs: 2,
                InterfaceRefs: [
                    REMINTERFACEREF(ipid: reference.ipid, cPublicRefs: reference.cPublicRefs),
                    REMINTERFACEREF(ipid: other.std.ipid, cPublicRefs: 1),
                ]))
        #expect(released.returnValue == HRESULT.ok)
        #expect(test.log.releasedCount == 1)
        await exporter.close()
        await resolver.close()
    }
}

private struct OneAdministrator: UserDirectory {
    static func initiator() throws -> NTLMInitiator {
        try NTLMInitiator(domain: "LAB", user: "alice", password: "Passw0rd!")
    }

    func user(domain: String, name: String) async throws -> UserRecord? {
        UserRecord(
            name: "alice", domain: "LAB", sid: "S-1-5-21-1-2-3-1000", ntHash: try NTLMPassword.ntHash("Passw0rd!"),
            isAdministrator: true, isEnabled: true)
    }
}
