import DCERPC
import ErrorCodes
import NDR
import Synchronization
import Testing

@testable import DCOM

/// Error information in ORPCTHAT, and extensions that are abused.
struct ErrorInformationTests {
    static let information = ErrorInformation(
        iid: TestObject.a, source: "hi", description: nil, helpFile: "", helpContext: 0x1234)

    /// By hand, after [MS-DCOM] 2.2.18.6, 2.2.21.2 and 2.2.21.3.
    static let golden = octets(
        """
        4d454f57 04000000 20b1f21c 7d54 1b10 8e65 08002b2bd119
        1b030000 0000 0000 c000 000000000046 00000000 4c000000
        00000000 34120000 aaaaaaaa 0000 0040 8000 000000000001
        ffffffff 03000000 00000000 03000000 6800 6900 0000
        00000000
        ffffffff 01000000 00000000 01000000 0000
        """)

    @Test("error information has the layout of 2.2.21.2")
    func layout() throws {
        #expect(Self.information.reference.octets == Self.golden)
        #expect(try ErrorInformation(OBJREF(Self.golden)) == Self.information)
    }

    @Test("error information that is cut off anywhere, or lies about its lengths, is refused")
    func malformed() throws {
        for count in 0..<Self.golden.count {
            #expect(throws: DCOMError.self) { try ErrorInformation(OBJREF(Self.golden[..<count])) }
        }
        // Behind the reference's header of 48 octets: the version at 0, dwSourceSignature at 24, dwMax 28, dwOffSet 32, dwActual
        // 36, and the terminator of the text at 44.
        for (offset, value) in [(0, UInt8(1)), (24, 1), (28, 4), (32, 1), (36, 2), (44, 0x41)] {
            var altered = Self.golden
            altered[48 + offset] = value
            let error = #expect(throws: DCOMError.self) { try ErrorInformation(OBJREF(altered)) }
            #expect(error?.hresult == .invalidObjectReference)
        }
        var huge = Self.golden
        for offset in [28, 36] { huge.replaceSubrange(48 + offset..<52 + offset, with: [0xFF, 0xFF, 0xFF, 0x7F]) }
        #expect(throws: DCOMError.self) { try ErrorInformation(OBJREF(huge)) }
        let foreign = OBJREF(iid: DCOMIdentifier.errorInfo, body: .custom(clsid: .random(), data: []))
        #expect(throws: DCOMError.self) { try ErrorInformation(foreign) }
    }

    @Test("a text of 4,095 characters and its terminator comes back, a longer one is cut")
    func longTexts() throws {
        for count in [4095, 4096] {
            let information = ErrorInformation(iid: TestObject.a, description: String(repeating: "x", count: count))
            let again = try ErrorInformation(OBJREF(information.reference.octets))
            #expect(again.description?.count == 4095)
        }
        let embedded = ErrorInformation(iid: TestObject.a, source: "a\u{0}b")
        #expect(try ErrorInformation(OBJREF(embedded.reference.octets)).source == "a b")
    }

