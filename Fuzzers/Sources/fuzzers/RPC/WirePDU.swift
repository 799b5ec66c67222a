/// A PDU as a client writes it that need not know the rules: built without the code that is fuzzed.
struct WirePDU {
    private(set) var octets: [UInt8]
    private let isBigEndian: Bool

    init(type: UInt8, flags: UInt8, callID: UInt32, isBigEndian: Bool = false, minor: UInt8 = 0) {
        self.isBigEndian = isBigEndian
        octets = [5, minor, type, flags, isBigEndian ? 0 : 0x10, 0, 0, 0, 0, 0, 0, 0]
        put(callID)
    }

    var count: Int { octets.count }

    mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: isBigEndian ? value.bigEndian : value.littleEndian) { octets.append(contentsOf: $0) }
    }

    mutating func put(octets other: some Collection<UInt8>) {
        octets.append(contentsOf: other)
    }

    /// A UUID whose first field is `first` and whose other octets are `rest`.
    mutating func put(_ syntax: WireSyntax) {
        put(syntax.data1)
        put(syntax.data2)
        put(syntax.data3)
        put(octets: syntax.data4)
        put(syntax.version)
    }

    mutating func align(_ alignment: Int) {
        while octets.count % alignment != 0 { octets.append(0) }
    }

    /// The security trailer ([MS-RPCE] 2.2.2.11); the authentication value follows.
    mutating func putTrailer(type: UInt8, level: UInt8, padding: UInt8, contextID: UInt32) {
        put(octets: [type, level, padding, 0])
        put(contextID)
    }

    /// Fills the lengths in; they are cut to what their fields can say.
    mutating func close(authLength: Int) {
        set(UInt16(truncatingIfNeeded: octets.count), at: 8)
        set(UInt16(truncatingIfNeeded: authLength), at: 10)
    }

    mutating func set(_ value: UInt16, at offset: Int) {
        let low = UInt8(truncatingIfNeeded: value)
        let high = UInt8(truncatingIfNeeded: value >> 8)
        octets[offset] = isBigEndian ? high : low
        octets[offset + 1] = isBigEndian ? low : high
    }

    mutating func withOctets(_ body: (inout [UInt8]) -> Void) {
        body(&octets)
    }
}

/// An abstract or transfer syntax: a UUID's fields and a version, the major one in the low half.
struct WireSyntax: Hashable {
    let data1: UInt32
    let data2: UInt16
    let data3: UInt16
    let data4: [UInt8]
    let version: UInt32

    static let management = WireSyntax(
        data1: 0xAFA8_BD80, data2: 0x7D8A, data3: 0x11C9, data4: [0xBE, 0xF4, 8, 0, 0x2B, 0x10, 0x29, 0x89], version: 1)
    static let endpointMapper = WireSyntax(
        data1: 0xE1AF_8308, data2: 0x5D1F, data3: 0x11C9, data4: [0x91, 0xA4, 8, 0, 0x2B, 0x14, 0xA0, 0xFA], version: 3)
    static let unknown = WireSyntax(
        data1: 0x1111_1111, data2: 0x2222, data3: 0x3333, data4: [4, 4, 5, 5, 5, 5, 5, 5], version: 1)
    static let ndr20 = WireSyntax(
        data1: 0x8A88_5D04, data2: 0x1CEB, data3: 0x11C9, data4: [0x9F, 0xE8, 8, 0, 0x2B, 0x10, 0x48, 0x60], version: 2)
    static let ndr64 = WireSyntax(
        data1: 0x7171_0533, data2: 0xBEBA, data3: 0x4937, data4: [0x83, 0x19, 0xB5, 0xDB, 0xEF, 0x9C, 0xCC, 0x36],
        version: 1)

    /// Bind time feature negotiation ([MS-RPCE] 2.2.2.14).
    static func features(_ mask: UInt8) -> WireSyntax {
        WireSyntax(
            data1: 0x6CB7_1C2C, data2: 0x9812, data3: 0x4540, data4: [mask, 0, 0, 0, 0, 0, 0, 0], version: 1)
    }
}
