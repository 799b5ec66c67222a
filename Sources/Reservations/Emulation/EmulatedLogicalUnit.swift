import Glibc
import Synchronization

/// A disk made of an image file, behaving as a direct-access block device of SPC-3 and SBC-2 with persistent reservations.
///
/// One value is one I_T nexus: an initiator port that reaches the unit through one of its two target ports. Several values,
/// in this process or in others on this host, share the unit and see each other's reservations; the path may differ by
/// symbolic links, but not by hard links.
///
/// **What is kept.** `IMAGE.reservations`, beside the image, holds the unit's identity (made once, at random, so that a
/// copy of the image *without* that file is another disk, and a copy *with* it is a clone with the same identity), its
/// reservations and what it has yet to tell its initiators (``ReservationStore``). A command that ends with GOOD has its
/// change of the state on stable storage; written *blocks* are on stable storage after SYNCHRONIZE CACHE or with FUA.
///
/// **Power loss.** A unit that several processes share has no power switch of its own. It loses power when the host does:
/// when the kernel's boot identifier differs from the one the state was written under. Ending or killing processes, all of
/// them included, is loss of I_T nexuses, which SPC-3 5.6.1 keeps registrations and reservations through. After a power
/// loss the unit has what APTPL preserved, and PRgeneration zero.
///
/// **Unit attentions.** Each value starts with POWER ON, RESET, OR BUS DEVICE RESET OCCURRED, as a new session does. Those
/// about reservations are kept with the state and reach their nexus whichever process it lives in.
///
/// **Atomicity.** The check for a conflict and the transfer of data are one step with respect to every change of the
/// reservations: when PREEMPT has returned GOOD, no write of the preempted nexus is under way or to come.
///
/// **Thin provisioning.** An image that is sparse when it becomes a disk is a thin-provisioned unit: UNMAP and WRITE SAME give
/// space back to the host, and a write ends with SPACE ALLOCATION FAILED WRITE PROTECT where the host's file system is full or
/// a ceiling (``limitSpace(to:)``) is reached. Any other image is fully provisioned and keeps its space.
///
/// Each call blocks until the command has ended; any number may run at the same time.
public final class EmulatedLogicalUnit: SCSITransport {
    /// The relative identifiers of the device's target ports.
    public static let targetPorts: ClosedRange<UInt16> = 1...2

    /// The most octets one READ or WRITE may move.
    public static let transferLimit = 64 << 20

    /// The image's path with symbolic links followed.
    public var name: String { image.path }

    /// What Windows calls a file-backed virtual disk.
    public var attachment: DiskAttachment {
        DiskAttachment(bus: .fileBackedVirtual, adapter: "ClusPrep emulated SCSI target")
    }
    /// The state file's path.
    public var statePath: String { store.path }
    /// The unit's NAA identifier.
    public let identifier: UInt64
    /// The octets of a logical block.
    public let blockSize: Int
    /// The number of logical blocks.
    public let blockCount: UInt64
    /// Whether the image must not be written.
    public var isReadOnly: Bool { image.isReadOnly }

    /// What keeps this nexus' RESERVE (6) alive: it ends with the value, and with the process.
    let legacySession = Mutex<OpenFile?>(nil)
    let nexus: Nexus
    let image: ImageFile
    let store: ReservationStore
    private let greeting = Mutex(true)

    /// Opens an image as a disk, making its state file where it has none yet.
    ///
    /// - Parameters:
    ///   - path: the image: a raw image in a regular file.
    ///   - initiator: who sends the commands; the same node has to be the same initiator each time.
    ///   - targetPort: the target port the commands come through.
    ///   - blockSize: the octets of a logical block, 512 unless told; nil takes what the disk was made with.
    /// - Throws: ``EmulatedUnitError``.
    public convenience init(
        image path: String, initiator: InitiatorIdentity, targetPort: UInt16 = 1, blockSize: Int? = nil
    ) throws {
        try self.init(
            image: path, initiator: initiator, targetPort: targetPort, blockSize: blockSize,
            bootIdentifier: try Self.bootIdentifier())
    }

