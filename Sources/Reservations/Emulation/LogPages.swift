import Glibc

/// LOG SENSE (SPC-3 6.6, 7.2): the pages clients ask disks for.
extension EmulatedLogicalUnit {
    private static let logicalBlockProvisioningPage: UInt8 = 0x0C
    private static let informationalExceptionsPage: UInt8 = 0x2F

    func logSense(
        _ request: SCSICommand.LogPageRequest, allocationLength: Int, provisioning: ThinProvisioning?
    ) throws -> SCSIResult {
        guard request.subpage == 0 else { throw SCSICommandRefusal.invalidField(octet: 3) }
        let content: [UInt8]
        switch request.page {
        case 0x00:
            content =
                [0x00] + (provisioning == nil ? [] : [Self.logicalBlockProvisioningPage])
                + [Self.informationalExceptionsPage]
        case Self.logicalBlockProvisioningPage where provisioning != nil:
            content = try resourceCounts(provisioning, from: request.parameterPointer)
        case Self.informationalExceptionsPage:
            // Parameter 0 (7.2.5): kept by the unit, in binary; no exception to report, temperature not known.
            content = [0x00, 0x00, 0x03, 0x04, 0x00, 0x00, 0xFF, 0x00]
            if request.parameterPointer > 0 { throw SCSICommandRefusal.invalidField(octet: 5) }
        default:
            throw SCSICommandRefusal.invalidField(octet: 2, bit: 5)
        }
        var octets: [UInt8] = [request.page, 0]
        octets.append(bigEndian: UInt16(content.count))
        return SCSIResult(status: .good, data: Array((octets + content).prefix(allocationLength)))
    }

    /// The Logical Block Provisioning log page of SBC-3: what is left (parameter 1) and what is used (parameter 2), in
    /// threshold sets. What is left is shared with other units where only the file system is the limit.
    private func resourceCounts(_ provisioning: ThinProvisioning?, from pointer: UInt16) throws -> [UInt8] {
        let used = try image.allocatedOctets()
        let left: UInt64
        if let ceiling = provisioning?.ceiling {
            left = ceiling > used ? ceiling - used : 0
        } else {
            left = try image.freeOctetsOfHost()
        }
        let set = UInt64(blockSize) << UInt64(thresholdExponent)
        let isShared = provisioning?.ceiling == nil
        var content: [UInt8] = []
        for (code, count, scope) in [(1, left / set, isShared ? 2 : 1), (2, (used + set - 1) / set, 1)]
        where UInt16(code) >= pointer {
            content.append(bigEndian: UInt16(code))
            content += [0x03, 8]
            content.append(bigEndian: UInt32(clamping: count))
            content += [UInt8(scope), 0, 0, 0]
        }
        if content.isEmpty { throw SCSICommandRefusal.invalidField(octet: 5) }
        return content
    }
}

extension ImageFile {
    /// The octets that users of the image's file system may still take.
    func freeOctetsOfHost() throws(FileError) -> UInt64 {
        var status = statvfs()
        guard fstatvfs(file.descriptor, &status) == 0 else { throw FileError("fstatvfs", path) }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }
}
