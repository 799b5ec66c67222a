import ErrorCodes

/// A BSTR in memory ([MS-OAUT] 2.2.23): NULL, or any octets: an odd number of them, zeros among them, no terminator.
public enum BSTRValue: Sendable, Equatable {
    /// The NULL BSTR, which is not an empty one.
    case null
    /// So many octets.
    case octets([UInt8])

    /// From the wire ([MS-OAUT] 2.2.23.3).
    ///
    /// - Throws: ERROR_INVALID_PARAMETER where the two lengths do not agree (2.2.23.1).
    public init(_ blob: FLAGGED_WORD_BLOB?) throws(Win32Error) {
        // A null pointer is no BSTR that MS-OAUT describes, but what C clients send for NULL.
        guard let blob, blob.cBytes != Self.nullLength else {
            guard blob?.asData.isEmpty ?? true else { throw .invalidParameter }
            self = .null
            return
        }
        guard blob.asData.count == (Int(blob.cBytes) + 1) / 2 else { throw .invalidParameter }
        var octets: [UInt8] = []
        octets.reserveCapacity(blob.asData.count * 2)
        for unit in blob.asData {
            octets.append(UInt8(truncatingIfNeeded: unit))
            octets.append(UInt8(truncatingIfNeeded: unit >> 8))
        }
        // The other half of the last unit is not part of an odd number of octets.
        self = .octets(Array(octets.prefix(Int(blob.cBytes))))
    }

    /// Text, as UTF-16.
    public init(_ text: String) {
        self = .octets(text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
    }

    /// The form on the wire.
    public var blob: FLAGGED_WORD_BLOB {
        switch self {
        case .null:
            return FLAGGED_WORD_BLOB(cBytes: Self.nullLength, clSize: 0, asData: [])
        case .octets(let octets):
            let units = stride(from: 0, to: octets.count, by: 2).map { index in
                UInt16(octets[index]) | (index + 1 < octets.count ? UInt16(octets[index + 1]) << 8 : 0)
            }
            return FLAGGED_WORD_BLOB(cBytes: UInt32(octets.count), clSize: UInt32(units.count), asData: units)
        }
    }

    /// The octets as UTF-16 text; nil for NULL.
    public var text: String? {
        guard case .octets(let octets) = self else { return nil }
        let units = stride(from: 0, to: octets.count - octets.count % 2, by: 2).map { index in
            UInt16(octets[index]) | UInt16(octets[index + 1]) << 8
        }
        return String(decoding: units, as: UTF16.self)
    }

    private static let nullLength: UInt32 = 0xFFFF_FFFF
}
