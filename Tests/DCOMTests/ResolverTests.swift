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

    @Test("after a restart the OXID, the set, the remote unknown and the IPIDs of before are unknown")
    func stale() async throws {
        let (before, after) = (TestServer(), TestServer())
        let reference = try before.reference(try await before.activate())
        let set = try await before.objectExporter().complexPing(.init(cAddToSet: 1, AddToSet: [reference.oid])).pSetId
        let resolver = try after.objectExporter()
        #expect(try await resolver.resolveOxid(.init(pOxid: reference.oxid)).returnValue == 1910)
        #expect(try await resolver.resolveOxid2(.init(pOxid: reference.oxid)).returnValue == 1910)
        #expect(try await resolver.simplePing(.init(pSetId: set)).returnValue == 1912)
        #expect(try await resolver.complexPing(.init(pSetId: set, SequenceNum: 1)).returnValue == 1912)
        await #expect(throws: RPCFault(status: 0x8001_0108)) {
            try await doubled(1, by: after.proxy(TestObject.a, ipid: reference.ipid))
        }
        let unknown = IRemUnknownClient(
            try after.proxy(DCOMIdentifier.remoteUnknown, ipid: before.server.exporter.remoteUnknown))
        await #expect(throws: RPCFault(status: 0x8001_0108)) { try await unknown.remRelease(.init()) }
    }

    @Test("a set's changes are taken in their order; what was overtaken is answered with success and does nothing")
    func overtaken() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate()).oid
        let second = try test.reference(try await test.activate()).oid
        let client = try test.objectExporter()
        let set = try await client.complexPing(.init(SequenceNum: 65_535, cAddToSet: 1, AddToSet: [first])).pSetId
        let steps: [(sequence: UInt16, add: [UInt64], remove: [UInt64], result: UInt32)] = [
            // Overtaken, so that not even the unknown object is noticed; repeated; then around the end of the numbers, and half
            // their range away.
            (65_534, [77], [first], 0), (65_535, [77], [], 1911), (0, [second], [], 0),
            (65_535, [], [first, second], 0), (32_769, [77], [], 0), (32_768, [77], [], 1911),
            (32_773, [], [second, 78], 0), (32_768, [second], [], 0),
        ]
        for step in steps {
            let response = try await client.complexPing(
                .init(
                    pSetId: set, SequenceNum: step.sequence, cAddToSet: UInt16(step.add.count),
                    cDelFromSet: UInt16(step.remove.count), AddToSet: step.add, DelFromSet: step.remove))
            #expect(response.returnValue == step.result && response.pSetId == set)
        }
        // The set holds the first object only: the second one left it, and was overtaken when it came back.
        for _ in 0..<4 {
            test.time.advance(by: .seconds(120))
            #expect(try await client.simplePing(.init(pSetId: set)).returnValue == 0)
            await test.server.exporter.collect()
        }
        #expect(test.log.releasedCount == 1 && test.server.exporter.objectCount == 1)
    }

    @Test("a client that vanishes leaves nothing: its objects undo what they did, and its set is gone")
    func vanished() async throws {
        let test = TestServer()
        for _ in 0..<3 { _ = try await test.activate() }
        let pinged = try test.reference(try await test.activate()).oid
        let client = try test.objectExporter()
        let set = try await client.complexPing(.init(cAddToSet: 1, AddToSet: [pinged])).pSetId
        test.time.advance(by: .seconds(240))
        #expect(try await client.simplePing(.init(pSetId: set)).returnValue == 0)
        test.time.advance(by: .seconds(120))
        await test.server.exporter.collect()
        #expect(test.log.releasedCount == 3)
        test.time.advance(by: .seconds(240))
        await test.server.exporter.collect()
        #expect(test.log.releasedCount == 4 && test.server.exporter.objectCount == 0)
        #expect(test.server.exporter.interfaceCount == 0)
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
