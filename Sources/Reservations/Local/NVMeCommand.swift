import CLinuxStorage
import Glibc

/// A command of NVM Express as the kernel passes it through (NVM Express Base Specification, "Submission Queue Entry").
struct NVMeCommand: Sendable, Equatable {
    /// OPC.
    var opcode: UInt8
    /// Whether it goes to the admin queue.
    var isAdmin = false
    /// Command doublewords 10 to 15.
    var doublewords: [UInt32] = []
    /// What the command sends.
    var dataOut: [UInt8] = []
    /// The octets it answers.
    var dataInLength = 0

    /// What became of it.
    struct Completion: Sendable {
        /// The status.
        var status: NVMeStatus
        /// Doubleword 0.
        var result: UInt32 = 0
        /// What it answered.
        var data: [UInt8] = []
    }

    /// Admin: Identify (06h). CNS 00h is the namespace, 01h the controller.
    static func identify(_ structure: UInt8) -> NVMeCommand {
        NVMeCommand(opcode: 0x06, isAdmin: true, doublewords: [UInt32(structure)], dataInLength: 4096)
    }

    /// NVM: Flush (00h).
    static let flush = NVMeCommand(opcode: 0x00)

    /// NVM: Read (02h) and Write (01h): the first block in doublewords 10 and 11, the count less one and FUA in 12.
    static func transfer(
        _ range: SCSICommand.BlockRange, forceUnitAccess: Bool = false, dataOut: [UInt8] = [], dataInLength: Int = 0
    ) -> NVMeCommand {
        NVMeCommand(
            opcode: dataOut.isEmpty ? 0x02 : 0x01,
            doublewords: [
                UInt32(truncatingIfNeeded: range.first), UInt32(truncatingIfNeeded: range.first >> 32),
                (range.count &- 1) & 0xFFFF | (forceUnitAccess ? 1 << 30 : 0),
            ], dataOut: dataOut, dataInLength: dataInLength)
    }

    /// Reservation Register (0Dh).
    ///
    /// - Parameters:
    ///   - action: RREGA: 0 registers, 1 unregisters, 2 replaces the key.
    ///   - persistence: CPTPL: nil changes nothing, else whether registrations outlive a loss of power.
    static func reservationRegister(
        action: UInt32, ignoresExistingKey: Bool, persistence: Bool?, current: ReservationKey, new: ReservationKey
    ) -> NVMeCommand {
        let change: UInt32 = persistence.map { $0 ? 3 : 2 } ?? 0
        return NVMeCommand(
            opcode: 0x0D, doublewords: [action | (ignoresExistingKey ? 1 << 3 : 0) | change << 30],
            dataOut: littleEndian(current.rawValue) + littleEndian(new.rawValue))
    }

    /// Reservation Acquire (11h). RACQA: 0 acquires, 1 pre-empts, 2 pre-empts and aborts.
    static func reservationAcquire(
        action: UInt32, type: UInt8, current: ReservationKey, preempted: ReservationKey
    ) -> NVMeCommand {
        NVMeCommand(
            opcode: 0x11, doublewords: [action | UInt32(type) << 8],
            dataOut: littleEndian(current.rawValue) + littleEndian(preempted.rawValue))
    }

    /// Reservation Release (15h). RRELA: 0 releases, 1 clears.
    static func reservationRelease(action: UInt32, type: UInt8, current: ReservationKey) -> NVMeCommand {
        NVMeCommand(
            opcode: 0x15, doublewords: [action | UInt32(type) << 8], dataOut: littleEndian(current.rawValue))
    }

    /// Reservation Report (0Eh): so many octets of the data structure, with host identifiers of 64 or 128 bits.
    static func reservationReport(octets: Int, isExtended: Bool) -> NVMeCommand {
        NVMeCommand(
            opcode: 0x0E, doublewords: [UInt32(octets / 4 - 1), isExtended ? 1 : 0], dataInLength: octets)
    }

    /// Admin: Get Features (0Ah), Host Identifier (81h), of 128 bits or 64.
    static func hostIdentifier(isExtended: Bool) -> NVMeCommand {
        NVMeCommand(
            opcode: 0x0A, isAdmin: true, doublewords: [0x81, isExtended ? 1 : 0], dataInLength: isExtended ? 16 : 8)
    }

