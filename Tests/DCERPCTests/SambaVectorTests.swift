import Foundation
import NDR
import Testing

@testable import DCERPC

/// Stubs that Samba marshalled (`Fixtures/README.md`), read and written by generated code in both transfer syntaxes.
@Suite(.serialized) struct SambaVectorTests {
    private static let vectors: [String: [UInt8]] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Fixtures/ndr64/vectors.txt")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [:] }
        let lines = text.split(separator: "\n").map { $0.components(separatedBy: " | ") }
        return Dictionary(uniqueKeysWithValues: lines.map { ("\($0[0]) | \($0[1])", octets($0[2])) })
    }()

    /// - Parameter isExact: whether the octets must come back; Samba numbers the referents of full pointers in its own way.
    private func check<Value: Equatable>(
        _ name: String, _ value: Value, isExact: Bool = true,
        decode: (inout NDRDecoder) throws -> Value, encode: (inout NDREncoder) throws -> Void
    ) throws {
        for syntax in TransferSyntax.allCases {
            let stub = try #require(Self.vectors["\(name) | \(syntax)"], "\(name)")
            var decoder = NDRDecoder(stub, syntax: syntax)
            #expect(try decode(&decoder) == value, "\(name), \(syntax)")
            try decoder.finish()
            var encoder = NDREncoder(syntax: syntax)
            try encode(&encoder)
            if isExact {
                #expect(hex(encoder.bytes) == hex(stub), "\(name), \(syntax)")
            } else {
                #expect(encoder.count == stub.count, "\(name), \(syntax)")
            }
        }
    }

    private func check<Request: RPCRequest>(_ name: String, _ request: Request, isExact: Bool = true) throws {
        try check(
            name, request, isExact: isExact, decode: { try Request(from: &$0) },
            encode: { try request.encode(into: &$0) })
    }

    private func check<Response: RPCResponse>(
        _ name: String, _ response: Response, for request: Response.Question, isExact: Bool = true
    ) throws {
        try check(
            name, response, isExact: isExact, decode: { try Response(from: &$0, for: request) },
            encode: { try response.encode(into: &$0, for: request) })
    }

    @Test func management() throws {
        let interfaces = [
            RPC_IF_ID(Uuid: "afa8bd80-7d8a-11c9-bef4-08002b102989", VersMajor: 1, VersMinor: 0),
            RPC_IF_ID(Uuid: "e1af8308-5d1f-11c9-91a4-08002b14a0fa", VersMajor: 3, VersMinor: 0),
        ]
        try check(
            "inq_if_ids out",
            mgmt.rpc_mgmt_inq_if_ids.Response(if_id_vector: .init(Count: 2, IfId: interfaces), status: 0), for: .init())
        let question = mgmt.rpc_mgmt_inq_princ_name.Request(authn_proto: 10, princ_name_size: 64)
        try check("inq_princ_name in", question)
        try check(
            "inq_princ_name out", mgmt.rpc_mgmt_inq_princ_name.Response(princ_name: "host/node", status: 0),
            for: question)
    }

    @Test func endpointMapper() throws {
        try check(
            "ept_lookup in",
            epmapper.ept_lookup.Request(
                inquiry_type: 1, object: "11223344-5566-7788-99aa-bbccddeeff00",
                Ifid: RPC_IF_ID(Uuid: "afa8bd80-7d8a-11c9-bef4-08002b102989", VersMajor: 1, VersMinor: 2),
                vers_option: 1, entry_handle: ContextHandle(uuid: "00112233-4455-6677-8899-aabbccddeeff"), max_ents: 5),
            isExact: false)
    }

    @Test func enumerations() throws {
        let pair = ECHO_PAIR(e1: .Echo2, e2: .EchoWide1)
        try check("enumerations 1", echoes.TestEnum.Request(foo1: .Echo1, foo2: pair, foo3: .e1(.Echo2)))
        try check("enumerations 2", echoes.TestEnum.Request(foo1: .Echo2, foo2: pair, foo3: .e2(pair)))
    }

    @Test func conformantStructures() throws {
        try check("surrounding 0", echoes.TestSurrounding.Request(data: .init(x: 0, surrounding: [])))
        try check(
            "surrounding 3",
            echoes.TestSurrounding.Request(data: .init(x: 3, surrounding: [0x1100, 0x1101, 0x1102])))
    }

    @Test func unions() throws {
        let arms: [ECHO_INFO] = [
            .info1(.init(v: 0x11)), .info2(.init(v: 0x2211)), .info3(.init(v: 0x4433_2211)),
            .info4(.init(v: 0x8877_6655_4433_2211)), .info5(.init(v1: 0x55, v2: 0x8877_6655_4433_2211)),
            .info6(.init(v1: 0x55, info1: .init(v: 0x66))), .info7(.init(v1: 0x55, info4: .init(v: 0x66))),
        ]
        for (arm, level) in zip(arms, UInt16(1)...) {
            try check(
                "info \(level)", echoes.TestCall2.Response(info: arm, returnValue: 0), for: .init(level: level))
        }
    }

    @Test func pointersToArraysOfStructuresOfPointers() throws {
        let shares = [
            ECHO_SHARE(name: "ADMIN$", type: 0x8000_0000, comment: "Remote Admin"),
            ECHO_SHARE(name: "c", type: 0x8000_0000),
        ]
        try check(
            "shares",
            echoes.Shares.Request(
                server_unc: "\\\\node",
                info_ctr: .init(level: 1, ctr: .ctr1(.init(count: 2, array: shares))), max_buffer: .max,
                resume_handle: 7))
    }
}
