extension SenseData {
    /// Reads sense data in either format (SPC-3 4.5.2, 4.5.3).
    ///
    /// Returns nil where the octets are no sense data: fewer than the sense key needs, or an unknown response code. Octets
    /// missing at the end mean that the target sent less, and read as zero.
    public init?(_ octets: [UInt8]) {
        guard let first = octets.first else { return nil }
        switch first & 0x7F {
        case 0x70, 0x71: self.init(fixed: octets)
        case 0x72, 0x73: self.init(descriptors: octets)
        default: return nil
        }
    }

    private init?(fixed octets: [UInt8]) {
        guard octets.count >= 3, let key = SenseKey(rawValue: octets[2] & 0x0F) else { return nil }
        let available = octets.count >= 8 ? min(octets.count, 8 + Int(octets[7])) : octets.count
        func octet(_ index: Int) -> UInt8 { index < available ? octets[index] : 0 }
        self.init(
            key: key, code: AdditionalSenseCode(rawValue: UInt16(octet(12)) << 8 | UInt16(octet(13))),
            information: octets[0] & 0x80 != 0 && available >= 7 ? octets.field(3, octets: 4) : nil,
            fieldPointer: available >= 18 ? FieldPointer(octets[15..<18]) : nil, isDeferred: octets[0] & 1 == 1)
    }

    private init?(descriptors octets: [UInt8]) {
        guard octets.count >= 4, let key = SenseKey(rawValue: octets[1] & 0x0F) else { return nil }
        self.init(key: key, code: AdditionalSenseCode(rawValue: octets.field16(2)), isDeferred: octets[0] & 1 == 1)
        guard octets.count >= 8 else { return }
        var rest = octets[8..<min(octets.count, 8 + Int(octets[7]))]
        while rest.count >= 2 {
            let length = 2 + Int(rest[rest.startIndex + 1])
            guard rest.count >= length else { return }
            let descriptor = rest.prefix(length)
            switch rest[rest.startIndex] {
            case 0x00 where length >= 12 && descriptor[descriptor.startIndex + 2] & 0x80 != 0:
                information = descriptor.field64(4)
            case 0x02 where length >= 8:
                fieldPointer = FieldPointer(descriptor[(descriptor.startIndex + 4)..<(descriptor.startIndex + 7)])
            default: break
            }
            rest = rest.dropFirst(length)
        }
    }

    /// The fixed format (SPC-3 4.5.3): 18 octets. Information that needs more than 32 bits is left out, as SBC-2
    /// 4.17 demands.
    public var fixedFormat: [UInt8] {
        var octets = [UInt8](repeating: 0, count: 18)
        octets[0] = isDeferred ? 0x71 : 0x70
        octets[2] = key.rawValue
        octets[7] = 10
        if let information, let short = UInt32(exactly: information) {
            octets[0] |= 0x80
            octets.set(short, at: 3)
        }
        octets.set(code.rawValue, at: 12)
        if let fieldPointer { octets.replaceSubrange(15..<18, with: fieldPointer.octets) }
        return octets
    }

    /// The descriptor format (SPC-3 4.5.2).
    public var descriptorFormat: [UInt8] {
        var descriptors: [UInt8] = []
        if let information {
            descriptors += [0x00, 0x0A, 0x80, 0x00]
            descriptors.append(bigEndian: information)
        }
        if let fieldPointer {
            descriptors += [0x02, 0x06, 0x00, 0x00] + fieldPointer.octets + [0x00]
        }
        return [isDeferred ? 0x73 : 0x72, key.rawValue, code.code, code.qualifier, 0, 0, 0, UInt8(descriptors.count)]
            + descriptors
    }
}

extension SenseData.FieldPointer {
    /// Reads the three octets of sense key specific data; nil where SKSV is zero.
    fileprivate init?(_ octets: ArraySlice<UInt8>) {
        let first = octets[octets.startIndex]
        guard first & 0x80 != 0 else { return nil }
        self.init(isInCDB: first & 0x40 != 0, octet: octets.field16(1), bit: first & 0x08 != 0 ? first & 0x07 : nil)
    }

    fileprivate var octets: [UInt8] {
        var first: UInt8 = 0x80 | (isInCDB ? 0x40 : 0)
        if let bit { first |= 0x08 | (bit & 0x07) }
        return [first, UInt8(octet >> 8), UInt8(octet & 0xFF)]
    }
}
