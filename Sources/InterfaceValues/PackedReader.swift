import NDR

/// Reads layouts that are little endian and have no gaps.
struct PackedReader {
    private let bytes: [UInt8]
    private let base: Int
    private(set) var position = 0

    init(_ bytes: [UInt8], base: Int) {
        self.bytes = bytes
        self.base = base
    }

    var remaining: Int { bytes.count - position }
    /// Where it stands in the stub.
    var offset: Int { base + position }

    /// The next 16 bits, which stay where they are; nil at the end.
    var nextUnit: UInt16? {
        remaining >= 2 ? UInt16(bytes[position]) | UInt16(bytes[position + 1]) << 8 : nil
    }

    mutating func octets(_ count: Int) throws(ShortStub) -> ArraySlice<UInt8> {
        guard count <= remaining else { throw ShortStub(needed: count, available: remaining) }
        defer { position += count }
        return bytes[position..<position + count]
    }

    private mutating func integer(_ name: String, _ type: String, _ octets: Int) throws(ShortStub) -> FieldNode {
        let value = try self.octets(octets).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return FieldNode(name: name, type: type, octets: offset - octets..<offset, value: .unsigned(value))
    }

    mutating func short(_ name: String) throws(ShortStub) -> FieldNode { try integer(name, "unsigned short", 2) }
    mutating func long(_ name: String) throws(ShortStub) -> FieldNode { try integer(name, "unsigned long", 4) }

    mutating func guid(_ name: String, _ type: String) throws(ShortStub) -> FieldNode {
        let value = GUID(littleEndianBytes: try octets(16)) ?? .zero
        return FieldNode(name: name, type: type, octets: offset - 16..<offset, value: .guid(value))
    }

    /// STDOBJREF ([MS-DCOM] 2.2.18.2).
    mutating func standardReference() throws(ShortStub) -> FieldNode {
        let start = offset
        let fields = [
            try long("flags"), try long("cPublicRefs"), try integer("oxid", "OXID", 8), try integer("oid", "OID", 8),
            try guid("ipid", "IPID"),
        ]
        return FieldNode(name: "std", type: "STDOBJREF", octets: start..<offset, value: .structure(fields))
    }

    mutating func units(_ name: String, _ count: Int) throws(ShortStub) -> FieldNode {
        let units = Array(try octets(count * 2)).littleEndianUnits
        return FieldNode(
            name: name, type: "unsigned short", octets: offset - count * 2..<offset,
            value: .units(units, isText: false))
    }

    /// Characters up to a zero, with it.
    mutating func text(_ name: String) throws(ShortStub) -> FieldNode {
        let start = offset
        var units: [UInt16] = []
        repeat {
            guard let unit = nextUnit else { throw ShortStub(needed: 2, available: remaining) }
            units.append(unit)
            position += 2
        } while units.last != 0
        return FieldNode(name: name, type: "wchar_t", octets: start..<offset, value: .wideString(units))
    }

    mutating func rest(_ name: String) -> FieldNode {
        let start = offset
        defer { position = bytes.count }
        return FieldNode(
            name: name, type: "byte", octets: start..<base + bytes.count, value: .octets(Array(bytes[position...])))
    }
}

extension [UInt8] {
    /// Every two octets as a little-endian integer.
    var littleEndianUnits: [UInt16] {
        stride(from: 0, to: count - 1, by: 2).map { UInt16(self[$0]) | UInt16(self[$0 + 1]) << 8 }
    }
}

extension [UInt16] {
    /// Every integer as two octets.
    var littleEndianOctets: [UInt8] {
        flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    }
}