    init(
        image path: String, initiator: InitiatorIdentity, targetPort: UInt16, blockSize: Int?, bootIdentifier: String
    ) throws(EmulatedUnitError) {
        guard Self.targetPorts.contains(targetPort) else { throw .invalidTargetPort(targetPort) }
        let image = try ImageFile(path: path)
        let store = try ReservationStore(
            path: image.path + ".reservations", bootIdentifier: bootIdentifier
        ) { () throws(EmulatedUnitError) in
            try Self.adopt(image, blockSize: blockSize ?? 512, bootIdentifier: bootIdentifier)
        }
        let state: UnitState
        do {
            state = try store.read { $0 }
        } catch let error as EmulatedUnitError {
            throw error
        } catch {
            throw .stateUnavailable(error as? FileError ?? FileError("read", store.path, 0))
        }
        if let blockSize, blockSize != state.blockSize {
            throw .blockSizeChanged(path: image.path, recorded: state.blockSize, requested: blockSize)
        }
        guard image.length == state.imageLength else {
            throw .imageResized(path: image.path, recorded: state.imageLength, actual: image.length)
        }
        nexus = Nexus(initiator: initiator, targetPort: targetPort)
        self.image = image
        self.store = store
        identifier = state.identifier
        self.blockSize = state.blockSize
        blockCount = image.length / UInt64(state.blockSize)
    }

    /// The first state of an image that becomes a disk.
    private static func adopt(
        _ image: ImageFile, blockSize: Int, bootIdentifier: String
    ) throws(EmulatedUnitError) -> UnitState {
        guard (512...65536).contains(blockSize), blockSize.nonzeroBitCount == 1 else {
            throw .invalidBlockSize(blockSize)
        }
        guard image.length > 0, image.length.isMultiple(of: UInt64(blockSize)) else {
            throw .truncatedImage(path: image.path, octets: image.length, blockSize: blockSize)
        }
        let format: String?
        do {
            format = try image.foreignFormat()
        } catch {
            throw .imageUnreadable(error)
        }
        if let format { throw .foreignImage(path: image.path, format: format) }
        let isSparse: Bool
        do {
            isSparse = try image.allocatedOctets() < image.length
        } catch {
            throw .imageUnreadable(error)
        }
        return UnitState(
            imageLength: image.length, blockSize: blockSize, bootIdentifier: bootIdentifier,
            thinProvisioning: isSparse ? ThinProvisioning() : nil)
    }

    private static func bootIdentifier() throws(EmulatedUnitError) -> String {
        do {
            let octets = try OpenFile("/proc/sys/kernel/random/boot_id", flags: 0).read(at: 0, count: 64)
            return paddedText(octets.prefix { $0 > 0x20 })
        } catch {
            throw .stateUnavailable(error)
        }
    }

