/// STORAGE_IDENTIFIER ([MS-CSVP] 2.2.10): one designation descriptor of a unit's Device Identification page (SPC-3 7.6.3.1).
public struct STORAGE_IDENTIFIER: Sendable, Hashable {
    /// CODE SET: 1 binary, 2 ASCII, 3 UTF-8.
    public var codeSet: UInt32
    /// IDENTIFIER TYPE: 2 EUI-64 based, 3 NAA, 8 SCSI name string …
    public var type: UInt32
    /// ASSOCIATION: 0 the logical unit, 1 the target port, 2 the target device.
    public var association: UInt32
    /// IDENTIFIER.
    public var identifier: [UInt8]

    /// The octets in front of the identifier.
    static let headerSize = 16

    /// An identifier of these parts.
    public init(codeSet: UInt32, type: UInt32, association: UInt32, identifier: [UInt8]) {
        self.codeSet = codeSet
        self.type = type
        self.association = association
        self.identifier = identifier
    }
}

/// STORAGE_DEVICE_ID_DESCRIPTOR ([MS-CSVP] 2.2.9): all identifiers of a unit's Device Identification page.
///
/// Each identifier begins on a multiple of four octets, as its first field asks for in C. The last one's NextOffset is zero: there
/// is no next structure that it could lead to, and zero stops also a reader that follows the offsets instead of counting.
public struct STORAGE_DEVICE_ID_DESCRIPTOR: Sendable, Hashable {
    /// What the specification prescribes: 13, the octets through the first one of the identifiers. The structure of Windows'
    /// `ntddstor.h` is 16 octets long for a C compiler, which pads it, so a reader must not insist on either number.
    public static let specifiedVersion: UInt32 = 13

    /// Version.
    public var version: UInt32
    /// The identifiers, in the order in which the unit names them.
    public var identifiers: [STORAGE_IDENTIFIER]

    private static let name = "STORAGE_DEVICE_ID_DESCRIPTOR"
    private static let headerSize = 12

    /// A descriptor with these identifiers.
    public init(identifiers: [STORAGE_IDENTIFIER], version: UInt32 = specifiedVersion) {
        self.version = version
        self.identifiers = identifiers
    }

    /// The octets.
    ///
    /// - Throws: ``LayoutError/tooLong(structure:field:limit:actual:)`` for an identifier that its two-octet fields cannot describe.
    public func encoded() throws(LayoutError) -> [UInt8] {
        // The next structure has to be within reach of a 16-bit offset.
        let limit = Int(UInt16.max) / 4 * 4 - STORAGE_IDENTIFIER.headerSize
        var list: [UInt8] = []
        for (index, identifier) in identifiers.enumerated() {
            let length = identifier.identifier.count
            guard length <= limit else {
                throw .tooLong(structure: "STORAGE_IDENTIFIER", field: "Identifier", limit: limit, actual: length)
            }
            let isLast = index == identifiers.count - 1
            let padding = isLast ? 0 : -length & 3
            list.append(littleEndian: identifier.codeSet)
            list.append(littleEndian: identifier.type)
            list.append(littleEndian: UInt16(length))
            list.append(littleEndian: isLast ? 0 : UInt16(STORAGE_IDENTIFIER.headerSize + length + padding))
            list.append(littleEndian: identifier.association)
            list += identifier.identifier
            list += repeatElement(0, count: padding)
        }
        var octets: [UInt8] = []
        octets.append(littleEndian: version)
        octets.append(littleEndian: UInt32(Self.headerSize + list.count))
        octets.append(littleEndian: UInt32(identifiers.count))
        return octets + list
    }

    /// Reads a descriptor. What follows behind its Size is not looked at, and the last identifier's NextOffset is not either.
    ///
    /// - Throws: ``LayoutError`` where a number leads out of the structure, or an identifier into itself.
    public init(_ octets: [UInt8]) throws(LayoutError) {
        guard octets.count >= Self.headerSize else {
            throw .truncated(structure: Self.name, expected: Self.headerSize, actual: octets.count)
        }
        version = octets.littleEndian(UInt32.self, at: 0)
        let promised = octets.littleEndian(UInt32.self, at: 4)
        guard promised >= Self.headerSize, let size = Int(exactly: promised), size <= octets.count else {
            throw .truncated(structure: Self.name, expected: Int(clamping: promised), actual: octets.count)
        }
        let count = octets.littleEndian(UInt32.self, at: 8)
        identifiers = []
        var offset = Self.headerSize
        for number in 0..<count {
            // Each round goes at least 16 octets forward, so the structure's own size bounds the rounds.
            guard size - offset >= STORAGE_IDENTIFIER.headerSize else {
                throw .contradiction(
                    structure: Self.name, reason: "identifier \(number) of \(count) begins at the end, \(offset)")
            }
            let length = Int(octets.littleEndian(UInt16.self, at: offset + 8))
            let occupied = STORAGE_IDENTIFIER.headerSize + length
            guard size - offset >= occupied else {
                throw .contradiction(
                    structure: Self.name, reason: "identifier \(number) of \(length) octets runs over the end")
            }
            let start = offset + STORAGE_IDENTIFIER.headerSize
            identifiers.append(
                STORAGE_IDENTIFIER(
                    codeSet: octets.littleEndian(at: offset), type: octets.littleEndian(at: offset + 4),
                    association: octets.littleEndian(at: offset + 12),
                    identifier: Array(octets[start..<start + length])))
            guard number + 1 < count else { break }
            let next = Int(octets.littleEndian(UInt16.self, at: offset + 10))
            guard next >= occupied, next <= size - offset else {
                throw .contradiction(
                    structure: Self.name,
                    reason: "identifier \(number) of \(occupied) octets says the next is at \(next)"
                )
            }
            offset += next
        }
    }
}
