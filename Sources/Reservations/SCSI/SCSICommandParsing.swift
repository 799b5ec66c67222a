extension SCSICommand {
    /// Reads a command descriptor block the way a device server does.
    ///
    /// - Throws: the sense data the command ends with: INVALID COMMAND OPERATION CODE for a command that is not known here
    ///   or a block that is shorter than the command's, INVALID FIELD IN CDB with the place of the field otherwise.
    public init(cdb: [UInt8]) throws(SCSICommandRefusal) {
        guard let code = cdb.first, let length = Self.length(of: code), cdb.count >= length else {
            throw .invalidOperationCode
        }
        // NACA in the CONTROL octet, the last one, asks for an ACA that is not offered (SAM-3 5.2).
        if cdb[length - 1] & 0x04 != 0 { throw .invalidField(octet: UInt16(length - 1), bit: 2) }
        switch code {
        case OperationCode.testUnitReady:
            self = .testUnitReady
        case OperationCode.requestSense:
            self = .requestSense(descriptorFormat: cdb[1] & 1 == 1, allocationLength: cdb[4])
        case OperationCode.inquiry:
            try self.init(inquiry: cdb)
        case OperationCode.modeSense6, OperationCode.modeSense10:
            let request = ModePageRequest(
                page: cdb[2] & 0x3F, subpage: cdb[3], control: cdb[2] >> 6,
                disablesBlockDescriptors: cdb[1] & 0x08 != 0)
            let isTenOctets = code == OperationCode.modeSense10
            self = .modeSense(
                request, allocationLength: isTenOctets ? cdb.field16(7) : UInt16(cdb[4]), isTenOctets: isTenOctets)
        case OperationCode.readCapacity10:
            try self.init(readCapacity10: cdb)
        case OperationCode.serviceActionIn16:
            try self.init(serviceActionIn16: cdb)
        case OperationCode.read6, OperationCode.read10, OperationCode.read12, OperationCode.read16:
            let (range, form) = try Self.transfer(cdb, length: length)
            self = .read(range, form: form)
        case OperationCode.write6, OperationCode.write10, OperationCode.write12, OperationCode.write16:
            let (range, form) = try Self.transfer(cdb, length: length)
            self = .write(range, form: form, forceUnitAccess: form != .six && cdb[1] & 0x08 != 0)
        case OperationCode.synchronizeCache10:
            let range = BlockRange(first: cdb.field(2, octets: 4), count: UInt32(cdb.field16(7)))
            self = .synchronizeCache(range, isSixteenOctets: false)
        case OperationCode.synchronizeCache16:
            let range = BlockRange(first: cdb.field64(2), count: cdb.field32(10))
            self = .synchronizeCache(range, isSixteenOctets: true)
        case OperationCode.writeSame10, OperationCode.writeSame16:
            try self.init(writeSame: cdb)
        case OperationCode.unmap:
            self = .unmap(isAnchored: cdb[1] & 1 == 1, parameterListLength: cdb.field16(7))
        case OperationCode.logSense:
            try self.init(logSense: cdb)
        case OperationCode.reserve6, OperationCode.release6:
            // Third parties, extents and elements went with SPC-2.
            if cdb[1] & 0x1F != 0 { throw .invalidField(octet: 1, bit: 4) }
            self = code == OperationCode.reserve6 ? .reserve6 : .release6
        case OperationCode.persistentReserveIn:
            guard let action = ReserveInAction(rawValue: cdb[1] & 0x1F) else { throw .invalidField(octet: 1, bit: 4) }
            self = .persistentReserveIn(action, allocationLength: cdb.field16(7))
        case OperationCode.persistentReserveOut:
            guard let action = ReserveOutAction(rawValue: cdb[1] & 0x1F) else { throw .invalidField(octet: 1, bit: 4) }
            self = .persistentReserveOut(
                action, scope: cdb[2] >> 4, type: cdb[2] & 0x0F, parameterListLength: cdb.field32(5))
        case OperationCode.reportLUNs:
            self = .reportLUNs(selectReport: cdb[2], allocationLength: cdb.field32(6))
        case OperationCode.maintenanceIn:
            try self.init(maintenanceIn: cdb)
        default:
            throw .invalidOperationCode
        }
    }

    /// The octets of the descriptor blocks of a group (SPC-3 4.3.4.1); nil for the reserved and vendor-specific groups.
    private static func length(of operationCode: UInt8) -> Int? {
        switch operationCode >> 5 {
        case 0: 6
        case 1, 2: 10
        case 4: 16
        case 5: 12
        default: nil
        }
    }

    private init(inquiry cdb: [UInt8]) throws(SCSICommandRefusal) {
        let asksForPage = cdb[1] & 1 == 1
        // CMDDT is obsolete since SPC-3, and a page code without EVPD asks for nothing (SPC-3 6.4.1).
        if cdb[1] & 0x02 != 0 { throw .invalidField(octet: 1, bit: 1) }
        if !asksForPage, cdb[2] != 0 { throw .invalidField(octet: 2) }
        self = .inquiry(page: asksForPage ? cdb[2] : nil, allocationLength: cdb.field16(3))
    }

    private init(readCapacity10 cdb: [UInt8]) throws(SCSICommandRefusal) {
        // An address without PMI has to be zero, and PMI is not offered (SBC-2 5.10.1).
        if cdb[8] & 1 != 0 { throw .invalidField(octet: 8, bit: 0) }
        if cdb.field32(2) != 0 { throw .invalidField(octet: 2) }
        self = .readCapacity10
    }

    private init(serviceActionIn16 cdb: [UInt8]) throws(SCSICommandRefusal) {
        guard cdb[1] & 0x1F == OperationCode.readCapacity16Action else { throw .invalidField(octet: 1, bit: 4) }
        if cdb[14] & 1 != 0 { throw .invalidField(octet: 14, bit: 0) }
        if cdb.field64(2) != 0 { throw .invalidField(octet: 2) }
        self = .readCapacity16(allocationLength: cdb.field32(10))
    }

    private init(writeSame cdb: [UInt8]) throws(SCSICommandRefusal) {
        // WRPROTECT as for WRITE; PBDATA and LBDATA would write addresses into the blocks and are obsolete (SBC-3).
        if cdb[1] & 0xE0 != 0 { throw .invalidField(octet: 1, bit: 7) }
        if cdb[1] & 0x06 != 0 { throw .invalidField(octet: 1, bit: 2) }
        let isSixteenOctets = cdb[0] == OperationCode.writeSame16
        if !isSixteenOctets, cdb[1] & 0x01 != 0 { throw .invalidField(octet: 1, bit: 0) }
        let range =
            isSixteenOctets
            ? BlockRange(first: cdb.field64(2), count: cdb.field32(10))
            : BlockRange(first: cdb.field(2, octets: 4), count: UInt32(cdb.field16(7)))
        self = .writeSame(range, isSixteenOctets: isSixteenOctets, options: WriteSameOptions(rawValue: cdb[1]))
    }

    private init(logSense cdb: [UInt8]) throws(SCSICommandRefusal) {
        // PPC and SP: only changed parameters, and saving them, are not offered.
        if cdb[1] & 0x02 != 0 { throw .invalidField(octet: 1, bit: 1) }
        if cdb[1] & 0x01 != 0 { throw .invalidField(octet: 1, bit: 0) }
        let request = LogPageRequest(
            page: cdb[2] & 0x3F, subpage: cdb[3], control: cdb[2] >> 6, parameterPointer: cdb.field16(5))
        self = .logSense(request, allocationLength: cdb.field16(7))
    }

    private init(maintenanceIn cdb: [UInt8]) throws(SCSICommandRefusal) {
        guard cdb[1] & 0x1F == OperationCode.reportSupportedOperationCodesAction else {
            throw .invalidField(octet: 1, bit: 4)
        }
        let query: OperationCodeQuery
        switch cdb[2] & 0x07 {
        case 0: query = .all
        case 1: query = .one(cdb[3])
        case 2: query = .oneWithServiceAction(cdb[3], cdb.field16(4))
        default: throw .invalidField(octet: 2, bit: 2)
        }
        self = .reportSupportedOperationCodes(query, allocationLength: cdb.field32(6))
    }

    private static func transfer(
        _ cdb: [UInt8], length: Int
    ) throws(SCSICommandRefusal) -> (BlockRange, TransferForm) {
        // RDPROTECT and WRPROTECT ask for protection information, which the unit is not formatted with (SBC-2 5.6).
        if length != 6, cdb[1] & 0xE0 != 0 { throw .invalidField(octet: 1, bit: 7) }
        switch length {
        case 6:
            let count = cdb[4] == 0 ? 256 : UInt32(cdb[4])
            return (BlockRange(first: cdb.field(1, octets: 3) & 0x1F_FFFF, count: count), .six)
        case 10: return (BlockRange(first: cdb.field(2, octets: 4), count: UInt32(cdb.field16(7))), .ten)
        case 12: return (BlockRange(first: cdb.field(2, octets: 4), count: cdb.field32(6)), .twelve)
        default: return (BlockRange(first: cdb.field64(2), count: cdb.field32(10)), .sixteen)
        }
    }
}

/// Why a device server does not even begin with a command.
public enum SCSICommandRefusal: Error, Sendable, Equatable {
    /// The command is not supported.
    case invalidOperationCode
    /// A field of the descriptor block holds what is not supported, from this octet and bit on.
    case invalidField(octet: UInt16, bit: UInt8? = nil)

    /// The sense data of the refusal.
    public var sense: SenseData {
        switch self {
        case .invalidOperationCode:
            SenseData(key: .illegalRequest, code: .invalidOperationCode)
        case .invalidField(let octet, let bit):
            SenseData(
                key: .illegalRequest, code: .invalidFieldInCDB,
                fieldPointer: .init(isInCDB: true, octet: octet, bit: bit))
        }
    }
}
