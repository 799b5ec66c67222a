/// A disk that does not speak SCSI, spoken to in SCSI.
///
/// It knows the commands this project sends, and answers to all others what a SCSI device answers to commands it does not know.
/// There are no unit attentions: nothing tells them.
struct TranslatedTransport: SCSITransport {
    let name: String
    let attachment: DiskAttachment
    let unit: any TranslatedUnit

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        do {
            let octets = try perform(try SCSICommand(cdb: cdb), dataOut: dataOut)
            return SCSIResult(status: .good, data: Array(octets.prefix(max(0, dataInLength))))
        } catch let failure as TranslatedFailure {
            return failure.result
        } catch let refusal as SCSICommandRefusal {
            return SCSIResult(sense: refusal.sense)
        } catch let refusal as ReserveOutRefusal {
            switch refusal {
            case .conflict: return SCSIResult(status: .reservationConflict)
            case .sense(let sense): return SCSIResult(sense: sense)
            }
        }
    }

    private func perform(_ command: SCSICommand, dataOut: [UInt8]) throws -> [UInt8] {
        switch command {
        case .testUnitReady:
            _ = try unit.capacity()
            return []
        case .requestSense(let descriptorFormat, let length):
            let sense = SenseData(key: .noSense, code: .none)
            let octets = descriptorFormat ? sense.descriptorFormat : sense.fixedFormat
            return Array(octets.prefix(Int(length)))
        case .inquiry(let page, let length):
            return Array(try inquiry(page).prefix(Int(length)))
        case .modeSense(let request, let length, let isTenOctets):
            return Array(try modeSense(request, isTenOctets: isTenOctets).prefix(Int(length)))
        case .readCapacity10:
            let capacity = try unit.capacity()
            var octets: [UInt8] = []
            octets.append(bigEndian: UInt32(clamping: capacity.blockCount - 1))
            octets.append(bigEndian: UInt32(capacity.blockSize))
            return octets
        case .readCapacity16(let length):
            let capacity = try unit.capacity()
            var octets: [UInt8] = []
            octets.append(bigEndian: capacity.blockCount - 1)
            octets.append(bigEndian: UInt32(capacity.blockSize))
            octets += [UInt8](repeating: 0, count: 32 - octets.count)
            return Array(octets.prefix(Int(clamping: length)))
        case .read(let range, let form):
            let span = try span(of: range, form: form)
            return range.count == 0 ? [] : try unit.read(range, octets: span)
        case .write(let range, let form, let forceUnitAccess):
            let span = try span(of: range, form: form)
            guard dataOut.count == span else { throw form.countRefusal }
            if range.count > 0 { try unit.write(range, dataOut, forceUnitAccess: forceUnitAccess) }
            return []
        case .synchronizeCache(let range, _):
            _ = try check(range)
            try unit.flush()
            return []
        case .reportLUNs(let selectReport, let length):
            guard length >= 16 else { throw SCSICommandRefusal.invalidField(octet: 6) }
            guard selectReport <= 2 else { throw SCSICommandRefusal.invalidField(octet: 2) }
            let list = [UInt8](repeating: 0, count: selectReport == 1 ? 0 : 8)
            return Array(([0, 0, 0, UInt8(list.count), 0, 0, 0, 0] + list).prefix(Int(clamping: length)))
        case .persistentReserveIn(let action, let length):
            return Array(try unit.reserveIn(action).prefix(Int(length)))
        case .persistentReserveOut(let action, let scope, let type, let length):
            guard let reserveOut = unit.reserveOut else { throw SCSICommandRefusal.invalidOperationCode }
            let parameters = try ReserveOutParameters(dataOut, length: length)
            guard scope == 0 else { throw ReserveOutRefusal.invalidScope }
            try reserveOut(action, type, parameters)
            return []
        default:
            throw SCSICommandRefusal.invalidOperationCode
        }
    }

    // MARK: Blocks

    private func check(_ range: SCSICommand.BlockRange) throws -> Disk.Capacity {
        let capacity = try unit.capacity()
        guard range.first <= capacity.blockCount, UInt64(range.count) <= capacity.blockCount - range.first else {
            throw TranslatedFailure(
                SenseData(
                    key: .illegalRequest, code: .blockAddressOutOfRange,
                    information: max(range.first, capacity.blockCount)))
        }
        return capacity
    }

    private func span(of range: SCSICommand.BlockRange, form: SCSICommand.TransferForm) throws -> Int {
        let octets = Int(range.count) * (try check(range)).blockSize
        guard octets <= EmulatedLogicalUnit.transferLimit else { throw form.countRefusal }
        return octets
    }

    // MARK: Identity

    private func inquiry(_ page: UInt8?) throws -> [UInt8] {
        let identity = unit.identity
        let serial = Array(identity.serial.utf8.prefix(252))
        let designators = identity.designators.flatMap(\.octets)
        guard let page else {
            return InquiryData(
                isRemovable: identity.isRemovable, vendor: identity.vendor, product: identity.product,
                revision: identity.revision
            ).octets
        }
        switch page {
        case VitalProductData.supportedPages:
            var pages = [VitalProductData.supportedPages]
            if !serial.isEmpty { pages.append(VitalProductData.unitSerialNumber) }
            if !designators.isEmpty { pages.append(VitalProductData.deviceIdentification) }
            return VitalProductData.page(page, content: pages)
        case VitalProductData.unitSerialNumber where !serial.isEmpty:
            return VitalProductData.page(page, content: serial)
        case VitalProductData.deviceIdentification where !designators.isEmpty:
            return VitalProductData.page(page, content: designators)
        default:
            throw SCSICommandRefusal.invalidField(octet: 2)
        }
    }

    /// The header alone: it says whether the medium is write protected, and there are no pages.
    private func modeSense(_ request: SCSICommand.ModePageRequest, isTenOctets: Bool) throws -> [UInt8] {
        guard request.page == 0x3F, [0, 0xFF].contains(request.subpage) else {
            throw SCSICommandRefusal.invalidField(octet: 2, bit: 5)
        }
        let flags: UInt8 = (try unit.isWriteProtected() ? 0x80 : 0) | 0x10
        return isTenOctets ? [0, 6, 0, flags, 0, 0, 0, 0] : [3, 0, flags, 0]
    }
}

