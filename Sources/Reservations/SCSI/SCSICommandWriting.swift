/// Operation codes (SPC-3 annex D, SBC-2 5.1).
enum OperationCode {
    static let testUnitReady: UInt8 = 0x00
    static let requestSense: UInt8 = 0x03
    static let read6: UInt8 = 0x08
    static let write6: UInt8 = 0x0A
    static let inquiry: UInt8 = 0x12
    static let reserve6: UInt8 = 0x16
    static let release6: UInt8 = 0x17
    static let modeSense6: UInt8 = 0x1A
    static let readCapacity10: UInt8 = 0x25
    static let read10: UInt8 = 0x28
    static let write10: UInt8 = 0x2A
    static let synchronizeCache10: UInt8 = 0x35
    static let writeSame10: UInt8 = 0x41
    static let unmap: UInt8 = 0x42
    static let logSense: UInt8 = 0x4D
    static let modeSense10: UInt8 = 0x5A
    static let persistentReserveIn: UInt8 = 0x5E
    static let persistentReserveOut: UInt8 = 0x5F
    static let read16: UInt8 = 0x88
    static let write16: UInt8 = 0x8A
    static let synchronizeCache16: UInt8 = 0x91
    static let writeSame16: UInt8 = 0x93
    static let serviceActionIn16: UInt8 = 0x9E
    static let reportLUNs: UInt8 = 0xA0
    static let maintenanceIn: UInt8 = 0xA3
    static let read12: UInt8 = 0xA8
    static let write12: UInt8 = 0xAA

    /// READ CAPACITY (16) is a service action of 9Eh.
    static let readCapacity16Action: UInt8 = 0x10
    /// REPORT SUPPORTED OPERATION CODES is a service action of A3h.
    static let reportSupportedOperationCodesAction: UInt8 = 0x0C
}

