import ClusterProtocols
import DCERPC
import DCOM
import Foundation
import NDR
import Testing

@testable import InterfaceValues

/// Stubs that others have marshalled are decoded and encoded again as they were, octet for octet.
@Suite("Decoding and encoding again")
struct RoundTripTests {
    private static let fixtures = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures")

    static func octets(_ digits: String) throws -> [UInt8] {
        let digits = Array(digits)
        return try stride(from: 0, to: digits.count - 1, by: 2).map { index in
            try #require(UInt8(String(digits[index...index + 1]), radix: 16))
        }
    }

    private static func impacketVectors() throws -> [String: String] {
        let file = fixtures.appendingPathComponent("impacket/vectors.json")
        return try JSONDecoder().decode([String: String].self, from: Data(contentsOf: file))
    }

    @Test func impacketStubs() throws {
        var seen = 0
        for (name, digits) in try Self.impacketVectors() {
            let words = name.split(separator: ".").map(String.init)
            guard words.count >= 3, let interface = InterfaceCatalogue.standard.interface(named: words[0]),
                let operation = interface.operations.first(where: { $0.name == words[1] })
            else { continue }
            let stub = try Self.octets(digits)
            if words[2] == "request" {
                let tree = try operation.decodeRequest(stub)
                #expect(tree.trailing.isEmpty, "\(name)")
                #expect(try operation.encodeRequest(tree) == stub, "\(name)")
            } else {
                let tree = try operation.decodeResponse(stub)
                #expect(tree.trailing.isEmpty, "\(name)")
                #expect(try operation.encodeResponse(tree) == stub, "\(name)")
            }
            seen += 1
        }
        #expect(seen >= 19)
    }

    @Test func impacketValues() throws {
        let all = try Self.impacketVectors()
        let stub = try Self.octets(#require(all["IClusterStorage2.CprepDiskWriteFileData.request"]))
        let interface = try #require(InterfaceCatalogue.standard.interface(named: "IClusterStorage2"))
        let tree = try #require(interface.operations.first { $0.name == "CprepDiskWriteFileData" }).decodeRequest(stub)
        #expect(
            tree.lines() == [
                "ORPCTHIS: ORPCTHIS",
                "  version: COMVERSION",
                "    MajorVersion: 5",
                "    MinorVersion: 7",
                "  flags: 0x0",
                "  reserved1: 0",
                "  cid: 00112233-4455-6677-8899-aabbccddeeff",
                "  extensions: NULL",
                "DiskId: CPREP_DISKID",
                "  DiskIdType: CprepIdNumber (4000)",
                "  DiskId: CPREP_DISKID_DiskId",
                "    DeviceNumber: 1",
                "ulPartition: 1",
                "FileName: \"größe.bin\"",
                "cbDataIn: 3",
                "DataIn: 3 octets 616263",
            ])
        let name = try #require(tree["FileName"])
        #expect(Array(stub[name.octets].prefix(4)) == [0x67, 0, 0x72, 0])
    }