    @Test("what a method adds to its answer reaches the client, and the answer behind it is found")
    func reply() async throws {
        let test = TestServer(hold: { ORPCCall.current?.reply(with: Self.information.extension) })
        let ipid = try test.reference(try await test.activate()).ipid
        let seen = Mutex<[ORPCCall.Extension]>([])
        let proxy = try test.proxy(TestObject.a, ipid: ipid).observingReplies { extensions in
            seen.withLock { $0 = extensions }
        }
        #expect(try await doubled(21, by: proxy) == 42)
        let received = seen.withLock { $0 }
        #expect(try received.map { try ErrorInformation($0) } == [Self.information])
        #expect(try ErrorInformation(ORPCCall.Extension(id: .random(), data: [1])) == nil)
        #expect(throws: DCOMError.self) {
            try ErrorInformation(ORPCCall.Extension(id: DCOMIdentifier.errorExtension, data: [1]))
        }
        // A client that does not know extensions passes over them.
        #expect(try await doubled(4, by: test.proxy(TestObject.a, ipid: ipid)) == 8)
    }

    @Test("ORPCTHAT with error information, octet by octet")
    func replyLayout() async throws {
        let small = ORPCCall.Extension(id: TestObject.b, data: [1, 2, 3, 4, 5, 6, 7, 8, 9])
        let test = TestServer(hold: { ORPCCall.current?.reply(with: small) })
        let ipid = try test.reference(try await test.activate()).ipid
        var request = NDREncoder()
        try request.encode(ORPCTHIS(version: .current))
        request.write(UInt32(7))
        var decoder = NDRDecoder(request.bytes)
        var encoder = NDREncoder()
        try await test.service(TestObject.a).handle(
            opnum: 3, decoder: &decoder, encoder: &encoder, context: .test(object: ipid))
        // Flags and a referent; size, reserved and a referent; the maximum count of the array, one referent and NULL; the maximum
        // count of the data, id, size, sixteen octets; then what the method wrote.
        #expect(
            encoder.bytes
                == octets(
                    """
                    00000000 00000200 01000000 00000000 04000200 02000000 08000200 00000000
                    10000000 bbbbbbbb 0000 0040 8000 000000000002 09000000 0102030405060708 0900000000000000
                    0e000000 00000000
                    """))
    }

    @Test("a client that calls in NDR64 finds the answer, with extensions in front of it or without")
    func replyInNDR64() async throws {
        for length in 0..<20 {
            let added = ORPCCall.Extension(id: TestObject.b, data: Array(repeating: 7, count: length))
            let test = TestServer(hold: { ORPCCall.current?.reply(with: added) })
            let ipid = try test.reference(try await test.activate()).ipid
            var request = NDREncoder(syntax: .ndr64)
            try request.encode(ORPCTHIS(version: .current))
            request.write(UInt32(7))
            var decoder = NDRDecoder(request.bytes, syntax: .ndr64)
            var encoder = NDREncoder(syntax: .ndr64)
            try await test.service(TestObject.a).handle(
                opnum: 3, decoder: &decoder, encoder: &encoder, context: .test(object: ipid))
            var answer = NDRDecoder(encoder.bytes, syntax: .ndr64)
            let header = try answer.decode(ORPCTHAT.self)
            #expect(try header.extensions?.list() ?? [added] == [added])
            #expect(try answer.read(UInt32.self) == 14)
            #expect(try answer.read(UInt32.self) == 0)
            try answer.finish()
        }
    }

    @Test("a format is sent once, the last time it was given")
    func replaced() async throws {
        let call = ORPCCall(causality: .random(), version: .current, ipid: .zero, extensions: [])
        #expect(call.reply == [])
        call.reply(with: ORPCCall.Extension(id: TestObject.a, data: [1]))
        call.reply(with: ORPCCall.Extension(id: TestObject.b, data: [2]))
        call.reply(with: ORPCCall.Extension(id: TestObject.a, data: [3]))
        #expect(call.reply.map(\.data) == [[2], [3]])
    }

    // MARK: Extensions of requests

    @Test("extensions that a server does not know are ignored; 32 are taken, 33 are RPC_E_INVALID_EXTENSION")
    func count() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        for (count, isTaken) in [(1, true), (2, true), (3, true), (32, true), (33, false)] {
            let extensions = (0..<count).map { ORPCCall.Extension(id: .random(), data: Array(repeating: 7, count: $0)) }
            let proxy = try test.proxy(TestObject.a, ipid: ipid).sending(extensions)
            guard isTaken else {
                await #expect(throws: RPCFault(status: 0x8001_0112)) { try await doubled(5, by: proxy) }
                continue
            }
            #expect(try await doubled(5, by: proxy) == 10)
            #expect(test.log.objects[0].calls.withLock { $0.last?.extensions } == extensions)
        }
        // The call that was refused does not hold the object.
        _ = try await test.unknown1().remRelease(
            .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: 5)]))
        #expect(test.log.releasedCount == 1)
    }

    @Test(
        "sizes of extensions and of their array that do not fit are malformed stubs",
        arguments: [
            // The array's size, its maximum count, whether its elements are there, an extent's maximum count and its size.
            (UInt32(1), UInt32(1), UInt32(8), UInt32(5)), (1, 4, 8, 5), (0xFFFF_FFFF, 2, 8, 5), (0xFFFF_FFFF, 0, 8, 5),
            (0x8000_0000, 0x8000_0000, 8, 5), (1, 2, 16, 5), (1, 2, 0, 5), (1, 2, 8, 0xFFFF_FFFF),
            (1, 2, 0, 0xFFFF_FFFF), (1, 2, 0xFFFF_FFF8, 0xFFFF_FFF8), (1, 2, 0xFFFF_FFF8, 0xFFFF_FFF1),
        ])
    func sizes(size: UInt32, arrayCount: UInt32, dataCount: UInt32, dataSize: UInt32) async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        var request = NDREncoder()
        for value: UInt16 in [5, 7] { request.write(value) }
        for _ in 0..<2 { request.write(UInt32(0)) }
        request.write(octets: GUID.random().littleEndianBytes)
        // ORPCTHIS.extensions; ORPC_EXTENT_ARRAY; the pointers; one ORPC_EXTENT.
        for value in [0x20000, size, 0, 0x20004, arrayCount, 0x20008, 0, dataCount] { request.write(value) }
        request.write(octets: GUID.random().littleEndianBytes)
        request.write(dataSize)
        request.write(octets: [1, 2, 3, 4, 5, 0, 0, 0])
        request.write(UInt32(7))
        let octets = request.bytes
        await #expect(throws: (any Error).self) {
            var decoder = NDRDecoder(octets)
            var encoder = NDREncoder()
            try await test.service(TestObject.a).handle(
                opnum: 3, decoder: &decoder, encoder: &encoder, context: .test(object: ipid))
        }
    }
}
