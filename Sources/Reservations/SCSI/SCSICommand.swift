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
    /// WRITE SAME (SBC-3) in its 10- or 16-octet form: one block of data over all of the range.
    case writeSame(BlockRange, isSixteenOctets: Bool, options: WriteSameOptions)
    /// UNMAP (SBC-3): the ranges are in the parameter list.
    case unmap(isAnchored: Bool, parameterListLength: UInt16)
    /// LOG SENSE (SPC-3 6.6).
    case logSense(LogPageRequest, allocationLength: UInt16)
    /// RESERVE (6) of SPC-2, without third parties and extents.
    case reserve6
    /// RELEASE (6) of SPC-2.
    case release6
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

    /// Which log page is asked for (SPC-3 6.6).
    public struct LogPageRequest: Sendable, Hashable {
        /// PAGE CODE; zero asks for the list of pages.
        public var page: UInt8
        /// The octet after it: reserved in SPC-3, SUBPAGE CODE since SPC-4.
        public var subpage: UInt8
        /// PC: threshold (0), cumulative (1) or default (2, 3) values.
        public var control: UInt8
        /// PARAMETER POINTER: the first parameter wanted.
        public var parameterPointer: UInt16

        /// A request of these parts.
        public init(page: UInt8, subpage: UInt8 = 0, control: UInt8 = 1, parameterPointer: UInt16 = 0) {
            self.page = page
            self.subpage = subpage
            self.control = control
            self.parameterPointer = parameterPointer
        }
    }

    /// What WRITE SAME is to do besides writing (SBC-3).
    public struct WriteSameOptions: OptionSet, Sendable, Hashable {
        /// The bits as they stand in octet 1 of the descriptor block.
        public var rawValue: UInt8

        /// Any bits.
        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// NDOB (16-octet form only): no data comes, the block is all zero.
        public static let noData = WriteSameOptions(rawValue: 0x01)
        /// UNMAP: blocks may be deallocated where they would read the same.
        public static let unmap = WriteSameOptions(rawValue: 0x08)
        /// ANCHOR: blocks are to stay provisioned for.
        public static let anchor = WriteSameOptions(rawValue: 0x10)
    }

    /// The service actions of PERSISTENT RESERVE IN (SPC-3 6.11.1).
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

    /// The service actions of PERSISTENT RESERVE OUT (SPC-3 6.12.2).
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
        /// REGISTER AND MOVE.
        case registerAndMove = 7

        /// Whether it can make its sender the holder of the reservation.
        var canTakeReservation: Bool {
            switch self {
            case .reserve, .preempt, .preemptAndAbort: true
            case .register, .release, .clear, .registerAndIgnoreExistingKey, .registerAndMove: false
            }
        }
    }

    /// Which operation codes are asked about (SPC-3 6.23).
    public enum OperationCodeQuery: Sendable, Hashable {
        /// Every command.
        case all
        /// One command without service actions.
        case one(UInt8)
        /// One command with its service action.
        case oneWithServiceAction(UInt8, UInt16)
    }
}