    /// Samba's marshalling, in both transfer syntaxes.
    @Test func sambaStubs() throws {
        let text = try String(contentsOf: Self.fixtures.appendingPathComponent("ndr64/vectors.txt"), encoding: .utf8)
        let operations: [String: (String, String)] = [
            "inq_if_ids out": ("mgmt", "rpc_mgmt_inq_if_ids"), "inq_princ_name in": ("mgmt", "rpc_mgmt_inq_princ_name"),
            "inq_princ_name out": ("mgmt", "rpc_mgmt_inq_princ_name"), "ept_lookup in": ("epmapper", "ept_lookup"),
            "ept_lookup out": ("epmapper", "ept_lookup"), "ept_map in": ("epmapper", "ept_map"),
            "ept_map out": ("epmapper", "ept_map"),
        ]
        var seen = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard words.count == 3, let (interface, name) = operations[words[0]] else { continue }
            let operation = try #require(
                InterfaceCatalogue.standard.interface(named: interface)?.operations.first { $0.name == name })
            let syntax: TransferSyntax = words[1] == "NDR64" ? .ndr64 : .ndr20
            let stub = try Self.octets(words[2])
            if words[0].hasSuffix(" in") {
                let tree = try operation.decodeRequest(stub, syntax: syntax)
                #expect(tree.trailing.isEmpty, "\(line)")
                #expect(try operation.encodeRequest(tree) == stub, "\(line)")
            } else {
                let tree = try operation.decodeResponse(stub, syntax: syntax)
                #expect(tree.trailing.isEmpty, "\(line)")
                #expect(try operation.encodeResponse(tree) == stub, "\(line)")
            }
            seen += 1
        }
        #expect(seen >= 8)
    }

    /// Every stub, cut off after each octet and with each octet changed: a tree that is written again as it was, or an error.
    @Test func damagedStubs() throws {
        for (name, digits) in try Self.impacketVectors() {
            let words = name.split(separator: ".").map(String.init)
            guard words.count >= 3, let interface = InterfaceCatalogue.standard.interface(named: words[0]),
                let operation = interface.operations.first(where: { $0.name == words[1] })
            else { continue }
            let stub = try Self.octets(digits)
            for index in stub.indices.prefix(400) {
                var changed = stub
                changed[index] ^= 0xFF
                for octets in [Array(stub[..<index]), changed] {
                    if words[2] == "request" {
                        guard let tree = try? operation.decodeRequest(octets) else { continue }
                        #expect(try operation.encodeRequest(tree) == octets, "\(name), octet \(index)")
                    } else {
                        guard let tree = try? operation.decodeResponse(octets) else { continue }
                        #expect(try operation.encodeResponse(tree) == octets, "\(name), octet \(index)")
                    }
                }
            }
        }
    }

    @Test func bigEndianStubs() throws {
        let all = try Self.impacketVectors()
        let stub = try Self.octets(#require(all["IClusterStorage2.CprepDiskWriteFileData.request"]))
        let operation = try #require(
            InterfaceCatalogue.standard.interface(named: "IClusterStorage2")?.operations.first {
                $0.name == "CprepDiskWriteFileData"
            })
        var tree = try operation.decodeRequest(stub)
        tree.isBigEndian = true
        let swapped = try operation.encodeRequest(tree)
        #expect(swapped != stub && swapped.count == stub.count)
        #expect(Array(swapped.prefix(4)) == [0, 5, 0, 7])
        let again = try operation.decodeRequest(swapped, isBigEndian: true)
        #expect(again.lines() == tree.lines())
        #expect(again == tree)
    }

    /// An error says which field it is about.
    @Test func errorsHavePaths() throws {
        let operation = try #require(InterfaceCatalogue.standard.interface(named: "IClusterStorage2")?.operation(3))
        let header = [UInt8](repeating: 0, count: 32)
        #expect(throws: ValueError(.truncated(needed: 2, available: 0), path: "DiskId.DiskIdType", offset: 32)) {
            try operation.decodeRequest(header)
        }
        #expect(throws: ValueError(.badDiscriminant(9), path: "DiskId.DiskId", offset: 36)) {
            try operation.decodeRequest(header + [9, 0, 9, 0])
        }
        let unused = try #require(InterfaceCatalogue.standard.interface(named: "IClusterStorage2")?.operation(8))
        #expect(unused.isOnWire)
        let unknown = try #require(InterfaceCatalogue.standard.interface(named: "IClusterStorage2")?.operation(0))
        #expect(throws: ValueError.self) { try unknown.decodeRequest([]) }
    }

    // MARK: The generated code

    private static let interfaces =
        CsvpCatalogue.interfaces + ClusapiCatalogue.interfaces + DcomCatalogue.interfaces
        + EpmapperCatalogue.interfaces + MgmtCatalogue.interfaces + ClassfactoryCatalogue.interfaces

    /// Every operation: what the generated code writes of zeros is read and written again.
    @Test(arguments: TransferSyntax.allCases)
    func generatedStubs(_ syntax: TransferSyntax) throws {
        var seen = 0
        for interface in Self.interfaces {
            let schema = try #require(InterfaceCatalogue.standard.interface(interface.syntax))
            #expect(schema.isObject == interface.isObject)
            for operation in interface.operations {
                let described = try #require(schema.operation(operation.opnum))
                #expect(described.name == operation.name)
                seen += try Self.check(operation.method, described, interface.isObject, syntax)
            }
        }
        #expect(seen > 300)
    }

    private static func check<Method: RPCMethod>(
        _ method: Method.Type, _ operation: OperationSchema, _ isObject: Bool, _ syntax: TransferSyntax
    ) throws -> Int {
        var seen = 0
        // A request that is all zeros, as the generated decoder reads it.
        for length in [0, 64, 256, 1024, 20_000] {
            var zeros = NDRDecoder([UInt8](repeating: 0, count: length), syntax: syntax)
            guard let request = try? Method.Request(from: &zeros) else { continue }
            var encoder = NDREncoder(syntax: syntax)
            if isObject { try encoder.encode(ORPCTHIS()) }
            guard (try? request.encode(into: &encoder)) != nil else { continue }
            let tree = try operation.decodeRequest(encoder.bytes, syntax: syntax)
            #expect(tree.trailing.isEmpty, "\(operation.interface).\(operation.name)")
            #expect(try operation.encodeRequest(tree) == encoder.bytes, "\(operation.interface).\(operation.name)")
            seen += 1

            for length in [0, 64, 256, 1024, 20_000] {
                var zeros = NDRDecoder([UInt8](repeating: 0, count: length), syntax: syntax)
                guard let response = try? Method.Response(from: &zeros, for: request) else { continue }
                var encoder = NDREncoder(syntax: syntax)
                if isObject { try encoder.encode(ORPCTHAT()) }
                guard (try? response.encode(into: &encoder, for: request)) != nil else { continue }
                let tree = try operation.decodeResponse(encoder.bytes, syntax: syntax)
                #expect(tree.trailing.isEmpty, "\(operation.interface).\(operation.name)")
                #expect(
                    try operation.encodeResponse(tree) == encoder.bytes, "\(operation.interface).\(operation.name)")
                seen += 1
                break
            }
            break
        }
        return seen
    }
}

