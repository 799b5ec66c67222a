extension BSTRValue {
    /// The form in which a node keeps a cluster secret: the protocol's model of it is a BSTR ([MS-CSVP] 3.10.1), so NULL stays NULL
    /// and the empty one stays empty. The presented BSTR: a length of four octets, little endian, 0xFFFFFFFF for NULL, then
    /// the octets.
    public var storedOctets: [UInt8] {
        switch self {
        case .null: [0xFF, 0xFF, 0xFF, 0xFF]
        case .octets(let octets): withUnsafeBytes(of: UInt32(octets.count).littleEndian, Array.init) + octets
        }
    }

    /// From the form in which it is kept; nil for octets that are none.
    public init?(storedOctets octets: [UInt8]) {
        guard octets.count >= 4 else { return nil }
        let length = octets[..<4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        if length == 0xFFFF_FFFF, octets.count == 4 {
            self = .null
        } else if octets.count == 4 + Int(length) {
            self = .octets(Array(octets[4...]))
        } else {
            return nil
        }
    }
}
