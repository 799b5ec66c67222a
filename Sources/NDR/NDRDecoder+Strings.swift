/// Strings: varying arrays whose last element is a terminator (C706 section 14.3.5).
extension NDRDecoder {
    /// Reads a conformant and varying string of UTF-16.
    ///
    /// - Parameter size: What the maximum count must be, if a field dictates it.
    public mutating func readWideString(size: Int? = nil, _ subject: StaticString) throws(NDRError) -> WideString {
        let maximum = try readConformance()
        if let size { try require(count: maximum, equals: size, subject) }
        return try readVaryingWideString(size: maximum, subject)
    }

    /// Reads a varying string of UTF-16 out of a fixed array of `size` characters.
    public mutating func readVaryingWideString(
        size: Int, _ subject: StaticString
    ) throws(NDRError) -> WideString {
        let count = try readVariance(size: size, subject)
        var units = try read(elements: UInt16.self, count: count)
        guard units.popLast() == 0 else { throw NDRError(.unterminatedString, at: position, subject) }
        return WideString(units: units)
    }

    /// Reads a conformant and varying string of octets.
    ///
    /// - Parameter size: What the maximum count must be, if a field dictates it.
    public mutating func readOctetString(size: Int? = nil, _ subject: StaticString) throws(NDRError) -> OctetString {
        let maximum = try readConformance()
        if let size { try require(count: maximum, equals: size, subject) }
        return try readVaryingOctetString(size: maximum, subject)
    }

    /// Reads a varying string of octets out of a fixed array of `size` characters.
    public mutating func readVaryingOctetString(
        size: Int, _ subject: StaticString
    ) throws(NDRError) -> OctetString {
        let count = try readVariance(size: size, subject)
        var octets = try read(octets: count)
        guard octets.popLast() == 0 else { throw NDRError(.unterminatedString, at: position, subject) }
        return OctetString(octets: octets)
    }
}
