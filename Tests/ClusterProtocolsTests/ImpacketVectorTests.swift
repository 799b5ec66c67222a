import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import Foundation
import NDR
import Testing

/// Stubs that impacket marshalled from structures of its own (`Fixtures/README.md`), read by the generated decoders.
struct ImpacketVectorTests {
    private static let disks: [(String, CPREP_DISKID)] = [
        ("signature", CPREP_DISKID(DiskIdType: .CprepIdSignature, DiskId: .DiskSignature(0x1234_5678))),
        ("guid", CPREP_DISKID(DiskIdType: .CprepIdGuid, DiskId: .DiskGuid("00112233-4455-6677-8899-aabbccddeeff"))),
        ("number", CPREP_DISKID(DiskIdType: .CprepIdNumber, DiskId: .DeviceNumber(1))),
    ]

    private static func vector(_ name: String) throws -> NDRDecoder {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/impacket/vectors.json")
        let all = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: file))
        let digits = Array(try #require(all[name]))
        let octets = try stride(from: 0, to: digits.count, by: 2).map { index in
            try #require(UInt8(String(digits[index...index + 1]), radix: 16))
        }
        return NDRDecoder(octets)
    }

    /// A decoder behind ORPCTHIS, which is checked.
    private static func request(_ name: String) throws -> NDRDecoder {
        var decoder = try vector(name)
        let this = try decoder.decode(ORPCTHIS.self)
        #expect(this.version == COMVERSION(MajorVersion: 5, MinorVersion: 7))
        #expect(this.cid == "00112233-4455-6677-8899-aabbccddeeff")
        #expect(this.extensions == nil)
        return decoder
    }

    /// A decoder behind ORPCTHAT, which is checked.
    private static func response(_ name: String) throws -> NDRDecoder {
        var decoder = try vector(name)
        #expect(try decoder.decode(ORPCTHAT.self) == ORPCTHAT())
        return decoder
    }

    @Test func diskIdentifiers() throws {
        for (name, disk) in Self.disks {
            var decoder = try Self.request("IClusterStorage2.CprepDiskAttach.request.\(name)")
            #expect(try IClusterStorage2.CprepDiskAttach.Request(from: &decoder).DiskId == disk)
            try decoder.finish()
        }
    }

    @Test func rawReadAndWrite() throws {
        var decoder = try Self.request("IClusterStorage2.CprepDiskRawRead.request")
        let read = try IClusterStorage2.CprepDiskRawRead.Request(from: &decoder)
        try decoder.finish()
        #expect(read == .init(DiskId: Self.disks[0].1, ulSector: 34, cbData: 5))

        decoder = try Self.response("IClusterStorage2.CprepDiskRawRead.response")
        let answer = try IClusterStorage2.CprepDiskRawRead.Response(from: &decoder, for: read)
        try decoder.finish()
        #expect(answer.pbData == Array("hello".utf8))
        #expect(answer.pcbDataRead == 5 && answer.ulLatency == 2 && answer.returnValue == .ok)

        decoder = try Self.request("IClusterStorage2.CprepDiskRawWrite.request")
        let write = try IClusterStorage2.CprepDiskRawWrite.Request(from: &decoder)
        try decoder.finish()
        #expect(write == .init(DiskId: Self.disks[1].1, ulSector: 35, cbData: 5, pbData: Array("hello".utf8)))
    }

    @Test func fileData() throws {
        var decoder = try Self.request("IClusterStorage2.CprepDiskWriteFileData.request")
        let request = try IClusterStorage2.CprepDiskWriteFileData.Request(from: &decoder)
        try decoder.finish()
        #expect(
            request
                == .init(
                    DiskId: Self.disks[2].1, ulPartition: 1, FileName: "größe.bin", cbDataIn: 3,
                    DataIn: Array("abc".utf8)))
    }

    @Test func properties() throws {
        var decoder = try Self.response("IClusterStorage2.CprepDiskGetProps.response")
        let answer = try IClusterStorage2.CprepDiskGetProps.Response(
            from: &decoder, for: .init(DiskId: Self.disks[1].1))
        try decoder.finish()
        let props = answer.DiskProps
        #expect(props.DiskNumber == 1 && props.DiskId == Self.disks[1].1 && props.DiskBusType == 9)
        #expect(props.StackType == .DiskStackStorPort)
        #expect(props.ScsiAddress == .init(Length: 8, PortNumber: 1, PathId: 2, TargetId: 3, Lun: 4))
        #expect(props.DiskIsClusterable == 1 && props.NumPaths == 2 && props.Flags == 3)
        #expect(props.AdapterDesc.count == 260 && props.AdapterDesc.wideString == "An adapter")
    }

    @Test func fileSystemName() throws {
        var decoder = try Self.response("IClusterStorage2.CprepDiskGetFSName.response")
        let answer = try IClusterStorage2.CprepDiskGetFSName.Response(
            from: &decoder, for: .init(DiskId: Self.disks[0].1, Partition: 1))
        try decoder.finish()
        #expect(answer.FsName.count == 100 && answer.FsName.wideString == "NTFS")
    }

    @Test func secrets() throws {
        let expected: [(String, BSTRValue)] = [
            ("null", .null), ("empty", .octets([])), ("odd", .octets(Array("abc".utf8))), ("text", BSTRValue("node1")),
        ]
        for (name, value) in expected {
            var decoder = try Self.request("IClusterSetup.ConfigSvcSecret.request.\(name)")
            let request = try IClusterSetup.ConfigSvcSecret.Request(from: &decoder)
            try decoder.finish()
            #expect(try BSTRValue(request.SecretBLOB) == value)
        }
    }

    @Test func objectReferencesAndPings() throws {
        var decoder = try Self.request("IRemUnknown.RemQueryInterface.request")
        let query = try IRemUnknown.RemQueryInterface.Request(from: &decoder)
        try decoder.finish()
        #expect(query.ripid == "00112233-4455-6677-8899-aabbccddeeff" && query.cRefs == 5)
        #expect(query.iids == ["491260b5-05c9-40d9-b7f2-1f7bdae0927f"])

        decoder = try Self.vector("IObjectExporter.ComplexPing.request")
        let ping = try IObjectExporter.ComplexPing.Request(from: &decoder)
        try decoder.finish()
        #expect(ping.pSetId == 0 && ping.SequenceNum == 1)
        #expect(ping.AddToSet == [0x1122_3344_5566_7788, 2] && ping.DelFromSet == nil)
    }

    @Test func activation() throws {
        var decoder = try Self.vector("IActivation.RemoteActivation.request")
        let old = try IActivation.RemoteActivation.Request(from: &decoder)
        try decoder.finish()
        #expect(old.Clsid == "04d55210-b6ac-4248-9e69-2a569d1d2ab6")
        #expect(old.pIIDs == ["491260b5-05c9-40d9-b7f2-1f7bdae0927f"])
        #expect(old.aRequestedProtseqs == [7])

        decoder = try Self.vector("IRemoteSCMActivator.RemoteCreateInstance.request")
        let new = try IRemoteSCMActivator.RemoteCreateInstance.Request(from: &decoder)
        try decoder.finish()
        #expect(new.pUnkOuter == nil)
        let properties = try #require(new.pActProperties)
        #expect(Array(properties.abData.prefix(4)) == Array("MEOW".utf8))
    }

    @Test func endpointMapper() throws {
        var decoder = try Self.vector("epmapper.ept_lookup.request")
        let request = try epmapper.ept_lookup.Request(from: &decoder)
        try decoder.finish()
        #expect(request.inquiry_type == 0 && request.object == nil && request.Ifid == nil)
        #expect(request.vers_option == 1 && request.entry_handle == .null && request.max_ents == 499)
    }
}