extension RoundTripTests {
    /// Samba's ComplexPing has its sets as GUIDs, without pointers.
    @Test func sambaPing() throws {
        var encoder = NDREncoder()
        let request = SambaObjectExporter.ComplexPing.Request(
            pSetId: 7, SequenceNum: 1, cAddToSet: 1, cDelFromSet: 0,
            AddToSet: ["00112233-4455-6677-8899-aabbccddeeff"], DelFromSet: [])
        try request.encode(into: &encoder)
        let operation = try #require(InterfaceCatalogue.standard.interface(named: "IObjectExporter")?.operation(2))
        #expect(operation.name == "ComplexPing")
        let tree = try operation.decodeRequest(encoder.bytes)
        #expect(tree["AddToSet"]?.parts.map { $0.words() } == ["00112233-4455-6677-8899-aabbccddeeff"])
        #expect(try operation.encodeRequest(tree) == encoder.bytes)
    }

    /// impacket's activation has gaps with 0xBF and 0xFA in them: OBJREF, activation properties, and what is in those.
    @Test func opensActivationProperties() throws {
        let blob = try ActivationRequestStub.octets()
        let operation = try #require(InterfaceCatalogue.standard.interface(named: "IRemoteSCMActivator")?.operation(4))
        let tree = try operation.decodeRequest(blob)
        #expect(tree.trailing.isEmpty)
        let lines = tree.lines()
        #expect(lines.contains { $0.hasSuffix("pObjectData: ACTIVATION_PROPERTIES") }, "\(lines)")
        #expect(lines.contains { $0.hasSuffix("classId: c72b09db-4d53-4f41-8dcc-2d752ab56f7c CLSID_ClusterStorage2") })
        #expect(try operation.encodeRequest(tree) == blob)
    }
}

extension RoundTripTests {
    /// Activation properties in the context of activation properties, as often as wanted: what is far inside stays octets. Were it
    /// opened as well, each level would be written again by all around it, which at twelve levels takes days.
    @Test(arguments: [(0, 1), (1, 2), (2, 2), (12, 2)])
    func activationPropertiesInEachOther(_ levels: Int, _ opened: Int) throws {
        let stub = try ActivationRequestStub.octets(levels: levels)
        let operation = try #require(InterfaceCatalogue.standard.interface(named: "IRemoteSCMActivator")?.operation(4))
        let tree = try operation.decodeRequest(stub)
        #expect(tree.trailing.isEmpty)
        #expect(tree.lines().count { $0.hasSuffix("pObjectData: ACTIVATION_PROPERTIES") } == opened)
        #expect(try operation.encodeRequest(tree) == stub)
    }
}

