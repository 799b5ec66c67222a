/// Vital product data pages (SPC-3 7.6).
public enum VitalProductData {
    /// Supported VPD pages.
    public static let supportedPages: UInt8 = 0x00
    /// Unit Serial Number.
    public static let unitSerialNumber: UInt8 = 0x80
    /// Device Identification.
    public static let deviceIdentification: UInt8 = 0x83
    /// Block Limits (SBC-3).
    public static let blockLimits: UInt8 = 0xB0
    /// Block Device Characteristics (SBC-3).
    public static let blockDeviceCharacteristics: UInt8 = 0xB1
    /// Logical Block Provisioning (SBC-3).
    public static let logicalBlockProvisioning: UInt8 = 0xB2

    /// The content behind the page's four-octet header.
    ///
    /// - Throws: ``SCSIError/malformedResponse(command:reason:)`` where the page is another one or shorter than it says.
    static func content(of octets: [UInt8], page: UInt8) throws -> ArraySlice<UInt8> {
        let command = "INQUIRY for page \(hexadecimalOctet(page))h"
        guard octets.count >= 4, octets[1] == page else {
            throw SCSIError.malformedResponse(command: command, reason: "not that page")
        }
        let length = Int(octets.field16(2))
        guard octets.count >= 4 + length else {
            throw SCSIError.malformedResponse(
                command: command, reason: "\(length) octets promised, \(octets.count - 4) received")
        }
        return octets[4..<4 + length]
    }

    /// A page from its content.
    static func page(_ page: UInt8, content: [UInt8]) -> [UInt8] {
        [0, page, UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
    }
}

/// One designation descriptor of the Device Identification page (SPC-3 7.6.3.1).
public struct DeviceIdentifier: Sendable, Hashable {
    /// What is identified (ASSOCIATION, SPC-3 7.6.3.1).
    public enum Association: UInt8, Sendable, Hashable {
        /// The logical unit itself.
        case logicalUnit = 0
        /// The target port the command came through.
        case targetPort = 1
        /// The target device with all its logical units.
        case targetDevice = 2
        /// Not defined by SPC-3.
        case reserved = 3
    }

    /// How the identifier is made (SPC-3 7.6.3.1).
    public struct Kind: RawRepresentable, Sendable, Hashable {
        /// IDENTIFIER TYPE.
        public var rawValue: UInt8

        /// Any type, also a reserved one.
        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// Vendor specific.
        public static let vendorSpecific = Kind(rawValue: 0)
        /// T10 vendor identification.
        public static let t10Vendor = Kind(rawValue: 1)
        /// EUI-64 based.
        public static let eui64 = Kind(rawValue: 2)
        /// NAA.
        public static let naa = Kind(rawValue: 3)
        /// Relative target port identifier.
        public static let relativeTargetPort = Kind(rawValue: 4)
        /// Target port group.
        public static let targetPortGroup = Kind(rawValue: 5)
        /// Logical unit group.
        public static let logicalUnitGroup = Kind(rawValue: 6)
        /// MD5 logical unit identifier.
        public static let md5 = Kind(rawValue: 7)
        /// SCSI name string.
        public static let scsiName = Kind(rawValue: 8)
    }

    /// CODE SET (SPC-3 7.6.3.1): 1 binary, 2 ASCII, 3 UTF-8.
    public var codeSet: UInt8
    /// What is identified.
    public var association: Association
    /// How the identifier is made.
    public var kind: Kind
    /// PROTOCOL IDENTIFIER, where the target says that it is valid (PIV).
    public var protocolIdentifier: UInt8?
    /// The identifier.
    public var value: [UInt8]

    /// A descriptor of these parts.
    public init(
        codeSet: UInt8, association: Association, kind: Kind, protocolIdentifier: UInt8? = nil, value: [UInt8]
    ) {
        self.codeSet = codeSet
        self.association = association
        self.kind = kind
        self.protocolIdentifier = protocolIdentifier
        self.value = value
    }

    /// The identifier for people: its text for the ASCII and UTF-8 code sets, with question marks for characters that are not to be
    /// printed, else its octets in upper-case hexadecimal.
    public var text: String {
        switch codeSet {
        case 2: paddedText(value[...])
        case 3:
            String(
                String.UnicodeScalarView(
                    String(decoding: value.prefix { $0 != 0 }, as: UTF8.self).unicodeScalars.map {
                        [.control, .format].contains($0.properties.generalCategory) ? "?" : $0
                    }))
        default: value.map(hexadecimalOctet).joined()
        }
    }

    /// The descriptor's octets.
    public var octets: [UInt8] {
        var second = association.rawValue << 4 | kind.rawValue & 0x0F
        if protocolIdentifier != nil { second |= 0x80 }
        return [(protocolIdentifier ?? 0) << 4 | codeSet & 0x0F, second, 0, UInt8(truncatingIfNeeded: value.count)]
            + value
    }

    /// Reads the descriptors of a page's content.
    ///
    /// - Throws: ``SCSIError/malformedResponse(command:reason:)`` where a descriptor runs over the end of the page.
    static func list(_ content: ArraySlice<UInt8>) throws -> [DeviceIdentifier] {
        var identifiers: [DeviceIdentifier] = []
        var rest = content
        while !rest.isEmpty {
            guard rest.count >= 4, rest.count >= 4 + Int(rest[rest.startIndex + 3]) else {
                throw SCSIError.malformedResponse(
                    command: "INQUIRY for page 83h", reason: "a designation descriptor runs over the page's end")
            }
            let header = Array(rest.prefix(4))
            rest.removeFirst(4)
            identifiers.append(
                DeviceIdentifier(
                    codeSet: header[0] & 0x0F,
                    association: Association(rawValue: header[1] >> 4 & 3) ?? .reserved,
                    kind: Kind(rawValue: header[1] & 0x0F),
                    protocolIdentifier: header[1] & 0x80 != 0 ? header[0] >> 4 : nil,
                    value: Array(rest.prefix(Int(header[3])))))
            rest.removeFirst(Int(header[3]))
        }
        return identifiers
    }

    /// The identifier [MS-CSVP] 2.2.6 asks for: of the logical unit (association 00b), a SCSI name string before NAA before
    /// EUI-64; the first of its kind; nil where there is none (DISK_NO_PAGE83).
    public static func preferred(_ identifiers: [DeviceIdentifier]) -> DeviceIdentifier? {
        for kind: Kind in [.scsiName, .naa, .eui64] {
            if let identifier = identifiers.first(where: { $0.association == .logicalUnit && $0.kind == kind }) {
                return identifier
            }
        }
        return nil
    }
}
