/// STORAGE_DEVICE_DESCRIPTOR ([MS-CSVP] 2.2.27): what a unit says of itself in its INQUIRY data, with its serial number (page 80h).
public struct STORAGE_DEVICE_DESCRIPTOR: Sendable, Hashable {
    /// What the specification prescribes: 37, the octets through the first one of RawDeviceProperties. The structure of Windows'
    /// `ntddstor.h` is 40 octets long for a C compiler, which pads it, so a reader must not insist on either number.
    public static let specifiedVersion: UInt32 = 37

    /// Version.
    public var version: UInt32
    /// DeviceType: PERIPHERAL DEVICE TYPE (SPC-3 6.4.2); zero is a direct-access block device.
    public var deviceType: UInt8
    /// RemovableMedia.
    public var hasRemovableMedia: Bool
    /// CommandQueueing: several commands may be outstanding.
    public var queuesCommands: Bool
    /// The vendor's name; nil where there is none.
    public var vendor: String?
    /// The product's name; nil where there is none.
    public var product: String?
    /// The product's revision; nil where there is none.
    public var revision: String?
    /// The serial number; nil where there is none.
    public var serialNumber: String?
    /// StorageBusType: as DiskBusType of DISK_PROPS (2.2.5).
    public var busType: UInt32
    /// The bus-specific data, RawPropertiesLength octets; the strings stand behind it.
    public var rawProperties: [UInt8]

    private static let name = "STORAGE_DEVICE_DESCRIPTOR"
    private static let headerSize = 36

    /// A descriptor of these parts.
    public init(
        deviceType: UInt8 = 0, hasRemovableMedia: Bool = false, queuesCommands: Bool = true, vendor: String? = nil,
        product: String? = nil, revision: String? = nil, serialNumber: String? = nil, busType: UInt32,
        rawProperties: [UInt8] = [], version: UInt32 = specifiedVersion
    ) {
        self.version = version
        self.deviceType = deviceType
        self.hasRemovableMedia = hasRemovableMedia
        self.queuesCommands = queuesCommands
        self.vendor = vendor
        self.product = product
        self.revision = revision
        self.serialNumber = serialNumber
        self.busType = busType
        self.rawProperties = rawProperties
    }

    /// The octets: the header, the bus-specific data, and the strings that there are. Characters that are not printable ASCII
    /// become question marks.
    public var encoded: [UInt8] {
        var tail = rawProperties
        let offsets = [vendor, product, revision, serialNumber].map { text -> UInt32 in
            guard let text else { return 0 }
            let offset = Self.headerSize + tail.count
            tail += text.unicodeScalars.map { (0x20...0x7E).contains($0.value) ? UInt8($0.value) : UInt8(ascii: "?") }
            tail.append(0)
            return UInt32(offset)
        }
        // "Through the first byte of RawDeviceProperties": that one is always there.
        if tail.isEmpty { tail.append(0) }
        var octets: [UInt8] = []
        octets.append(littleEndian: version)
        octets.append(littleEndian: UInt32(Self.headerSize + tail.count))
        octets += [deviceType, 0, hasRemovableMedia ? 1 : 0, queuesCommands ? 1 : 0]
        for offset in offsets { octets.append(littleEndian: offset) }
        octets.append(littleEndian: busType)
        octets.append(littleEndian: UInt32(rawProperties.count))
        return octets + tail
    }

    /// Reads a descriptor. What follows behind its Size is not looked at.
    ///
    /// - Throws: ``LayoutError`` where a number leads out of the structure or into its header, or a string does not end.
    public init(_ octets: [UInt8]) throws(LayoutError) {
        guard octets.count >= Self.headerSize else {
            throw .truncated(structure: Self.name, expected: Self.headerSize, actual: octets.count)
        }
        let promised = octets.littleEndian(UInt32.self, at: 4)
        guard promised >= Self.headerSize, let size = Int(exactly: promised), size <= octets.count else {
            throw .truncated(structure: Self.name, expected: Int(clamping: promised), actual: octets.count)
        }
        let rawLength = octets.littleEndian(UInt32.self, at: 32)
        guard rawLength <= UInt32(size - Self.headerSize) else {
            throw .contradiction(
                structure: Self.name, reason: "\(rawLength) octets of raw properties run over the end, \(size)")
        }
        self.init(
            deviceType: octets[8], hasRemovableMedia: octets[10] != 0, queuesCommands: octets[11] != 0,
            vendor: try Self.string(of: octets, field: 12, size: size),
            product: try Self.string(of: octets, field: 16, size: size),
            revision: try Self.string(of: octets, field: 20, size: size),
            serialNumber: try Self.string(of: octets, field: 24, size: size),
            busType: octets.littleEndian(at: 28),
            rawProperties: Array(octets[Self.headerSize..<Self.headerSize + Int(rawLength)]),
            version: octets.littleEndian(at: 0))
    }

    /// The string whose offset stands in this field; nil for an offset of zero.
    private static func string(of octets: [UInt8], field: Int, size: Int) throws(LayoutError) -> String? {
        let offset = Int(octets.littleEndian(UInt32.self, at: field))
        guard offset != 0 else { return nil }
        guard offset >= headerSize, offset < size else {
            throw .contradiction(structure: name, reason: "a string at \(offset) is outside of the data, \(size)")
        }
        guard let end = octets[offset..<size].firstIndex(of: 0) else {
            throw .contradiction(structure: name, reason: "the string at \(offset) does not end")
        }
        return String(
            decoding: octets[offset..<end].map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
