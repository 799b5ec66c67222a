import ClusterProtocols
import DCOM
import ErrorCodes
import InterfaceValues
import NDR
import Testing

@testable import Replay

@Suite("Comparing answers")
struct AnswerComparisonTests {
    private func operation(_ interface: String, _ name: String) throws -> OperationSchema {
        try #require(
            InterfaceCatalogue.standard.interface(named: interface)?.operations.first { $0.name == name })
    }

    /// The response of RemQueryInterface with one interface.
    private func answer(_ std: STDOBJREF, _ result: HRESULT = .ok) throws -> FieldTree {
        var encoder = NDREncoder()
        try encoder.encode(ORPCTHAT())
        let request = IRemUnknown.RemQueryInterface.Request(cRefs: 5, cIids: 1, iids: [.zero])
        try IRemUnknown.RemQueryInterface.Response(
            ppQIResults: [REMQIRESULT(hResult: result, std: std)], returnValue: result
        ).encode(into: &encoder, for: request)
        return try operation("IRemUnknown", "RemQueryInterface").decodeResponse(encoder.bytes)
    }

    private static let first = STDOBJREF(
        flags: 0, cPublicRefs: 5, oxid: 1, oid: 2, ipid: "00000000-0000-0000-0000-000000000001")
    private static let second = STDOBJREF(
        flags: 0, cPublicRefs: 5, oxid: 10, oid: 20, ipid: "00000000-0000-0000-0000-00000000000a")

    @Test func equalAnswersDoNotDiffer() throws {
        var comparison = AnswerComparison(identities: IdentityMap(), rules: .standard)
        comparison.compare(try answer(Self.first), try answer(Self.first), path: "IRemUnknown.RemQueryInterface")
        #expect(comparison.differences.isEmpty)
    }

    @Test func namesAreLearnt() throws {
        var comparison = AnswerComparison(identities: IdentityMap(), rules: .standard)
        comparison.compare(try answer(Self.first), try answer(Self.second), path: "IRemUnknown.RemQueryInterface")
        #expect(comparison.differences.count == 3)
        #expect(comparison.differences.allSatisfy { $0.allowed != nil })
        #expect(comparison.identities.guid(Self.first.ipid) == Self.second.ipid)
        #expect(comparison.identities.number("OXID", 1) == 10)
        #expect(comparison.identities.number("OID", 2) == 20)
        #expect(comparison.identities.number("OID", 1) == 1)

        // The same name has to mean the same thing from now on.
        var other = Self.second
        other.oid = 21
        comparison.compare(try answer(Self.first), try answer(other), path: "IRemUnknown.RemQueryInterface")
        #expect(
            comparison.differences.filter { $0.allowed == nil }.map(\.path) == [
                "IRemUnknown.RemQueryInterface.ppQIResults[0].std.oid"
            ])
    }

    @Test func oneChangedFieldIsOneDifference() throws {
        var changed = Self.first
        changed.cPublicRefs = 6
        var comparison = AnswerComparison(identities: IdentityMap(), rules: .standard)
        comparison.compare(try answer(Self.first), try answer(changed), path: "IRemUnknown.RemQueryInterface")
        #expect(
            comparison.differences == [
                FieldDifference(
                    path: "IRemUnknown.RemQueryInterface.ppQIResults[0].std.cPublicRefs", captured: "5", live: "6",
                    allowed: nil)
            ])
    }

    @Test func errorsAreToldInWords() throws {
        var comparison = AnswerComparison(identities: IdentityMap(), rules: .standard)
        comparison.compare(
            try answer(Self.first), try answer(Self.first, .accessDenied), path: "IRemUnknown.RemQueryInterface")
        #expect(comparison.differences.count == 2)
        #expect(comparison.differences.last?.captured == "0x00000000 S_OK")
        #expect(comparison.differences.last?.live == "0x80070005 E_ACCESSDENIED")
    }

    @Test func rulesLetValuesDiffer() throws {
        var rules = ReplayRules.standard
        try rules.add("allow IRemUnknown.*.cPublicRefs : nobody counts them")
        var changed = Self.first
        changed.cPublicRefs = 6
        var comparison = AnswerComparison(identities: IdentityMap(), rules: rules)
        comparison.compare(try answer(Self.first), try answer(changed), path: "IRemUnknown.RemQueryInterface")
        #expect(comparison.differences.map(\.allowed) == ["nobody counts them"])
    }

    /// A BSTR's counts are no fields, unless they are wrong.
    @Test func textsOfAnotherLength() throws {
        func answer(_ blob: FLAGGED_WORD_BLOB) throws -> FieldTree {
            var encoder = NDREncoder()
            try encoder.encode(ORPCTHAT())
            try IClusterLog.GenerateClusterLog.Response(LogFilePath: blob).encode(into: &encoder, for: .init())
            return try operation("IClusterLog", "GenerateClusterLog").decodeResponse(encoder.bytes)
        }
        var rules = ReplayRules()
        try rules.add("replace-text node1 replacement1")
        var comparison = AnswerComparison(identities: IdentityMap(), rules: rules)
        let node = BSTRValue("node1").blob
        comparison.compare(try answer(node), try answer(BSTRValue("replacement1").blob), path: "L.G")
        #expect(comparison.differences.map(\.allowed) == ["a rule replaces it"])
        comparison = AnswerComparison(identities: IdentityMap(), rules: .standard)
        comparison.compare(try answer(node), try answer(BSTRValue("other one").blob), path: "L.G")
        #expect(comparison.differences.map(\.path) == ["L.G.LogFilePath.asData"])
        comparison = AnswerComparison(identities: IdentityMap(), rules: .standard)
        var wrong = node
        wrong.cBytes = 9
        comparison.compare(try answer(node), try answer(wrong), path: "L.G")
        #expect(comparison.differences.map(\.path) == ["L.G.LogFilePath.cBytes"])
    }

    // MARK: Requests

    @Test func requestsGetTheLiveNames() throws {
        var identities = IdentityMap()
        #expect(identities.learn(Self.first.ipid, Self.second.ipid) == .mapped)
        let release = try operation("IRemUnknown", "RemRelease")
        var encoder = NDREncoder()
        try encoder.encode(ORPCTHIS(version: COMVERSION(MajorVersion: 5, MinorVersion: 7), cid: Self.first.ipid))
        try IRemUnknown.RemRelease.Request(
            cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: Self.first.ipid, cPublicRefs: 5)]
        ).encode(into: &encoder)
        var mapper = RequestMapper(identities: identities, rules: .standard, hosts: [:])
        let tree = mapper.map(try release.decodeRequest(encoder.bytes), path: "IRemUnknown.RemRelease")
        let stub = try release.encodeRequest(tree)
        #expect(stub.count == encoder.bytes.count)
        var decoder = NDRDecoder(stub)
        let this = try decoder.decode(ORPCTHIS.self)
        #expect(this.cid != Self.first.ipid && this.cid != .zero)
        let request = try IRemUnknown.RemRelease.Request(from: &decoder)
        #expect(request.InterfaceRefs == [REMINTERFACEREF(ipid: Self.second.ipid, cPublicRefs: 5)])
    }

    @Test func textsAndNumbersAreReplaced() throws {
        var rules = ReplayRules()
        try rules.add("replace-text old.bin newer.bin\nreplace *.DeviceNumber 3 5")
        let write = try operation("IClusterStorage2", "CprepDiskDeleteFile")
        var encoder = NDREncoder()
        try encoder.encode(ORPCTHIS())
        try IClusterStorage2.CprepDiskDeleteFile.Request(
            DiskId: CPREP_DISKID(DiskIdType: .CprepIdNumber, DiskId: .DeviceNumber(3)), ulPartition: 3,
            FileName: "old.bin"
        ).encode(into: &encoder)
        var mapper = RequestMapper(identities: IdentityMap(), rules: rules, hosts: [:])
        let tree = mapper.map(try write.decodeRequest(encoder.bytes), path: "IClusterStorage2.CprepDiskDeleteFile")
        var decoder = NDRDecoder(try write.encodeRequest(tree))
        _ = try decoder.decode(ORPCTHIS.self)
        let request = try IClusterStorage2.CprepDiskDeleteFile.Request(from: &decoder)
        try decoder.finish()
        #expect(request.FileName == "newer.bin")
        #expect(request.DiskId.DiskId == .DeviceNumber(5))
        #expect(request.ulPartition == 3)
    }
}