    /// Executes one command; see ``SCSITransport``. Never throws: what goes wrong has a status.
    public func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) -> SCSIResult {
        var result: SCSIResult
        do {
            result = try perform(cdb: cdb, dataOut: dataOut)
        } catch {
            result = SCSIResult(failure: error)
        }
        if result.data.count > dataInLength { result.data.removeLast(result.data.count - max(0, dataInLength)) }
        return result
    }

    private func perform(cdb: [UInt8], dataOut: [UInt8]) throws -> SCSIResult {
        let parsed = Result { () throws(SCSICommandRefusal) in try SCSICommand(cdb: cdb) }
        if case .success(let command) = parsed {
            // These answer in every state and leave unit attentions as they are, or tell them in their data (SPC-3 6.4.1,
            // 6.21, 6.27; SAM-3 5.9.7).
            switch command {
            case .inquiry(let page, let length):
                return try inquiry(page: page, allocationLength: Int(length))
            case .reportLUNs(let selectReport, let length):
                return try reportLUNs(selectReport: selectReport, allocationLength: length)
            case .requestSense(let descriptorFormat, let length):
                return try requestSense(descriptorFormat: descriptorFormat, allocationLength: Int(length))
            default: break
            }
        }
        if greeting.withLock({ pending in
            defer { pending = false }; return pending
        }) {
            return SCSIResult(sense: SenseData(key: .unitAttention, code: .powerOnOrReset))
        }
        switch parsed {
        case .success(.persistentReserveOut(let action, let scope, let type, let length)):
            return try reserveOut(action, scope: scope, type: type, list: dataOut, length: length)
        case .success(.reserve6):
            return try reserve6()
        case .success(.release6):
            return try release6()
        case .success(let command):
            return try attending { state in
                if try isForbidden(command, by: state.legacyReservation) {
                    return SCSIResult(status: .reservationConflict)
                }
                guard state.reservations.allows(command.access, from: nexus) else {
                    return SCSIResult(status: .reservationConflict)
                }
                return try perform(command, state: state, dataOut: dataOut)
            }
        case .failure(let refusal):
            return try attending { _ in SCSIResult(sense: refusal.sense) }
        }
    }

    /// Runs a command while the reservations stay as they are, unless a unit attention has to be told first.
    private func attending(_ body: (UnitState) throws -> SCSIResult) throws -> SCSIResult {
        let result: SCSIResult? = try store.read { state in
            state.reservations.attentions.contains { $0.nexus == nexus } ? nil : try body(state)
        }
        if let result { return result }
        if let attention = try takeAttention() { return SCSIResult(sense: attention) }
        // Another command of this nexus was told in the meantime.
        return try attending(body)
    }

    private func takeAttention() throws -> SenseData? {
        try store.update { $0.reservations.takeAttention(of: nexus) }.map { SenseData(key: .unitAttention, code: $0) }
    }

    /// Runs a command that changes the state, unless a unit attention has to be told first.
    func updating(_ body: (inout UnitState) throws -> SCSIResult) throws -> SCSIResult {
        try store.update { state in
            if let code = state.reservations.takeAttention(of: nexus) {
                return SCSIResult(sense: SenseData(key: .unitAttention, code: code))
            }
            return try body(&state)
        }
    }

    private func reserveOut(
        _ action: SCSICommand.ReserveOutAction, scope: UInt8, type: UInt8, list: [UInt8], length: UInt32
    ) throws -> SCSIResult {
        try updating { state in
            // SPC-2 5.5.1: while a RESERVE (6) stands, whoever's it is.
            if let legacy = state.legacyReservation {
                if try store.isAlive(legacy.session) { return SCSIResult(status: .reservationConflict) }
                state.legacyReservation = nil
            }
            // Nobody gets what is not there; giving up stays possible.
            if action.canTakeReservation { try image.check() }
            do throws(ReserveOutRefusal) {
                let request = ReserveOutRequest(
                    action: action, scope: scope, type: type,
                    parameters: try ReserveOutParameters(list, length: length, action: action), nexus: nexus,
                    targetPorts: Self.targetPorts)
                try state.reservations.execute(request)
                return SCSIResult(status: .good)
            } catch {
                switch error {
                case .conflict: return SCSIResult(status: .reservationConflict)
                case .sense(let sense): return SCSIResult(sense: sense)
                }
            }
        }
    }

    /// REQUEST SENSE (SPC-3 6.27): tells a pending unit attention as data, and nothing else.
    private func requestSense(descriptorFormat: Bool, allocationLength: Int) throws -> SCSIResult {
        let greets = greeting.withLock { pending in
            defer { pending = false }; return pending
        }
        let isPending = try store.read { state in state.reservations.attentions.contains { $0.nexus == nexus } }
        let sense: SenseData
        if greets {
            sense = SenseData(key: .unitAttention, code: .powerOnOrReset)
        } else if isPending, let attention = try takeAttention() {
            sense = attention
        } else {
            sense = SenseData(key: .noSense, code: .none)
        }
        let octets = descriptorFormat ? sense.descriptorFormat : sense.fixedFormat
        return SCSIResult(status: .good, data: Array(octets.prefix(allocationLength)))
    }
}

extension SCSIResult {
    /// CHECK CONDITION.
    init(sense: SenseData) {
        self.init(status: .checkCondition, sense: sense)
    }

    /// What a failure to write the image looks like from outside. A host that has no room left for a sparse image is to
    /// its users what a thin-provisioned unit is whose pool is full.
    init(writeFailure error: FileError, at block: UInt64) {
        switch error.number {
        case ENOSPC, EDQUOT: self.init(sense: SenseData(key: .dataProtect, code: .spaceAllocationFailed))
        default: self.init(sense: SenseData(key: .mediumError, code: .writeError, information: block))
        }
    }

    /// What a failure inside the unit looks like from outside.
    init(failure: any Error) {
        switch failure {
        case let refusal as SCSICommandRefusal:
            self.init(sense: refusal.sense)
        case let range as AddressOutOfRange:
            self.init(
                sense: SenseData(key: .illegalRequest, code: .blockAddressOutOfRange, information: range.block))
        case is SpaceExhausted:
            self.init(sense: SenseData(key: .dataProtect, code: .spaceAllocationFailed))
        case EmulatedUnitError.stateUnavailable, is FileError:
            self.init(sense: SenseData(key: .hardwareError, code: .internalTargetFailure))
        case EmulatedUnitError.imageMissing:
            self.init(sense: SenseData(key: .notReady, code: .mediumNotPresent))
        default:
            // Damaged or missing state, another image or one of another length: nothing gets better before somebody looks at it.
            self.init(sense: SenseData(key: .notReady, code: .manualInterventionRequired))
        }
    }
}
