/// The commands of the emulated unit but for PERSISTENT RESERVE OUT, once nothing stands in their way.
extension EmulatedLogicalUnit {
    func perform(_ command: SCSICommand, state: UnitState, dataOut: [UInt8]) throws -> SCSIResult {
        switch command {
        case .testUnitReady:
            try image.check()
            return SCSIResult(status: .good)
        case .modeSense(let request, let length, let isTenOctets):
            return try modeSense(request, allocationLength: Int(length), isTenOctets: isTenOctets)
        case .readCapacity10:
            var octets: [UInt8] = []
            octets.append(bigEndian: UInt32(clamping: blockCount - 1))
            octets.append(bigEndian: UInt32(blockSize))
            return SCSIResult(status: .good, data: octets)
        case .readCapacity16(let length):
            var octets: [UInt8] = []
            octets.append(bigEndian: blockCount - 1)
            octets.append(bigEndian: UInt32(blockSize))
            // LBPME and LBPRZ.
            octets += [0, 0, state.thinProvisioning == nil ? 0 : 0xC0]
            octets += [UInt8](repeating: 0, count: 32 - octets.count)
            return SCSIResult(status: .good, data: Array(octets.prefix(Int(length))))
        case .read(let range, let form):
            return try read(range, form: form)
        case .write(let range, let form, let forceUnitAccess):
            return try write(
                range, form: form, data: dataOut, forceUnitAccess: forceUnitAccess,
                provisioning: state.thinProvisioning)
        case .writeSame(let range, let isSixteenOctets, let options):
            return try writeSame(
                range, options: options, data: dataOut, isSixteenOctets: isSixteenOctets,
                provisioning: state.thinProvisioning)
        case .unmap(let isAnchored, let length):
            return try unmap(
                isAnchored: isAnchored, list: dataOut, length: length, provisioning: state.thinProvisioning)
        case .logSense(let request, let length):
            return try logSense(
                request, allocationLength: Int(length), provisioning: state.thinProvisioning)
        case .synchronizeCache(let range, _):
            try check(range)
            return try synchronize(range)
        case .persistentReserveIn(let action, let length):
            return SCSIResult(status: .good, data: Array(state.reservations.data(for: action).prefix(Int(length))))
        case .reportSupportedOperationCodes(let query, let length):
            let octets = try SupportedCommands.parameterData(
                for: query, isThin: state.thinProvisioning != nil)
            return SCSIResult(status: .good, data: Array(octets.prefix(Int(length))))
        case .inquiry, .reportLUNs, .requestSense, .persistentReserveOut, .reserve6, .release6:
            // Executed before this point, as they have rules of their own.
            throw SCSICommandRefusal.invalidOperationCode
        }
    }

    // MARK: Blocks

    private func read(_ range: SCSICommand.BlockRange, form: SCSICommand.TransferForm) throws -> SCSIResult {
        let span = try span(of: range, form: form)
        try image.check()
        do {
            return SCSIResult(status: .good, data: try image.read(at: span.offset, count: span.count))
        } catch {
            return SCSIResult(
                sense: SenseData(key: .mediumError, code: .unrecoveredReadError, information: range.first))
        }
    }

    private func write(
        _ range: SCSICommand.BlockRange, form: SCSICommand.TransferForm, data: [UInt8], forceUnitAccess: Bool,
        provisioning: ThinProvisioning?
    ) throws -> SCSIResult {
        let span = try span(of: range, form: form)
        if isReadOnly { return SCSIResult(sense: SenseData(key: .dataProtect, code: .writeProtected)) }
        // Less data than the command announces never reaches the medium, not even in part.
        guard data.count == span.count else { throw form.countRefusal }
        try image.check()
        try checkSpace(provisioning, at: span.offset, count: span.count)
        do throws(FileError) {
            try image.write(data, at: span.offset)
            if forceUnitAccess { try image.synchronize() }
            return SCSIResult(status: .good)
        } catch {
            return SCSIResult(writeFailure: error, at: range.first)
        }
    }

    private func synchronize(_ range: SCSICommand.BlockRange) throws -> SCSIResult {
        try image.check()
        do {
            try image.synchronize()
            return SCSIResult(status: .good)
        } catch {
            return SCSIResult(writeFailure: error, at: range.first)
        }
    }

    func check(_ range: SCSICommand.BlockRange) throws {
        guard range.first <= blockCount, UInt64(range.count) <= blockCount - range.first else {
            throw AddressOutOfRange(block: min(range.first, blockCount))
        }
    }

    private func span(
        of range: SCSICommand.BlockRange, form: SCSICommand.TransferForm
    ) throws -> (offset: UInt64, count: Int) {
        try check(range)
        let count = Int(range.count) * blockSize
        guard count <= Self.transferLimit else { throw form.countRefusal }
        return (range.first * UInt64(blockSize), count)
    }

    // MARK: Identity

    /// The serial number of page 80h: the NAA identifier in hexadecimal.
    var serialNumber: String {
        String(identifier, radix: 16, uppercase: true)
    }

