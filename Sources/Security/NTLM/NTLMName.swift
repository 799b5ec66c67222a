/// A name as NTLM carries and compares it: UTF-16 code units, whatever they are.
///
/// Proofs are computed over the units as they came, so a name must survive unchanged even where it is no valid Unicode.
struct NTLMName: Sendable, Hashable {
    let units: [UInt16]

    init(_ text: String) {
        units = Array(text.utf16)
    }

    init(units: [UInt16]) {
        self.units = units
    }

    /// Reads UTF-16LE; an odd octet at the end is an error of the token.
    init(octets: ArraySlice<UInt8>, of what: String) throws(SecurityError) {
        guard octets.count.isMultiple(of: 2) else {
            throw .malformedToken("\(what) at \(octets.startIndex): an odd number of octets in a UTF-16 name")
        }
        units = stride(from: octets.startIndex, to: octets.endIndex, by: 2).map {
            UInt16(octets[$0]) | UInt16(octets[$0 + 1]) << 8
        }
    }

    var octets: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(2 * units.count)
        for unit in units { bytes.appendLittleEndian(unit) }
        return bytes
    }

    /// For display and for the user directory; invalid units become U+FFFD there.
    var text: String { String(decoding: units, as: UTF16.self) }

    var isEmpty: Bool { units.isEmpty }

    /// The name in capitals, unit by unit, as Windows' RtlUpcaseUnicodeString does it: a unit that has no single capital
    /// ("ß"), stands for half a character, or has its capital in ASCII without being ASCII itself ("ı") stays what it is.
    var uppercased: NTLMName {
        NTLMName(
            units: units.map { unit in
                guard unit >= 0x80 else { return (0x61...0x7A).contains(unit) ? unit - 0x20 : unit }
                guard let scalar = Unicode.Scalar(unit) else { return unit }
                let capital = scalar.properties.uppercaseMapping.utf16
                guard capital.count == 1, let only = capital.first, only >= 0x80 else { return unit }
                return only
            })
    }

    /// Whether two names are the same without regard to case.
    func matches(_ other: NTLMName) -> Bool {
        uppercased == other.uppercased
    }
}

/// How NTLM, and with it a user directory, compares names.
public enum NTLMCase {
    /// The name in capitals, code unit by code unit as Windows does it. Two names with the same capitals are the same name.
    public static func uppercased(_ name: String) -> String {
        NTLMName(name).uppercased.text
    }
}
