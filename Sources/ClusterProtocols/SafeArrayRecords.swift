import DCOM
import NDR

/// The structures in a SAFEARRAY, marshaled (BRECORD, [MS-OAUT] 2.2.28.2): all of them in one collection, which says by GUIDs
/// what they are.
///
/// Their alignment counts from the length in front of them; for structures aligned to four octets, as those of [MS-CSVP]
/// are, it would be the same without it.
public struct SafeArrayRecords: Sendable, Equatable {
    /// What the structures are (RecordInfoData, 2.2.31). Whoever reads them knows that by the method that takes them, so it is told and
    /// not checked.
    public let info: RecordInfo
    /// How many there are.
    public let count: Int
    /// What the sender says one takes in memory: 4, by the table of 2.2.8, or what its compiler makes of it.
    public let memorySize: UInt32
    /// The length of four octets, then the structures; nothing where there are none.
    private let octets: [UInt8]

    /// CLSID_RecordInfo and IID_IRecordInfo ([MS-OAUT] 1.9).
    static let recordInfo: GUID = "0000002f-0000-0000-c000-000000000046"
    private static let prefix = 4
    /// NDR has no padding behind the last structure, but who computes lengths before marshaling likes multiples of eight.
    private static let padding = 7

    /// Marshals structures, none of which ends in a conformant array.
    ///
    /// - Throws: what keeps one of them from being marshaled.
    public init<Record: NDRCodable>(_ records: [Record], described info: RecordInfo) throws(NDRError) {
        self.info = info
        count = records.count
        memorySize = 4
        guard !records.isEmpty else {
            octets = []
            return
        }
        var encoder = NDREncoder()
        encoder.write(UInt32(0))
        try encoder.write(bodies: records)
        try encoder.write(pointeesOf: records)
        var octets = encoder.bytes
        withUnsafeBytes(of: UInt32(clamping: octets.count).littleEndian) {
            octets.replaceSubrange(..<Self.prefix, with: $0)
        }
        self.octets = octets
    }

    /// From the wire.
    init(_ record: wireBRECORDStr?, count: Int, memorySize: UInt32) throws(SafeArrayError) {
        guard let record else { throw .records("no collection") }
        self.count = count
        self.memorySize = memorySize
        info = try Self.description(record.pRecInfo)
        guard let octets = record.pRecord else {
            guard record.fFlags == 0 else {
                throw .records("no octets, but flags 0x\(String(record.fFlags, radix: 16))")
            }
            guard count == 0 else { throw .count(0, bounds: count) }
            self.octets = []
            return
        }
        guard record.fFlags == 1 else { throw .records("flags 0x\(String(record.fFlags, radix: 16))") }
        guard octets.count >= Self.prefix, octets.littleEndian(UInt32.self, at: 0) == record.clSize else {
            throw .records("the length in front of them is not that of \(octets.count) octets")
        }
        self.octets = octets
    }

    /// The form on the wire.
    var wire: wireBRECORDStr {
        var encoder = NDREncoder()
        // A structure of numbers; nothing about it can fail.
        try? encoder.encode(info)
        let reference = OBJREF(iid: Self.recordInfo, body: .custom(clsid: Self.recordInfo, data: encoder.bytes))
        return wireBRECORDStr(
            fFlags: octets.isEmpty ? 0 : 1, clSize: UInt32(clamping: octets.count),
            pRecInfo: reference.interfacePointer,
            pRecord: octets.isEmpty ? nil : octets)
    }

    private static func description(_ pointer: MInterfacePointer?) throws(SafeArrayError) -> RecordInfo {
        guard let pointer else { throw .records("no RecordInfo") }
        do {
            let reference = try OBJREF(pointer)
            guard reference.iid == recordInfo, case .custom(recordInfo, let data) = reference.body else {
                throw SafeArrayError.records("a reference to something else than a RecordInfo")
            }
            var decoder = NDRDecoder(data)
            let info = try decoder.decode(RecordInfo.self)
            try decoder.finish()
            return info
        } catch let error as SafeArrayError {
            throw error
        } catch {
            throw .records("RecordInfo: \(error)")
        }
    }

    /// The structures.
    ///
    /// [MS-OAUT] does not say whether the referents of a structure follow it at once, or follow all of the structures as in an array
    /// ([C706] 14.3.12.3); it is read as an array and, where it is none, one by one.
    ///
    /// - Parameters:
    ///   - type: a structure that does not end in a conformant array.
    ///   - memorySizes: the sizes that compilers make of it, which are accepted besides 4.
    /// - Throws: ``SafeArrayError/elementSize(_:kind:)``, or ``SafeArrayError/records(_:)`` where the octets are no such structures.
    public func decode<Record: NDRCodable>(
        _ type: Record.Type = Record.self, memorySizes: Set<UInt32>
    ) throws(SafeArrayError) -> [Record] {
        guard memorySize == 4 || memorySizes.contains(memorySize) else {
            throw .elementSize(memorySize, kind: SF_TYPE.SF_RECORD.rawValue)
        }
        guard count > 0 else { return [] }
        do {
            return try decodeArray()
        } catch {
            if let records: [Record] = try? decodeEach() { return records }
            // The first reading is the likelier one, and so is its complaint.
            throw .records("\(error)")
        }
    }

    private func decodeArray<Record: NDRCodable>() throws(NDRError) -> [Record] {
        var decoder = decoder
        let frame = try decoder.openFrame()
        var records = try decoder.read(bodies: Record.self, count: count)
        try decoder.read(pointeesOf: &records)
        decoder.closeFrame(frame)
        try decoder.finish()
        return records
    }

    private func decodeEach<Record: NDRCodable>() throws(NDRError) -> [Record] {
        var decoder = decoder
        try decoder.require(count: count, ofSize: Record.ndrMinimumSize, "records")
        var records: [Record] = []
        records.reserveCapacity(count)
        for _ in 0..<count { records.append(try decoder.decode(Record.self)) }
        try decoder.finish()
        return records
    }

    private var decoder: NDRDecoder {
        var decoder = NDRDecoder(octets, offset: Self.prefix)
        decoder.paddingAllowance = Self.padding
        return decoder
    }
}
