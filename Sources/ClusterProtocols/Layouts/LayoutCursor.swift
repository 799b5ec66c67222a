import NDR

/// Reads a layout that is not NDR from its beginning to its end: little endian, strings behind their lengths, nothing aligned.
struct LayoutCursor {
    /// What is read, which errors tell.
    let structure: String
    private let octets: [UInt8]
    private var offset = 0

    init(_ octets: [UInt8], structure: String) {
        self.octets = octets
        self.structure = structure
    }

    /// The octets that have not been read.
    var remaining: Int { octets.count - offset }

    /// So many octets.
    mutating func octets(_ count: Int) throws(LayoutError) -> ArraySlice<UInt8> {
        guard count <= remaining else {
            throw .truncated(structure: structure, expected: offset + count, actual: octets.count)
        }
        defer { offset += count }
        return octets[offset..<offset + count]
    }

    /// A number.
    mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _: Value.Type = Value.self
    ) throws(LayoutError) -> Value {
        try octets(Value.bitWidth / 8).reversed().reduce(0) { $0 << 8 | Value($1) }
    }

    /// A number that can have one value only.
    mutating func constant<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: Value, _ field: String
    ) throws(LayoutError) {
        let actual: Value = try number()
        guard actual == value else {
            throw .contradiction(structure: structure, reason: "\(field) is \(actual), not \(value)")
        }
    }

    /// One octet, 0 or 1.
    mutating func flag(_ field: String) throws(LayoutError) -> Bool {
        let value: UInt8 = try number()
        guard value <= 1 else {
            throw .contradiction(structure: structure, reason: "\(field) is \(value), neither 0 nor 1")
        }
        return value == 1
    }

    /// A Unicode string behind its size in octets; without a null at its end.
    mutating func text(_ field: String) throws(LayoutError) -> String {
        let size = Int(try number(UInt16.self))
        guard size.isMultiple(of: 2) else {
            throw .contradiction(structure: structure, reason: "\(field) has \(size) octets, an odd number")
        }
        let octets = Array(try octets(size))
        let units = stride(from: 0, to: size, by: 2).map { octets.littleEndian(UInt16.self, at: $0) }
        return WideString(units: units).string
    }

    /// Items behind their number.
    ///
    /// - Parameter smallest: the octets that an item has at least, so that a number without items costs nothing.
    mutating func items<Item>(
        _ field: String, smallest: Int, read: (inout LayoutCursor) throws(LayoutError) -> Item
    ) throws(LayoutError) -> [Item] {
        let count = Int(try number(UInt16.self))
        guard count <= remaining / smallest else {
            throw .truncated(structure: structure, expected: offset + count * smallest, actual: octets.count)
        }
        var items: [Item] = []
        items.reserveCapacity(count)
        for _ in 0..<count { items.append(try read(&self)) }
        return items
    }
}

/// Writes what ``LayoutCursor`` reads.
extension [UInt8] {
    /// Appends a flag.
    mutating func append(flag: Bool) {
        append(flag ? 1 : 0)
    }

    /// Appends a Unicode string behind its size in octets.
    ///
    /// - Throws: ``LayoutError/tooLong(structure:field:limit:actual:)`` where the size does not fit into its field.
    mutating func append(text: String, of field: String, in structure: String) throws(LayoutError) {
        let units = Array<UInt16>(text.utf16)
        let limit = Int(UInt16.max) - 1
        guard units.count * 2 <= limit else {
            throw .tooLong(structure: structure, field: field, limit: limit, actual: units.count * 2)
        }
        append(littleEndian: UInt16(units.count * 2))
        for unit in units { append(littleEndian: unit) }
    }

    /// Appends items behind their number.
    ///
    /// - Throws: ``LayoutError/contradiction(structure:reason:)`` where the number does not fit into its field, or what the items throw.
    mutating func append<Item>(
        items: [Item], of field: String, in structure: String,
        write: (Item, inout [UInt8]) throws(LayoutError) -> Void
    ) throws(LayoutError) {
        guard let count = UInt16(exactly: items.count) else {
            throw .contradiction(
                structure: structure, reason: "\(items.count) \(field), at most \(UInt16.max) can be told")
        }
        append(littleEndian: count)
        for item in items { try write(item, &self) }
    }
}
