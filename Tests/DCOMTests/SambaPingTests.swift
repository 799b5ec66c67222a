import DCERPC
import ErrorCodes
import NDR
import Security
import Testing

@testable import DCOM

/// The pings of Samba's smbtorture, which a lab puts up with.
struct SambaPingTests {
    /// rpc.oxidresolve's ComplexPing, decrypted from a capture of smbtorture 4.17: a new set with one GUID, none to remove.
    private static let stub = octets(
        "0000000000000000 0000 0100 0000 0000 01000000 4a4012c30b4239459f5aff6ec8fb717e 00000000")

    private static func service(probe: Bool) throws -> any RPCService {
        let classes = probe ? [COMClass.activationProbe(clsid: TestObject.clsid, name: "probe")] : []
        let server = DCOMServer(classes: classes)
        return try #require(server.resolverServices.first { $0.interface.name == IObjectExporter.interface.name })
    }

    private static func complexPing(
        _ service: any RPCService, _ stub: [UInt8], _ context: CallContext = .test()
    ) async throws -> IObjectExporter.ComplexPing.Response {
        var decoder = NDRDecoder(stub)
        var encoder = NDREncoder()
        try await service.handle(opnum: 2, decoder: &decoder, encoder: &encoder, context: context)
        var answer = NDRDecoder(encoder.bytes)
        let response = try IObjectExporter.ComplexPing.Response(from: &answer, for: .init())
        try answer.finish()
        return response
    }

    private static func simplePing(
        _ service: any RPCService, _ set: UInt64, _ context: CallContext = .test()
    ) async throws -> UInt32 {
        var question = NDREncoder()
        try IObjectExporter.SimplePing.Request(pSetId: set).encode(into: &question)
        var decoder = NDRDecoder(question.bytes)
        var encoder = NDREncoder()
        try await service.handle(opnum: 1, decoder: &decoder, encoder: &encoder, context: context)
        var answer = NDRDecoder(encoder.bytes)
        return try IObjectExporter.SimplePing.Response(from: &answer, for: .init()).returnValue
    }

    @Test("without the probe, Samba's ComplexPing is a bad stub")
    func strict() async throws {
        let service = try Self.service(probe: false)
        await #expect(throws: NDRError.self) { _ = try await Self.complexPing(service, Self.stub) }
    }

    @Test("with the probe, it makes a set, which the group's next SimplePing means whatever it says")
    func tolerant() async throws {
        let service = try Self.service(probe: true)
        #expect(try await Self.simplePing(service, 0x7FAD_F592_85B2) == Win32Error.invalidPingSet.rawValue)
        let made = try await Self.complexPing(service, Self.stub)
        #expect(made.returnValue == 0 && made.pSetId != 0)
        #expect(try await Self.simplePing(service, made.pSetId) == 0)
        #expect(try await Self.simplePing(service, 0x7FAD_F592_85B2) == 0)
        await service.associationGroupEnded(CallContext.test().associationGroup)
        #expect(try await Self.simplePing(service, 0x7FAD_F592_85B2) == Win32Error.invalidPingSet.rawValue)
    }

    @Test("who may not ping may not ping in Samba's way either")
    func refused() async throws {
        let service = try Self.service(probe: true)
        let refused = try await Self.complexPing(service, Self.stub, .test(.ordinary))
        #expect(refused.returnValue == 5 && refused.pSetId == 0)
        #expect(try await Self.simplePing(service, 1, .test(.ordinary)) == 5)
    }

    @Test("with the probe, what can be read in neither way is a bad stub, and the letter goes first")
    func neither() async throws {
        let service = try Self.service(probe: true)
        for length in [0, 8, 14, 39] {
            await #expect(throws: NDRError.self) {
                _ = try await Self.complexPing(service, Array(Self.stub.prefix(length)))
            }
        }
        await #expect(throws: NDRError.self) { _ = try await Self.complexPing(service, Self.stub + [0]) }
        var letter = NDREncoder()
        try IObjectExporter.ComplexPing.Request(pSetId: 0, SequenceNum: 1).encode(into: &letter)
        #expect(try await Self.complexPing(service, letter.bytes).pSetId != 0)
        #expect(try await Self.simplePing(service, 1) == Win32Error.invalidPingSet.rawValue)
    }
}