extension RoundTripTests {
    /// Bindings count as values: the last that may be, and one more, which leaves them octets.
    @Test(arguments: [0, 1])
    func manyBindings(_ more: Int) throws {
        let structure = try #require(InterfaceCatalogue.standard.library.structure(named: "DUALSTRINGARRAY"))
        // Nothing but zeros, each of which is a terminator; the structure and its three fields are values as well.
        let octets: [UInt8] = [4, 0, 0, 0, 4, 0, 2, 0] + [UInt8](repeating: 0, count: 8)
        var decoder = ValueDecoder(
            StubReader(octets[...], syntax: .ndr20, isBigEndian: false), InterfaceCatalogue.standard.library,
            values: ValueDecoder.maximumValues - 8 + more)
        guard case .structure(let fields) = try decoder.whole(structure, "bindings", "DUALSTRINGARRAY").value else {
            Issue.record("no structure")
            return
        }
        #expect(decoder.values == ValueDecoder.maximumValues)
        let isOpened = if case .opened(.bindings, _)? = fields.last?.value { true } else { false }
        #expect(isOpened == (more == 0))
    }
}

/// A request of RemoteCreateInstance whose blob is made of the generated types.
private enum ActivationRequestStub {
    /// - Parameter levels: How often activation properties have others in them.
    static func octets(levels: Int = 0) throws -> [UInt8] {
        let blob = try blob(levels)
        var encoder = NDREncoder()
        try IRemoteSCMActivator.RemoteCreateInstance.Request(
            orpcthis: ORPCTHIS(version: COMVERSION(MajorVersion: 5, MinorVersion: 7)),
            pActProperties: MInterfacePointer(ulCntData: UInt32(blob.count), abData: blob)
        ).encode(into: &encoder)
        return encoder.bytes
    }

    private static func blob(_ levels: Int) throws -> [UInt8] {
        var instantiation = InstantiationInfoData(
            classId: "c72b09db-4d53-4f41-8dcc-2d752ab56f7c", classCtx: 0x10, cIID: 1,
            pIID: ["12108a88-6858-4467-b92f-e6cf4568dfb6"],
            clientCOMVersion: COMVERSION(MajorVersion: 5, MinorVersion: 7))
        instantiation.thisSize = 88
        var properties: [(GUID, [UInt8])] = [
            ("000001ab-0000-0000-c000-000000000046", try NDRTypeSerialization.encode(instantiation)),
            (
                "000001a4-0000-0000-c000-000000000046",
                try NDRTypeSerialization.encode(LocationInfoData(machineName: "node1"))
            ),
        ]
        if levels > 0 {
            let inner = try blob(levels - 1)
            let context = ActivationContextInfoData(
                pIFDClientCtx: MInterfacePointer(ulCntData: UInt32(inner.count), abData: inner))
            properties.append(
                ("000001a5-0000-0000-c000-000000000046", try NDRTypeSerialization.encode(context)))
        }
        var header = CustomHeader(
            destCtx: 2, cIfs: UInt32(properties.count), pclsid: properties.map(\.0),
            pSizes: properties.map { UInt32($0.1.count) })
        let size = try NDRTypeSerialization.encode(header).count
        header.headerSize = UInt32(size)
        header.totalSize = UInt32(size + properties.reduce(0) { $0 + $1.1.count })
        var blob: [UInt8] = []
        func append(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { blob.append(contentsOf: $0) } }
        append(0x574F_454D)
        append(4)
        blob += ("000001a2-0000-0000-c000-000000000046" as GUID).littleEndianBytes
        blob += ("00000338-0000-0000-c000-000000000046" as GUID).littleEndianBytes
        append(0)
        append(header.totalSize + 8)
        append(header.totalSize)
        append(0)
        blob += try NDRTypeSerialization.encode(header)
        for property in properties { blob += property.1 }
        return blob
    }
}
