/// Standard INQUIRY data (SPC-3 6.4.2).
public struct InquiryData: Sendable, Equatable {
    /// PERIPHERAL DEVICE TYPE: zero is a direct-access block device.
    public var deviceType: UInt8
    /// PERIPHERAL QUALIFIER: zero where a device is there.
    public var qualifier: UInt8
    /// RMB: the medium can be removed.
    public var isRemovable: Bool
    /// VERSION: 5 is SPC-3.
    public var version: UInt8
    /// T10 VENDOR IDENTIFICATION, without its padding.
    public var vendor: String
    /// PRODUCT IDENTIFICATION, without its padding.
    public var product: String
    /// PRODUCT REVISION LEVEL, without its padding.
    public var revision: String
    /// MULTIP: the device has more than one port.
    public var isMultiPort: Bool

    /// Inquiry data of these parts; the strings are cut to 8, 16 and 4 octets when they are written.
    public init(
        deviceType: UInt8 = 0, qualifier: UInt8 = 0, isRemovable: Bool = false, version: UInt8 = 5, vendor: String,
        product: String, revision: String, isMultiPort: Bool = false
    ) {
        self.deviceType = deviceType
        self.qualifier = qualifier
        self.isRemovable = isRemovable
        self.version = version
        self.vendor = vendor
        self.product = product
        self.revision = revision
        self.isMultiPort = isMultiPort
    }

    /// Reads inquiry data; nil for less than the 36 octets every device has to have.
    public init?(_ octets: [UInt8]) {
        guard octets.count >= 36 else { return nil }
        self.init(
            deviceType: octets[0] & 0x1F, qualifier: octets[0] >> 5, isRemovable: octets[1] & 0x80 != 0,
            version: octets[2], vendor: paddedText(octets[8..<16]), product: paddedText(octets[16..<32]),
            revision: paddedText(octets[32..<36]), isMultiPort: octets[6] & 0x10 != 0)
    }

    /// The 96 octets of SPC-3 6.4.2, with version descriptors for SAM-3, SPC-3, SBC-2 and iSCSI.
    public var octets: [UInt8] {
        // RESPONSE DATA FORMAT is 2, HISUP says that LUNs are hierarchical, CMDQUE that commands may overlap.
        var octets: [UInt8] = [qualifier << 5 | deviceType & 0x1F, isRemovable ? 0x80 : 0, version, 0x12, 91]
        octets += [0, isMultiPort ? 0x10 : 0, 0x02]
        octets += padded(vendor, 8) + padded(product, 16) + padded(revision, 4)
        octets += [UInt8](repeating: 0, count: 22)
        for descriptor: UInt16 in [0x0060, 0x0300, 0x0320, 0x0960] {
            octets.append(bigEndian: descriptor)
        }
        return octets + [UInt8](repeating: 0, count: 96 - octets.count)
    }
}

/// The text of a left-aligned, space-padded ASCII field; octets outside printable ASCII (SPC-3 4.4.1) become question marks.
func paddedText(_ octets: ArraySlice<UInt8>) -> String {
    var octets = octets
    while let last = octets.last, last == 0x20 || last == 0 { octets.removeLast() }
    return String(decoding: octets.map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
}

/// A left-aligned ASCII field of this many octets.
func padded(_ text: String, _ count: Int) -> [UInt8] {
    let octets = Array(text.utf8.prefix(count))
    return octets + [UInt8](repeating: 0x20, count: count - octets.count)
}
