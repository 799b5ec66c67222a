import ClusterProtocols
import DCERPC
import ErrorCodes
import NDR
import Testing

/// The generated clients, handlers and tables, joined without a network.
struct GeneratedStubTests {
    /// Hands a client's stub to a server's handler and the answer back.
    private struct Loopback: RPCCaller {
        let handlers: [RPCHandler?]
        let interface: RPCInterface

        func call<Response: Sendable>(
            opnum: UInt16, encode: @Sendable (inout NDREncoder) throws -> Void,
            decode: @Sendable (inout NDRDecoder) throws -> Response
        ) async throws -> Response {
            var request = NDREncoder()
            try encode(&request)
            let handler = try #require(handlers[Int(opnum)])
            var decoder = NDRDecoder(request.bytes)
            var response = NDREncoder()
            let address = NetworkAddress(ip: "127.0.0.1", port: 135)
            let context = CallContext(localAddress: address, remoteAddress: address, interface: interface.syntax)
            try await handler(&decoder, &response, context)
            var answer = NDRDecoder(response.bytes)
            return try decode(&answer)
        }
    }

    private struct Log: IClusterLogServer {
        let error: (any Error)?

        func generateClusterLog(
            _ request: IClusterLog.GenerateClusterLog.Request, context: CallContext
        ) async throws -> IClusterLog.GenerateClusterLog.Response {
            IClusterLog.GenerateClusterLog.Response(LogFilePath: BSTRValue("a").blob)
        }

        func generateTimeSpanLog(
            _ request: IClusterLog.GenerateTimeSpanLog.Request, context: CallContext
        ) async throws -> IClusterLog.GenerateTimeSpanLog.Response {
            if let error { throw error }
            return IClusterLog.GenerateTimeSpanLog.Response(LogFilePath: BSTRValue("\(request.SpanMinutes)").blob)
        }

        func generateClusterLogInLocalTime(
            _ request: IClusterLog.GenerateClusterLogInLocalTime.Request, context: CallContext
        ) async throws -> IClusterLog.GenerateClusterLogInLocalTime.Response {
            // A NULL string where the client may have one.
            IClusterLog.GenerateClusterLogInLocalTime.Response()
        }

        func generateTimeSpanLogInLocalTime(
            _ request: IClusterLog.GenerateTimeSpanLogInLocalTime.Request, context: CallContext
        ) async throws -> IClusterLog.GenerateTimeSpanLogInLocalTime.Response {
            // The string's count is not the number of its units: this cannot be encoded.
            IClusterLog.GenerateTimeSpanLogInLocalTime.Response(LogFilePath: FLAGGED_WORD_BLOB(clSize: 3))
        }
    }

    private func client(_ error: (any Error)? = nil) -> IClusterLogClient {
        IClusterLogClient(
            Loopback(handlers: IClusterLog.handlers(Log(error: error)), interface: IClusterLog.interface))
    }

    private struct Unrelated: Error, Equatable {}

    @Test func callsGoThrough() async throws {
        let response = try await client().generateTimeSpanLog(.init(SpanMinutes: 42))
        #expect(response.returnValue == .ok)
        #expect(try BSTRValue(response.LogFilePath).text == "42")
        #expect(try await client().generateClusterLogInLocalTime().LogFilePath == nil)
    }

    @Test func errorsBecomeReturnValues() async throws {
        let response = try await client(HRESULT.accessDenied).generateTimeSpanLog()
        #expect(response == .init(LogFilePath: nil, returnValue: .accessDenied))
    }

    @Test func faultsAndStrangersPass() async throws {
        await #expect(throws: RPCFault.accessDenied) {
            try await client(RPCFault.accessDenied).generateTimeSpanLog()
        }
        await #expect(throws: Unrelated()) { try await client(Unrelated()).generateTimeSpanLog() }
        await #expect(throws: NDRError.self) { try await client().generateTimeSpanLogInLocalTime() }
    }

    @Test func trailingOctetsOfARequestAreRefused() async throws {
        let handler = try #require(IClusterLog.handlers(Log(error: nil))[4])
        let address = NetworkAddress(ip: "127.0.0.1", port: 135)
        let context = CallContext(
            localAddress: address, remoteAddress: address, interface: IClusterLog.interface.syntax)
        var encoder = NDREncoder()
        var whole = NDRDecoder([1, 0, 0, 0])
        try await handler(&whole, &encoder, context)
        var trailing = NDRDecoder([1, 0, 0, 0, 0])
        await #expect(throws: NDRError.self) { try await handler(&trailing, &encoder, context) }
    }

    @Test func aFailingReadIsAsLongAsTheRequestDemands() throws {
        let request = IClusterStorage2.CprepDiskRawRead.Request(ulSector: 34, cbData: 512)
        var encoder = NDREncoder()
        try IClusterStorage2.CprepDiskRawRead.Response(returnValue: .accessDenied, for: request)
            .encode(into: &encoder, for: request)
        // Maximum count, offset, actual count, pcbDataRead, ulLatency, return value.
        #expect(
            encoder.bytes
                == [0, 2, 0, 0] + [UInt8](repeating: 0, count: 16) + [0x05, 0x00, 0x07, 0x80])
    }

    /// Opnums and names of the interfaces ([MS-CSVP] 3.x.4, [MS-CMRP] 3.1.4.2), as dissection shows them.
    @Test func tablesHaveEveryOperation() {
        let expected: [(RPCInterface, UInt16, String)] = [
            (IClusterStorage2.interface, 25, "CprepDiskPRRegister"),
            (IClusterStorage2.interface, 38, "CprepDiskGetDsms"),
            (IClusterLogEx3.interface, 12, "GenerateLogEx2"),
            (IClusterLog.interface, 6, "GenerateTimeSpanLogInLocalTime"),
            (clusapi.interface, 4, "ApiGetClusterVersion"),
        ]
        for (interface, opnum, name) in expected {
            #expect(interface.operations.first { $0.opnum == opnum }?.name == name)
        }
        for interface in [
            IClusterStorage2.interface, IClusterStorage3.interface, IClusterNetwork2.interface,
            IClusterCleanup.interface,
            IClusterSetup.interface, IClusterLog.interface, IClusterLogEx3.interface, IClusterFirewall.interface,
            IClusterUpdate.interface, clusapi.interface,
        ] {
            let opnums = interface.operations.map(\.opnum)
            let first: UInt16 = interface.isObject ? 3 : 0
            #expect(opnums == Array(first..<first + UInt16(opnums.count)), "\(interface.name)")
        }
        #expect(!clusapi.interface.isObject)
        #expect(clusapi.interface.syntax.major == 3)
    }

    @Test func theThreeOfIUnknownAreNotOnTheWire() {
        let handlers = IClusterLog.handlers(Log(error: nil))
        #expect(handlers.count == 7)
        #expect(handlers.prefix(3).allSatisfy { $0 == nil })
        #expect(handlers.dropFirst(3).allSatisfy { $0 != nil })
    }
}
