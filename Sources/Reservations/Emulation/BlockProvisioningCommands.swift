/// WRITE SAME and UNMAP, and the pages that tell clients about them (SBC-3).
extension EmulatedLogicalUnit {
    /// The blocks one WRITE SAME may cover (MAXIMUM WRITE SAME LENGTH).
    var writeSameLimit: UInt64 {
        UInt64(Self.transferLimit / blockSize)
    }

    /// The ranges one UNMAP may name (MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT).
    static let unmapDescriptorLimit = 256

    func writeSame(
        _ range: SCSICommand.BlockRange, options: SCSICommand.WriteSameOptions, data: [UInt8], isSixteenOctets: Bool,
        provisioning: ThinProvisioning?
    ) throws -> SCSIResult {
        // Space is never set aside for a block without data, so there is nothing to anchor.
        if options.contains(.anchor) { throw SCSICommandRefusal.invalidField(octet: 1, bit: 4) }
        if options.contains(.unmap), provisioning == nil { throw SCSICommandRefusal.invalidField(octet: 1, bit: 3) }
        // WSNZ: a count of zero does not mean "to the end" here.
        guard range.count > 0, UInt64(range.count) <= writeSameLimit else {
            throw SCSICommandRefusal.invalidField(octet: isSixteenOctets ? 10 : 7)
        }
        try check(range)
        if isReadOnly { return SCSIResult(sense: SenseData(key: .dataProtect, code: .writeProtected)) }
        let block = options.contains(.noData) ? [UInt8](repeating: 0, count: blockSize) : data
        guard block.count == blockSize else { throw SCSICommandRefusal.invalidField(octet: 1) }
        try image.check()
        let offset = range.first * UInt64(blockSize)
        let count = UInt64(range.count) * UInt64(blockSize)
        do {
            if options.contains(.unmap), block.allSatisfy({ $0 == 0 }) {
                // LBPRZ: what is deallocated reads as zeros, which is what was to be written.
                try image.deallocate(at: offset, count: count)
            } else {
                try checkSpace(provisioning, at: offset, count: Int(count))
                try image.fill(with: block, at: offset, count: count)
            }
            return SCSIResult(status: .good)
        } catch let error as FileError {
            return SCSIResult(writeFailure: error, at: range.first)
        }
    }

    /// UNMAP: every range is checked before the first is given back.
    func unmap(isAnchored: Bool, list: [UInt8], length: UInt16, provisioning: ThinProvisioning?) throws -> SCSIResult {
        if provisioning == nil { throw SCSICommandRefusal.invalidOperationCode }
        if isAnchored { throw SCSICommandRefusal.invalidField(octet: 1, bit: 0) }
        if isReadOnly { return SCSIResult(sense: SenseData(key: .dataProtect, code: .writeProtected)) }
        if length == 0 { return SCSIResult(status: .good) }
        guard length >= 8, list.count >= Int(length) else { return .parameterListLengthError }
        // What follows the last whole descriptor is ignored; descriptors that were announced and not sent are not.
        let announced = Int(list.field16(2)) / 16
        guard 8 + announced * 16 <= Int(length) else { return .parameterListLengthError }
        guard announced <= Self.unmapDescriptorLimit else {
            return SCSIResult(
                sense: SenseData(
                    key: .illegalRequest, code: .invalidFieldInParameterList,
                    fieldPointer: .init(isInCDB: false, octet: 2)))
        }
        let ranges = (0..<announced).map { index in
            SCSICommand.BlockRange(
                first: list.field64(8 + index * 16), count: list.field32(8 + index * 16 + 8))
        }
        for range in ranges { try check(range) }
        try image.check()
        do {
            for range in ranges {
                try image.deallocate(
                    at: range.first * UInt64(blockSize), count: UInt64(range.count) * UInt64(blockSize))
            }
            return SCSIResult(status: .good)
        } catch {
            return SCSIResult(writeFailure: error, at: ranges.first?.first ?? 0)
        }
    }

    // MARK: Pages

    /// Block Limits (page B0h): 60 octets.
    func blockLimits(_ provisioning: ThinProvisioning?) -> [UInt8] {
        // WSNZ; no COMPARE AND WRITE.
        var content: [UInt8] = [0x01, 0x00]
        // The granularity that suits is the host's page.
        let granularity = UInt32(max(1, 4096 / blockSize))
        content.append(bigEndian: UInt16(granularity))
        content.append(bigEndian: UInt32(Self.transferLimit / blockSize))
        content.append(bigEndian: UInt32(Disk.maximumTransfer / blockSize))
        content.append(bigEndian: UInt32(0))
        content.append(bigEndian: provisioning == nil ? 0 : UInt32.max)
        content.append(bigEndian: provisioning == nil ? 0 : UInt32(Self.unmapDescriptorLimit))
        content.append(bigEndian: provisioning == nil ? 0 : granularity)
        content.append(bigEndian: UInt32(0))
        content.append(bigEndian: writeSameLimit)
        return content + [UInt8](repeating: 0, count: 60 - content.count)
    }

    /// Block Device Characteristics (page B1h): 60 octets that leave the rotation rate unsaid, as nobody knows what the image
    /// lies on.
    var blockDeviceCharacteristics: [UInt8] {
        [UInt8](repeating: 0, count: 60)
    }

    /// Logical Block Provisioning (page B2h): LBPU, LBPWS, LBPWS10 and LBPRZ, provisioned thinly.
    func logicalBlockProvisioning(_ provisioning: ThinProvisioning?) -> [UInt8] {
        provisioning == nil ? [0, 0, 0, 0] : [thresholdExponent, 0xE4, 0x02, 0]
    }

    /// THRESHOLD EXPONENT: resources are counted in sets of so many blocks, as a power of two: of the host's page, in which
    /// most file systems give space.
    var thresholdExponent: UInt8 {
        UInt8(max(1, 4096 / blockSize).trailingZeroBitCount)
    }
}

extension SCSIResult {
    /// PARAMETER LIST LENGTH ERROR.
    static let parameterListLengthError = SCSIResult(
        sense: SenseData(key: .illegalRequest, code: .parameterListLengthError))
}
