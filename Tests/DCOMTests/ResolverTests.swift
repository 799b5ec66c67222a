import DCERPC
import ErrorCodes
import NDR
import Security
import Testing

@testable import DCOM

/// IObjectExporter through its service.
struct ResolverTests {
    @Test("ServerAlive and ServerAlive2 are open to everybody")
    func alive() async throws {
        let test = TestServer()
        for context in [CallContext.test(nil, level: .none), .test(.ordinary, level: .connect), .test()] {
            let client = try test.objectExporter(context)
            #expect(try await client.serverAlive(.init()).returnValue == 0)
            let response = try await client.serverAlive2(.init())
            #expect(response.returnValue == 0)
            #expect(response.pComVersion == COMVERSION(MajorVersion: 5, MinorVersion: 7))
            #expect(response.pReserved == 0)
            let bindings = try DualStringArray(#require(response.ppdsaOrBindings))
            #expect(bindings.strings == [StringBinding(host: "192.0.2.1"), StringBinding(host: "node1")])
            #expect(bindings.security == [SecurityBinding(.ntlm)])
        }
    }

    @Test("OXID resolution names the exporter by the address that the client used")
    func resolve() async throws {
        let test = TestServer()
        let oxid = test.server.exporter.oxid
        let client = try test.objectExporter(.test(address: "2001:db8::7"))
        let first = try await client.resolveOxid(
            .init(pOxid: oxid, cRequestedProtseqs: 2, arRequestedProtseqs: [7, 15]))
        #expect(first.returnValue == 0)
        #expect(first.pipidRemUnknown == test.server.exporter.remoteUnknown)
        #expect(first.pAuthnHint == 6)
        let bindings = try DualStringArray(#require(first.ppdsaOxidBindings))
        #expect(bindings.strings.map(\.address) == ["2001:db8::7[49152]", "node1[49152]"])
        let second = try await client.resolveOxid2(.init(pOxid: oxid))
        #expect(second.returnValue == 0)
        #expect(second.pComVersion == .current)
        #expect(second.ppdsaOxidBindings == first.ppdsaOxidBindings)
    }

    @Test("an unknown OXID, and protocols that we do not have, are refused")
    func resolveErrors() async throws {
        let test = TestServer()
        let client = try test.objectExporter()
        let unknown = test.server.exporter.oxid &+ 1
        #expect(try await client.resolveOxid(.init(pOxid: unknown)).returnValue == 1910)
        #expect(try await client.resolveOxid2(.init(pOxid: unknown)).returnValue == 1910)
        let pipes = try await client.resolveOxid(
            .init(pOxid: test.server.exporter.oxid, cRequestedProtseqs: 1, arRequestedProtseqs: [15]))
        #expect(pipes.returnValue == 1703)
        #expect(pipes.ppdsaOxidBindings == nil)
    }

    @Test("the other methods need an administrator and PKT_INTEGRITY")
    func denied() async throws {
        let test = TestServer()
        for context in [
            CallContext.test(nil, level: .none), .test(level: .packet), .test(.ordinary), .test(.anonymous),
        ] {
            let client = try test.objectExporter(context)
            #expect(try await client.resolveOxid(.init(pOxid: test.server.exporter.oxid)).returnValue == 5)
            #expect(try await client.resolveOxid2(.init(pOxid: test.server.exporter.oxid)).returnValue == 5)
            #expect(try await client.simplePing(.init(pSetId: 1)).returnValue == 5)
            #expect(try await client.complexPing(.init()).returnValue == 5)
        }
    }

    @Test("pinging keeps an object, silence releases it")
    func pinging() async throws {
        let test = TestServer()
        let reference = try test.reference(try await test.activate())
        let client = try test.objectExporter()
        let made = try await client.complexPing(
            .init(pSetId: 0, SequenceNum: 1, cAddToSet: 1, AddToSet: [reference.oid]))
        #expect(made.returnValue == 0 && made.pSetId != 0 && made.pPingBackoffFactor == 0)
        for _ in 0..<5 {
            test.time.advance(by: .seconds(350))
            #expect(try await client.simplePing(.init(pSetId: made.pSetId)).returnValue == 0)
            await test.server.exporter.collect()
        }
        #expect(test.log.releasedCount == 0)
        test.time.advance(by: .seconds(360))
        await test.server.exporter.collect()
        #expect(test.log.releasedCount == 1)
        #expect(test.server.exporter.objectCount == 0)
        #expect(try await client.simplePing(.init(pSetId: made.pSetId)).returnValue == 1912)
        await test.server.exporter.collect()
        #expect(test.log.releasedCount == 1)
    }

    @Test("the errors of pinging")
    func pingErrors() async throws {
        let test = TestServer()
        let reference = try test.reference(try await test.activate())
        let client = try test.objectExporter()
        #expect(try await client.simplePing(.init(pSetId: 0)).returnValue == 1912)
        #expect(try await client.complexPing(.init(pSetId: 99)).returnValue == 1912)
        let made = try await client.complexPing(.init(cAddToSet: 1, AddToSet: [reference.oid]))
        let unknown = try await client.complexPing(
            .init(pSetId: made.pSetId, SequenceNum: 1, cAddToSet: 1, AddToSet: [77]))
        #expect(unknown.returnValue == 1911)
        #expect(unknown.pSetId == made.pSetId)
        #expect(
            try await test.objectExporter(.test(.otherAdministrator)).simplePing(.init(pSetId: made.pSetId)).returnValue
                == 1912)
    }

    @Test("the end of the server releases all objects once")
    func shutdown() async throws {
        let test = TestServer()
        _ = try await test.activate()
        _ = try await test.activate()
        await test.server.shutdown()
        await test.server.shutdown()
        #expect(test.log.releasedCount == 2)
    }

    @Test("identifiers differ from server to server")
    func identifiers() {
        let first = TestServer().server.exporter
        let second = TestServer().server.exporter
        #expect(first.oxid != second.oxid && first.oxid != 0)
        #expect(first.remoteUnknown != second.remoteUnknown)
    }
}