extension SCSICommand {
    /// The command descriptor block. Fields wider than their place are cut, so callers choose a form that fits.
    public var cdb: [UInt8] {
        switch self {
        case .testUnitReady:
            return [UInt8](repeating: 0, count: 6)
        case .requestSense(let descriptorFormat, let length):
            return [OperationCode.requestSense, descriptorFormat ? 1 : 0, 0, 0, length, 0]
        case .inquiry(let page, let length):
            return [
                OperationCode.inquiry, page == nil ? 0 : 1, page ?? 0, UInt8(length >> 8), UInt8(length & 0xFF), 0,
            ]
        case .modeSense(let request, let length, let isTenOctets):
            let flags: UInt8 = request.disablesBlockDescriptors ? 0x08 : 0
            let page = request.control << 6 | request.page & 0x3F
            if isTenOctets {
                return [OperationCode.modeSense10, flags, page, request.subpage, 0, 0, 0]
                    + [UInt8(length >> 8), UInt8(length & 0xFF), 0]
            }
            return [OperationCode.modeSense6, flags, page, request.subpage, UInt8(truncatingIfNeeded: length), 0]
        case .readCapacity10:
            return [OperationCode.readCapacity10] + [UInt8](repeating: 0, count: 9)
        case .readCapacity16(let length):
            var cdb = [OperationCode.serviceActionIn16, OperationCode.readCapacity16Action]
            cdb += [UInt8](repeating: 0, count: 8)
            cdb.append(bigEndian: length)
            return cdb + [0, 0]
        case .read(let range, let form):
            return Self.transfer(
                range, form, (OperationCode.read6, OperationCode.read10, OperationCode.read12, OperationCode.read16))
        case .write(let range, let form, let forceUnitAccess):
            var cdb = Self.transfer(
                range, form, (OperationCode.write6, OperationCode.write10, OperationCode.write12, OperationCode.write16)
            )
            if forceUnitAccess, form != .six { cdb[1] |= 0x08 }
            return cdb
        case .synchronizeCache(let range, let isSixteenOctets):
            return isSixteenOctets
                ? Self.sixteen(OperationCode.synchronizeCache16, range)
                : Self.ten(OperationCode.synchronizeCache10, range)
        case .writeSame(let range, let isSixteenOctets, let options):
            var cdb =
                isSixteenOctets
                ? Self.sixteen(OperationCode.writeSame16, range) : Self.ten(OperationCode.writeSame10, range)
            cdb[1] = options.rawValue
            return cdb
        case .unmap(let isAnchored, let length):
            return [OperationCode.unmap, isAnchored ? 1 : 0, 0, 0, 0, 0, 0]
                + [UInt8(length >> 8), UInt8(length & 0xFF), 0]
        case .logSense(let request, let length):
            var cdb: [UInt8] = [OperationCode.logSense, 0, request.control << 6 | request.page & 0x3F]
            cdb += [request.subpage, 0]
            cdb.append(bigEndian: request.parameterPointer)
            cdb.append(bigEndian: length)
            return cdb + [0]
        case .reserve6:
            return [OperationCode.reserve6, 0, 0, 0, 0, 0]
        case .release6:
            return [OperationCode.release6, 0, 0, 0, 0, 0]
        case .persistentReserveIn(let action, let length):
            var cdb: [UInt8] = [OperationCode.persistentReserveIn, action.rawValue, 0, 0, 0, 0, 0]
            cdb.append(bigEndian: length)
            return cdb + [0]
        case .persistentReserveOut(let action, let scope, let type, let length):
            var cdb: [UInt8] = [OperationCode.persistentReserveOut, action.rawValue, scope << 4 | type & 0x0F, 0, 0]
            cdb.append(bigEndian: length)
            return cdb + [0]
        case .reportLUNs(let selectReport, let length):
            var cdb: [UInt8] = [OperationCode.reportLUNs, 0, selectReport, 0, 0, 0]
            cdb.append(bigEndian: length)
            return cdb + [0, 0]
        case .reportSupportedOperationCodes(let query, let length):
            var cdb: [UInt8] = [OperationCode.maintenanceIn, OperationCode.reportSupportedOperationCodesAction]
            switch query {
            case .all: cdb += [0, 0, 0, 0]
            case .one(let code): cdb += [1, code, 0, 0]
            case .oneWithServiceAction(let code, let action):
                cdb += [2, code, UInt8(action >> 8), UInt8(action & 0xFF)]
            }
            cdb.append(bigEndian: length)
            return cdb + [0, 0]
        }
    }

    private static func transfer(
        _ range: BlockRange, _ form: TransferForm, _ codes: (six: UInt8, ten: UInt8, twelve: UInt8, sixteen: UInt8)
    ) -> [UInt8] {
        switch form {
        case .six:
            let address = range.first & 0x1F_FFFF
            return [
                codes.six, UInt8(address >> 16), UInt8(address >> 8 & 0xFF), UInt8(address & 0xFF),
                UInt8(truncatingIfNeeded: range.count), 0,
            ]
        case .ten:
            return ten(codes.ten, range)
        case .twelve:
            var cdb: [UInt8] = [codes.twelve, 0]
            cdb.append(bigEndian: UInt32(truncatingIfNeeded: range.first))
            cdb.append(bigEndian: range.count)
            return cdb + [0, 0]
        case .sixteen:
            return sixteen(codes.sixteen, range)
        }
    }

    private static func ten(_ code: UInt8, _ range: BlockRange) -> [UInt8] {
        var cdb: [UInt8] = [code, 0]
        cdb.append(bigEndian: UInt32(truncatingIfNeeded: range.first))
        cdb.append(0)
        cdb.append(bigEndian: UInt16(truncatingIfNeeded: range.count))
        return cdb + [0]
    }

    private static func sixteen(_ code: UInt8, _ range: BlockRange) -> [UInt8] {
        var cdb: [UInt8] = [code, 0]
        cdb.append(bigEndian: range.first)
        cdb.append(bigEndian: range.count)
        return cdb + [0, 0]
    }
}
