import NDR

/// The octets of a stub, as they are read: alignment, byte order, and where it ends.
struct StubReader {
    let bytes: ArraySlice<UInt8>
    let syntax: TransferSyntax
    let isBigEndian: Bool
    /// Octets from the start of the stub, from which alignment counts.
    private(set) var position = 0
    /// Gaps that hold something, by their number; empty for one that should be there and is not.
    private(set) var padding: [Int: [UInt8]] = [:]
    private var gap = 0

    init(_ bytes: [UInt8], syntax: TransferSyntax, isBigEndian: Bool) {
        self.init(bytes[...], syntax: syntax, isBigEndian: isBigEndian)
    }

    init(_ bytes: ArraySlice<UInt8>, syntax: TransferSyntax, isBigEndian: Bool) {
        self.bytes = bytes
        self.syntax = syntax
        // NDR64 knows one order only ([MS-RPCE] 2.2.5).
        self.isBigEndian = isBigEndian && syntax == .ndr20
    }

    var remaining: Int { bytes.count - position }
    var rest: [UInt8] { Array(bytes.dropFirst(position)) }

    mutating func align(_ alignment: Int) throws(ShortStub) {
        gap += 1
        let skipped = -position & (alignment - 1)
        guard skipped > 0 else { return }
        guard skipped <= remaining else { throw ShortStub(needed: skipped, available: remaining) }
        let start = bytes.startIndex + position
        let octets = bytes[start..<start + skipped]
        if octets.contains(where: { $0 != 0 }) { padding[gap] = Array(octets) }
        position += skipped
    }

    /// The padding behind a structure, which may be missing at the end of a stub.
    mutating func alignIfPossible(_ alignment: Int) throws(ShortStub) {
        if -position & (alignment - 1) <= remaining {
            try align(alignment)
        } else {
            gap += 1
            padding[gap] = []
        }
    }

    mutating func integer(_ octets: Int) throws(ShortStub) -> UInt64 {
        try align(octets)
        let slice = try take(octets)
        return isBigEndian
            ? slice.reduce(0) { $0 << 8 | UInt64($1) } : slice.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A count or a referent identifier.
    mutating func word() throws(ShortStub) -> UInt64 {
        try integer(syntax == .ndr64 ? 8 : 4)
    }

    mutating func guid() throws(ShortStub) -> GUID {
        let data1 = try integer(4)
        let data2 = try integer(2)
        let data3 = try integer(2)
        let tail = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return GUID(
            data1: UInt32(truncatingIfNeeded: data1), data2: UInt16(truncatingIfNeeded: data2),
            data3: UInt16(truncatingIfNeeded: data3), data4: tail)
    }

    mutating func take(_ count: Int) throws(ShortStub) -> ArraySlice<UInt8> {
        guard count <= remaining else { throw ShortStub(needed: count, available: remaining) }
        let start = bytes.startIndex + position
        position += count
        return bytes[start..<start + count]
    }
}

/// The stub ends before the value does.
struct ShortStub: Error {
    let needed: Int
    let available: Int
}
