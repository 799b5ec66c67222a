/// A universally unique identifier as NDR and DCOM carry it ([MS-DTYP] 2.3.4, C706 appendix A).
///
/// Its first three parts are integers, so they change with the sender's byte order; the last eight octets do not.
public struct GUID: Hashable, Sendable {
    /// The first eight digits (time_low).
    public var data1: UInt32
    /// The next four digits (time_mid).
    public var data2: UInt16
    /// The next four digits (time_hi_and_version).
    public var data3: UInt16
    /// The last sixteen digits: the eight octets of the tail, the first one most significant.
    public var data4: UInt64

    /// All zero: the nil UUID.
    public static let zero = GUID()

    /// From its parts; without any, the nil UUID.
    @inlinable
    public init(data1: UInt32 = 0, data2: UInt16 = 0, data3: UInt16 = 0, data4: UInt64 = 0) {
        self.data1 = data1
        self.data2 = data2
        self.data3 = data3
        self.data4 = data4
    }

    /// Parses `8-4-4-4-12` hexadecimal digits of either case, with or without braces around them.
    ///
    /// - Returns: nil for any other text.
    public init?(_ text: String) {
        self.init(parsing: text)
    }

    private init?(parsing text: some StringProtocol) {
        var digits = Array(text.utf8)
        if digits.count == 38, digits.first == UInt8(ascii: "{"), digits.last == UInt8(ascii: "}") {
            digits = Array(digits[1..<37])
        }
        guard digits.count == 36 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        var taken = 0
        for (index, digit) in digits.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard digit == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            if taken < 16 {
                high = high << 4 | UInt64(value)
            } else {
                low = low << 4 | UInt64(value)
            }
            taken += 1
        }
        self.init(
            data1: UInt32(truncatingIfNeeded: high >> 32), data2: UInt16(truncatingIfNeeded: high >> 16),
            data3: UInt16(truncatingIfNeeded: high), data4: low)
    }

    /// From sixteen octets, the first three parts little endian, as GPT and most Windows structures hold them.
    ///
    /// - Returns: nil if there are not exactly sixteen.
    public init?(littleEndianBytes octets: some Collection<UInt8>) {
        guard octets.count == 16 else { return nil }
        let octets = Array(octets)
        self.init(
            data1: UInt32(octets[0]) | UInt32(octets[1]) << 8 | UInt32(octets[2]) << 16 | UInt32(octets[3]) << 24,
            data2: UInt16(octets[4]) | UInt16(octets[5]) << 8,
            data3: UInt16(octets[6]) | UInt16(octets[7]) << 8,
            data4: octets[8..<16].reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The sixteen octets, the first three parts little endian.
    public var littleEndianBytes: [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(16)
        withUnsafeBytes(of: data1.littleEndian) { octets.append(contentsOf: $0) }
        withUnsafeBytes(of: data2.littleEndian) { octets.append(contentsOf: $0) }
        withUnsafeBytes(of: data3.littleEndian) { octets.append(contentsOf: $0) }
        withUnsafeBytes(of: data4.bigEndian) { octets.append(contentsOf: $0) }
        return octets
    }

    /// A new random one (version 4, variant 10; RFC 4122 section 4.4).
    public static func random() -> GUID {
        var generator = SystemRandomNumberGenerator()
        let high: UInt64 = generator.next()
        let low: UInt64 = generator.next()
        return GUID(
            data1: UInt32(truncatingIfNeeded: high >> 32), data2: UInt16(truncatingIfNeeded: high >> 16),
            data3: UInt16(truncatingIfNeeded: high) & 0x0FFF | 0x4000,
            data4: low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
    }
}

extension GUID: ExpressibleByStringLiteral {
    /// From a literal in the program's own text; `GUID("…")` with a literal is this one, too.
    ///
    /// - Precondition: The literal is a well-formed GUID: anything else is a slip in the source, not in the input.
    public init(stringLiteral text: StaticString) {
        guard let value = GUID(parsing: text.description) else {
            preconditionFailure("not a GUID: \(text)")
        }
        self = value
    }
}

extension GUID: CustomStringConvertible {
    /// Lower-case `8-4-4-4-12`.
    public var description: String {
        let digits = Self.digits(data1, 8) + Self.digits(data2, 4) + Self.digits(data3, 4) + Self.digits(data4, 16)
        var text = ""
        text.reserveCapacity(36)
        for (index, digit) in digits.enumerated() {
            if index == 8 || index == 12 || index == 16 || index == 20 { text.append("-") }
            text.append(digit)
        }
        return text
    }

    private static func digits(_ value: some FixedWidthInteger, _ count: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: count - digits.count) + digits
    }
}

extension GUID: NDRCodable {
    /// The alignment of its first part.
    @inlinable public static var ndrAlignment: Int { 4 }
    /// Its sixteen octets.
    @inlinable public static var ndrMinimumSize: Int { 16 }

    /// Writes the sixteen octets.
    @inlinable
    public func encodeBody(into encoder: inout NDREncoder) throws(NDRError) {
        encoder.write(data1)
        encoder.write(data2)
        encoder.write(data3)
        encoder.writeUnaligned(data4.byteSwapped)
    }

    /// Reads the sixteen octets.
    @inlinable
    public init(bodyFrom decoder: inout NDRDecoder) throws(NDRError) {
        let data1 = try decoder.read(UInt32.self)
        let data2 = try decoder.read(UInt16.self)
        let data3 = try decoder.read(UInt16.self)
        let tail = try decoder.readTail()
        self.init(data1: data1, data2: data2, data3: data3, data4: tail)
    }
}
