/// The NDR format label: how the sender of a PDU lays out integers, characters and floating-point numbers
/// (C706 section 14.1, "Data Representation Format Label").
public struct DataRepresentation: Hashable, Sendable {
    /// The order of an integer's octets.
    public enum ByteOrder: UInt8, Hashable, Sendable {
        /// The most significant octet first.
        case bigEndian = 0
        /// The least significant octet first.
        case littleEndian = 1
    }

    /// The character set of `char` and `[string] char *`.
    public enum CharacterSet: UInt8, Hashable, Sendable {
        /// ASCII.
        case ascii = 0
        /// EBCDIC.
        case ebcdic = 1
    }

    /// The format of floating-point numbers.
    public enum FloatingPoint: UInt8, Hashable, Sendable {
        /// IEEE 754.
        case ieee = 0
        /// VAX.
        case vax = 1
        /// Cray.
        case cray = 2
        /// IBM.
        case ibm = 3
    }

    /// The order of an integer's octets.
    public var byteOrder: ByteOrder
    /// The character set.
    public var characterSet: CharacterSet
    /// The floating-point format.
    public var floatingPoint: FloatingPoint

    /// From its parts.
    public init(
        byteOrder: ByteOrder, characterSet: CharacterSet = .ascii, floatingPoint: FloatingPoint = .ieee
    ) {
        self.byteOrder = byteOrder
        self.characterSet = characterSet
        self.floatingPoint = floatingPoint
    }

    /// From the four octets of a PDU's `packed_drep`; the last two are reserved and ignored.
    ///
    /// - Returns: nil if there are fewer than two octets, or if they name a format that the standard does not know.
    public init?(_ octets: some Collection<UInt8>) {
        var rest = octets.makeIterator()
        guard let first = rest.next(), let second = rest.next(), let byteOrder = ByteOrder(rawValue: first >> 4),
            let characterSet = CharacterSet(rawValue: first & 0x0F), let floatingPoint = FloatingPoint(rawValue: second)
        else { return nil }
        self.init(byteOrder: byteOrder, characterSet: characterSet, floatingPoint: floatingPoint)
    }

    /// The four octets of the label.
    public var octets: [UInt8] {
        [byteOrder.rawValue << 4 | characterSet.rawValue, floatingPoint.rawValue, 0, 0]
    }

    /// Little endian, ASCII, IEEE: what this implementation always sends.
    public static let littleEndianASCIIIEEE = DataRepresentation(byteOrder: .littleEndian)
    /// Big endian, ASCII, IEEE.
    public static let bigEndianASCIIIEEE = DataRepresentation(byteOrder: .bigEndian)
}