    private static func littleEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    /// Executes the command on an open device.
    func execute(on file: OpenFile, namespace: UInt32, timeout: Duration) throws(FileError) -> Completion {
        var words = doublewords + [UInt32](repeating: 0, count: 6)
        // Identify Controller and Get Features for the host are not about a namespace.
        let isAboutController = isAdmin && (opcode == 0x0A || words[0] == 1)
        var data = dataOut.isEmpty ? [UInt8](repeating: 0, count: dataInLength) : dataOut
        guard let length = UInt32(exactly: data.count) else { throw FileError("NVME_IOCTL_IO_CMD", file.path, EINVAL) }
        var result: UInt32 = 0
        let isAdmin = isAdmin
        let opcode = opcode
        let status = data.withUnsafeMutableBytes { data in
            words.withUnsafeMutableBufferPointer { words in
                OpenFile.interruptible {
                    var command = cls_nvme_command(
                        opcode: opcode, namespace_id: isAboutController ? 0 : namespace, cdw10: words[0],
                        cdw11: words[1], cdw12: words[2], cdw13: words[3], cdw14: words[4], cdw15: words[5],
                        data: data.count == 0 ? nil : data.baseAddress, data_length: length,
                        timeout_milliseconds: timeout.milliseconds, result: 0)
                    let status = cls_nvme_execute(file.descriptor, isAdmin ? 1 : 0, &command)
                    result = command.result
                    return status
                }
            }
        }
        guard status >= 0 else {
            throw FileError(isAdmin ? "NVME_IOCTL_ADMIN_CMD" : "NVME_IOCTL_IO_CMD", file.path, -status)
        }
        return Completion(
            status: NVMeStatus(rawValue: UInt16(truncatingIfNeeded: status)), result: result,
            data: dataOut.isEmpty ? data : [])
    }
}

/// The Status Field of a completion without its phase bit: the code in bits 0 to 7, its type in bits 8 to 10. The bits above
/// (Command Retry Delay, More, Do Not Retry) say nothing of what happened.
struct NVMeStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    var rawValue: UInt16

    init(rawValue: UInt16) {
        self.rawValue = rawValue & 0x07FF
    }

    static let success = NVMeStatus(rawValue: 0x000)
    static let invalidField = NVMeStatus(rawValue: 0x002)
    /// Host Identifier Inconsistent Format: 64 and 128 bits do not mix.
    static let hostIdentifierFormat = NVMeStatus(rawValue: 0x018)
    static let reservationConflict = NVMeStatus(rawValue: 0x083)

    var description: String {
        "NVMe status type \(rawValue >> 8), code \(hexadecimalOctet(UInt8(rawValue & 0xFF)))h"
    }

    /// The path to the controller failed (status type 3, Path Related Status): the command says nothing of the namespace.
    var isPathFailure: Bool { rawValue >> 8 == 3 }

    /// What a SCSI device would say (after the NVM Express SCSI Translation Reference, "Status Code Translation").
    ///
    /// - Parameter block: the first block of the command, where it has blocks.
    func result(block: UInt64? = nil) -> SCSIResult {
        if self == .reservationConflict { return SCSIResult(status: .reservationConflict) }
        let (key, code): (SenseKey, UInt16) =
            switch rawValue {
            case 0x001: (.illegalRequest, 0x2000)  // Invalid Command Opcode
            case 0x002: (.illegalRequest, 0x2400)  // Invalid Field in Command
            case 0x004: (.mediumError, 0x0000)  // Data Transfer Error
            case 0x005: (.abortedCommand, 0x0B08)  // Commands Aborted due to Power Loss Notification
            case 0x006: (.hardwareError, 0x4400)  // Internal Error
            case 0x007...0x00A: (.abortedCommand, 0x0000)  // Command Abort Requested …
            case 0x00B: (.illegalRequest, 0x2500)  // Invalid Namespace or Format
            case 0x020: (.dataProtect, 0x2700)  // Namespace is Write Protected
            case 0x080: (.illegalRequest, 0x2100)  // LBA Out of Range
            case 0x081: (.dataProtect, 0x2707)  // Capacity Exceeded: a thin-provisioned namespace is full
            case 0x082: (.notReady, 0x0400)  // Namespace Not Ready
            case 0x084: (.notReady, 0x0404)  // Format In Progress
            case 0x182: (.dataProtect, 0x2700)  // Attempted Write to Read Only Range
            case 0x280: (.mediumError, 0x0C00)  // Write Fault
            case 0x281: (.mediumError, 0x1100)  // Unrecovered Read Error
            case 0x282: (.abortedCommand, 0x1001)  // End-to-end Guard Check Error
            case 0x283: (.abortedCommand, 0x1002)  // End-to-end Application Tag Check Error
            case 0x284: (.abortedCommand, 0x1003)  // End-to-end Reference Tag Check Error
            case 0x285: (.miscompare, 0x1D00)  // Compare Failure
            default: (.hardwareError, 0x4400)
            }
        let hasBlock = key == .mediumError || code == 0x2100
        return SCSIResult(
            sense: SenseData(key: key, code: .init(rawValue: code), information: hasBlock ? block : nil))
    }
}

/// The path to an NVMe controller failed.
struct NVMePathError: Error, CustomStringConvertible {
    var status: NVMeStatus

    var description: String { "the path to the controller failed (\(status))" }
}
