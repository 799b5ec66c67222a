/// The characters of a `[string] wchar_t *`: UTF-16 code units without the terminator.
///
/// The units are kept as they came, so a lone surrogate survives the round trip.
public struct WideString: Hashable, Sendable {
    /// The code units, without the terminator.
    public var units: [UInt16]

    /// An empty string.
    @inlinable
    public init() {
        units = []
    }

    /// From code units, without the terminator.
    @inlinable
    public init(units: [UInt16]) {
        self.units = units
    }

    /// From text.
    @inlinable
    public init(_ text: String) {
        units = Array(text.utf16)
    }

    /// The text; a lone surrogate reads as U+FFFD.
    public var string: String {
        String(decoding: units, as: UTF16.self)
    }
}

extension WideString: ExpressibleByStringLiteral, CustomStringConvertible, CustomDebugStringConvertible {
    /// From a literal.
    public init(stringLiteral text: String) {
        self.init(text)
    }

    /// The text.
    public var description: String {
        string
    }

    /// The text in quotation marks.
    public var debugDescription: String {
        string.debugDescription
    }
}

/// The characters of a `[string] char *`: octets without the terminator.
public struct OctetString: Hashable, Sendable {
    /// The octets, without the terminator.
    public var octets: [UInt8]

    /// An empty string.
    @inlinable
    public init() {
        octets = []
    }

    /// From octets, without the terminator.
    @inlinable
    public init(octets: [UInt8]) {
        self.octets = octets
    }

    /// From text, as UTF-8.
    @inlinable
    public init(_ text: String) {
        octets = Array(text.utf8)
    }

    /// The text, read as UTF-8.
    public var string: String {
        String(decoding: octets, as: UTF8.self)
    }
}

extension OctetString: ExpressibleByStringLiteral, CustomStringConvertible, CustomDebugStringConvertible {
    /// From a literal.
    public init(stringLiteral text: String) {
        self.init(text)
    }

    /// The text.
    public var description: String {
        string
    }

    /// The text in quotation marks.
    public var debugDescription: String {
        string.debugDescription
    }
}

extension [UInt16] {
    /// The UTF-16 of `wide`, with zeros up to `count` units, for a fixed `wchar_t[count]`.
    ///
    /// Text that does not fit with a terminator is cut off, at the boundary of a character.
    public init(wide text: String, count: Int) {
        var units: [UInt16] = []
        units.reserveCapacity(count)
        for scalar in text.unicodeScalars {
            let encoded = UTF16.encode(scalar).map(Array<UInt16>.init) ?? []
            guard units.count + encoded.count < count else { break }
            units += encoded
        }
        units += repeatElement(0, count: Swift.max(0, count - units.count))
        self = units
    }

    /// The text of a fixed `wchar_t[]` up to its first zero.
    public var wideString: String {
        String(decoding: prefix { $0 != 0 }, as: UTF16.self)
    }
}
