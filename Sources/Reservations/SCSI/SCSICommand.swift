/// The commands this module sends and the emulated logical unit knows, as values. `cdb` writes one, `init(cdb:)` reads one.
public enum SCSICommand: Sendable, Hashable {
    /// TEST UNIT READY (SPC-3 6.33).
    case testUnitReady
    /// REQUEST SENSE (SPC-3 6.27); `descriptorFormat` is the DESC bit.
    case requestSense(descriptorFormat: Bool, allocationLength: UInt8)
    /// INQUIRY (SPC-3 6.4): standard data where the page is nil, else that vital product data page.
    case inquiry(page: UInt8?, allocationLength: UInt16)
    /// MODE SENSE (SPC-3 6.9, 6.10) in its 6- or 10-octet form.
    case modeSense(ModePageRequest, allocationLength: UInt16, isTenOctets: Bool)
    /// READ CAPACITY (10) (SBC-2 5.10).
    case readCapacity10
    /// READ CAPACITY (16) (SBC-2 5.11).
    case readCapacity16(allocationLength: UInt32)
    /// READ (SBC-2 5.5 to 5.9) in its 6-, 10-, 12- or 16-octet form.
    case read(BlockRange, form: TransferForm)
    /// WRITE (SBC-2 5.25 to 5.29); `forceUnitAccess` asks for stable storage before the status.
    case write(BlockRange, form: TransferForm, forceUnitAccess: Bool)
    /// SYNCHRONIZE CACHE (SBC-2 5.18, 5.19) in its 10- or 16-octet form; a count of zero means to the end.
    case synchronizeCache(BlockRange, isSixteenOctets: Bool)
    /// PERSISTENT RESERVE IN (SPC-3 6.11).
    case persistentReserveIn(ReserveInAction, allocationLength: UInt16)
    /// PERSISTENT RESERVE OUT (SPC-3 6.12). Scope and type are raw, as the rules for them depend on the action.
    case persistentReserveOut(ReserveOutAction, scope: UInt8, type: UInt8, parameterListLength: UInt32)
    /// REPORT LUNS (SPC-3 6.21).
    case reportLUNs(selectReport: UInt8, allocationLength: UInt32)
    /// REPORT SUPPORTED OPERATION CODES (SPC-3 6.23).
    case reportSupportedOperationCodes(OperationCodeQuery, allocationLength: UInt32)

    /// Blocks that a command transfers.
    public struct BlockRange: Sendable, Hashable {
        /// The first logical block address.
        public var first: UInt64
        /// The number of blocks.
        public var count: UInt32

        /// A range from here on.
        public init(first: UInt64, count: UInt32) {
            self.first = first
            self.count = count
        }
    }

    /// The length of a READ's or WRITE's descriptor block.
    public enum TransferForm: UInt8, Sendable, Hashable, CaseIterable {
        /// 21 bits of address; a count of zero means 256 blocks.
        case six = 6
        /// 32 bits of address, 16 of count.
        case ten = 10
        /// 32 bits of address, 32 of count.
        case twelve = 12
        /// 64 bits of address, 32 of count.
        case sixteen = 16
    }

    /// Which mode page is asked for (SPC-3 6.9.1).
    public struct ModePageRequest: Sendable, Hashable {
        /// PAGE CODE; 3Fh asks for all.
        public var page: UInt8
        /// SUBPAGE CODE; FFh asks for all.
        public var subpage: UInt8
        /// PC: current (0), changeable (1), default (2) or saved (3) values.
        public var control: UInt8
        /// DBD: leave the block descriptors out.
        public var disablesBlockDescriptors: Bool

        /// A request of these parts.
        public init(page: UInt8, subpage: UInt8 = 0, control: UInt8 = 0, disablesBlockDescriptors: Bool = false) {
            self.page = page
            self.subpage = subpage
            self.control = control
            self.disablesBlockDescriptors = disablesBlockDescriptors
        }
    }

    /// The service actions of PERSISTENT RESERVE IN (SPC-3 table 102).
    public enum ReserveInAction: UInt8, Sendable, Hashable, CaseIterable {
        /// READ KEYS.
        case readKeys = 0
        /// READ RESERVATION.
        case readReservation = 1
        /// REPORT CAPABILITIES.
        case reportCapabilities = 2
        /// READ FULL STATUS.
        case readFullStatus = 3
    }

    /// The service actions of PERSISTENT RESERVE OUT (SPC-3 table 114). REGISTER AND MOVE is not among them: no
    /// cluster needs it, and a unit that does not offer it says so with INVALID FIELD IN CDB.
    public enum ReserveOutAction: UInt8, Sendable, Hashable, CaseIterable {
        /// REGISTER.
        case register = 0
        /// RESERVE.
        case reserve = 1
        /// RELEASE.
        case release = 2
        /// CLEAR.
        case clear = 3
        /// PREEMPT.
        case preempt = 4
        /// PREEMPT AND ABORT.
        case preemptAndAbort = 5
        /// REGISTER AND IGNORE EXISTING KEY.
        case registerAndIgnoreExistingKey = 6

        /// Whether it can make its sender the holder of the reservation.
        var canTakeReservation: Bool {
            switch self {
            case .reserve, .preempt, .preemptAndAbort: true
            case .register, .release, .clear, .registerAndIgnoreExistingKey: false
            }
        }
    }

    /// Which operation codes are asked about (SPC-3 table 175).
    public enum OperationCodeQuery: Sendable, Hashable {
        /// Every command.
        case all
        /// One command without service actions.
        case one(UInt8)
        /// One command with its service action.
        case oneWithServiceAction(UInt8, UInt16)
    }
}

/// Operation codes (SPC-3 annex D, SBC-2 5.1).
enum OperationCode {
    static let testUnitReady: UInt8 = 0x00
    static let requestSense: UInt8 = 0x03
    static let read6: UInt8 = 0x08
    static let write6: UInt8 = 0x0A
    static let inquiry: UInt8 = 0x12
    static let modeSense6: UInt8 = 0x1A
    static let readCapacity10: UInt8 = 0x25
    static let read10: UInt8 = 0x28
    static let write10: UInt8 = 0x2A
    static let synchronizeCache10: UInt8 = 0x35
    static let modeSense10: UInt8 = 0x5A
    static let persistentReserveIn: UInt8 = 0x5E
    static let persistentReserveOut: UInt8 = 0x5F
    static let read16: UInt8 = 0x88
    static let write16: UInt8 = 0x8A
    static let synchronizeCache16: UInt8 = 0x91
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