/// What a disk does for the SCSI commands it is spoken to in.
protocol TranslatedUnit: Sendable {
    /// Who it is.
    var identity: UnitIdentity { get }
    /// Its size; throws where it is not ready.
    func capacity() throws -> Disk.Capacity
    /// Whether writes are refused.
    func isWriteProtected() throws -> Bool
    /// Reads blocks that are there.
    func read(_ range: SCSICommand.BlockRange, octets: Int) throws -> [UInt8]
    /// Writes blocks that are there.
    func write(_ range: SCSICommand.BlockRange, _ data: [UInt8], forceUnitAccess: Bool) throws
    /// Brings what was written onto stable storage.
    func flush() throws
    /// The data of PERSISTENT RESERVE IN.
    func reserveIn(_ action: SCSICommand.ReserveInAction) throws -> [UInt8]
    /// PERSISTENT RESERVE OUT with the raw type; nil for a disk that has no reservations.
    var reserveOut: ((SCSICommand.ReserveOutAction, UInt8, ReserveOutParameters) throws -> Void)? { get }
}

extension TranslatedUnit {
    /// No reservations.
    func reserveIn(_ action: SCSICommand.ReserveInAction) throws -> [UInt8] {
        throw SCSICommandRefusal.invalidOperationCode
    }

    /// No reservations.
    var reserveOut: ((SCSICommand.ReserveOutAction, UInt8, ReserveOutParameters) throws -> Void)? { nil }
}

/// Who a disk is, in the words of INQUIRY.
struct UnitIdentity: Sendable, Equatable {
    var vendor: String
    var product: String
    var revision: String
    var isRemovable = false
    /// Page 80h; the disk has none where it is empty.
    var serial: String
    /// Page 83h; the disk has none where there are none.
    var designators: [DeviceIdentifier]
}

/// A command that ends with a status of its own.
struct TranslatedFailure: Error {
    var result: SCSIResult

    init(_ sense: SenseData) {
        result = SCSIResult(sense: sense)
    }

    init(_ status: SCSIStatus) {
        result = SCSIResult(status: status)
    }
}