    func inquiry(page: UInt8?, allocationLength: Int) throws -> SCSIResult {
        let octets: [UInt8]
        switch page {
        case nil:
            octets =
                InquiryData(vendor: Self.vendor, product: "EMULATED DISK", revision: "0001", isMultiPort: true).octets
        case VitalProductData.supportedPages:
            octets = VitalProductData.page(
                VitalProductData.supportedPages,
                content: [
                    VitalProductData.supportedPages, VitalProductData.unitSerialNumber,
                    VitalProductData.deviceIdentification, VitalProductData.blockLimits,
                    VitalProductData.blockDeviceCharacteristics, VitalProductData.logicalBlockProvisioning,
                ])
        case VitalProductData.unitSerialNumber:
            octets = VitalProductData.page(VitalProductData.unitSerialNumber, content: Array(serialNumber.utf8))
        case VitalProductData.deviceIdentification:
            octets = VitalProductData.page(
                VitalProductData.deviceIdentification, content: designators.flatMap(\.octets))
        case VitalProductData.blockLimits:
            octets = VitalProductData.page(
                VitalProductData.blockLimits, content: blockLimits(try store.read { $0.thinProvisioning }))
        case VitalProductData.blockDeviceCharacteristics:
            octets = VitalProductData.page(
                VitalProductData.blockDeviceCharacteristics, content: blockDeviceCharacteristics)
        case VitalProductData.logicalBlockProvisioning:
            octets = VitalProductData.page(
                VitalProductData.logicalBlockProvisioning,
                content: logicalBlockProvisioning(try store.read { $0.thinProvisioning }))
        default:
            throw SCSICommandRefusal.invalidField(octet: 2)
        }
        return SCSIResult(status: .good, data: Array(octets.prefix(allocationLength)))
    }

    private static let vendor = "CLUSPREP"

    private var designators: [DeviceIdentifier] {
        var naa: [UInt8] = []
        naa.append(bigEndian: identifier)
        var port: [UInt8] = [0, 0]
        port.append(bigEndian: nexus.targetPort)
        // A SCSI name string ends with a null and is padded to a multiple of four (SPC-3 7.6.3.11).
        var name = Array("naa.\(serialNumber)".utf8) + [0]
        while !name.count.isMultiple(of: 4) { name.append(0) }
        return [
            DeviceIdentifier(codeSet: 1, association: .logicalUnit, kind: .naa, value: naa),
            DeviceIdentifier(codeSet: 3, association: .logicalUnit, kind: .scsiName, value: name),
            DeviceIdentifier(
                codeSet: 2, association: .logicalUnit, kind: .t10Vendor,
                value: padded(Self.vendor, 8) + Array(serialNumber.utf8)),
            DeviceIdentifier(
                codeSet: 1, association: .targetPort, kind: .relativeTargetPort, protocolIdentifier: 5, value: port),
        ]
    }

    func reportLUNs(selectReport: UInt8, allocationLength: UInt32) throws -> SCSIResult {
        // Less than the header and one LUN is an error, not a short answer (SPC-3 6.21).
        guard allocationLength >= 16 else { throw SCSICommandRefusal.invalidField(octet: 6) }
        let list: [UInt8]
        switch selectReport {
        case 0, 2: list = [UInt8](repeating: 0, count: 8)
        case 1: list = []
        default: throw SCSICommandRefusal.invalidField(octet: 2)
        }
        return SCSIResult(status: .good, data: [0, 0, 0, UInt8(list.count), 0, 0, 0, 0] + list)
    }

    // MARK: Mode pages

    private func modeSense(
        _ request: SCSICommand.ModePageRequest, allocationLength: Int, isTenOctets: Bool
    ) throws -> SCSIResult {
        guard request.control != 3 else {
            return SCSIResult(sense: SenseData(key: .illegalRequest, code: .savingParametersNotSupported))
        }
        guard request.subpage == 0 || request.subpage == 0xFF && request.page == 0x3F else {
            throw SCSICommandRefusal.invalidField(octet: 3)
        }
        // Nothing can be changed, so the mask of changeable values is all zero.
        let caching: [UInt8] = [0x08, 18, request.control == 1 ? 0 : 0x04] + [UInt8](repeating: 0, count: 17)
        let control: [UInt8] = [0x0A, 10] + [UInt8](repeating: 0, count: 10)
        let pages: [UInt8]
        switch request.page {
        case 0x08: pages = caching
        case 0x0A: pages = control
        case 0x3F: pages = caching + control
        default: throw SCSICommandRefusal.invalidField(octet: 2, bit: 5)
        }
        // The short block descriptor (SBC-2 6.3.2.2).
        var descriptor: [UInt8] = []
        if !request.disablesBlockDescriptors {
            descriptor.append(bigEndian: UInt32(clamping: blockCount))
            descriptor.append(0)
            descriptor += [UInt8(blockSize >> 16), UInt8(blockSize >> 8 & 0xFF), UInt8(blockSize & 0xFF)]
        }
        // WP, and DPOFUA because FUA is obeyed (SBC-2 6.3.1).
        let flags: UInt8 = (isReadOnly ? 0x80 : 0) | 0x10
        let body = descriptor + pages
        let octets: [UInt8]
        if isTenOctets {
            var header: [UInt8] = []
            header.append(bigEndian: UInt16(6 + body.count))
            header += [0, flags, 0, 0]
            header.append(bigEndian: UInt16(descriptor.count))
            octets = header + body
        } else {
            octets = [UInt8(3 + body.count), 0, flags, UInt8(descriptor.count)] + body
        }
        return SCSIResult(status: .good, data: Array(octets.prefix(allocationLength)))
    }
}

/// LOGICAL BLOCK ADDRESS OUT OF RANGE, with the first address beyond the medium.
struct AddressOutOfRange: Error {
    var block: UInt64
}

extension SCSICommand.TransferForm {
    /// The refusal of the TRANSFER LENGTH field.
    var countRefusal: SCSICommandRefusal {
        switch self {
        case .six: .invalidField(octet: 4)
        case .ten: .invalidField(octet: 7)
        case .twelve: .invalidField(octet: 6)
        case .sixteen: .invalidField(octet: 10)
        }
    }
}
