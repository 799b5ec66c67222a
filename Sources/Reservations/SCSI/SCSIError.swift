import ErrorCodes

/// Why a command to a logical unit did not do what it was asked to do.
public enum SCSIError: Error, Sendable {
    /// RESERVATION CONFLICT: another I_T nexus' persistent reservation, or a key that is not ours, forbids the command.
    case reservationConflict
    /// CHECK CONDITION with the sense data that explains it.
    case checkCondition(SenseData)
    /// BUSY or TASK SET FULL: the unit could not take the command now.
    case busy
    /// Any other status that is not a success, CHECK CONDITION without sense data included.
    case status(SCSIStatus)
    /// The command did not get as far as a status: the connection, the file or the device failed.
    case transport(name: String, cause: any Error)
    /// A response that does not hold what the standard says it holds.
    case malformedResponse(command: String, reason: String)
    /// A command that could change a disk this host itself lives on, refused before it reached the disk.
    case protected(name: String)
    /// The unit did not answer in the time it was given; whether it executed the command is not known.
    case timedOut(name: String, limit: Duration)
    /// Another unit answers on the path than the one that was opened: nothing may be read from it or written to it.
    case identityChanged(name: String, expected: String, found: String)
    /// Data to write that is not a whole number of blocks.
    case unalignedTransfer(octets: Int, blockSize: Int)
}

/// The one table from SCSI to Win32.
///
/// | what the unit said | Win32 |
/// |---|---|
/// | RESERVATION CONFLICT, BUSY, TASK SET FULL | ERROR_BUSY (170) |
/// | NOT READY (2h) | ERROR_NOT_READY (21) |
/// | MEDIUM ERROR (3h) | ERROR_CRC (23); 0Ch/xx WRITE ERROR: ERROR_WRITE_FAULT (29) |
/// | ILLEGAL REQUEST (5h), 20h/xx INVALID OPERATION CODE | ERROR_INVALID_FUNCTION (1) |
/// | ILLEGAL REQUEST (5h), 21h/xx ADDRESS OUT OF RANGE | ERROR_SECTOR_NOT_FOUND (27) |
/// | ILLEGAL REQUEST (5h), 25h/xx LOGICAL UNIT NOT SUPPORTED | ERROR_DEV_NOT_EXIST (55) |
/// | ILLEGAL REQUEST (5h), 55h/xx INSUFFICIENT RESOURCES | ERROR_NO_SYSTEM_RESOURCES (1450) |
/// | ILLEGAL REQUEST (5h), anything else | ERROR_INVALID_PARAMETER (87) |
/// | UNIT ATTENTION (6h), 29h/xx RESET | ERROR_BUS_RESET (1111) |
/// | UNIT ATTENTION (6h), 2Ah/03h, 04h, 05h reservations | ERROR_BUSY (170) |
/// | UNIT ATTENTION (6h), anything else | ERROR_MEDIA_CHANGED (1110) |
/// | DATA PROTECT (7h), 27h/07h SPACE ALLOCATION FAILED | ERROR_DISK_FULL (112) |
/// | DATA PROTECT (7h), anything else | ERROR_WRITE_PROTECT (19) |
/// | HARDWARE ERROR (4h), ABORTED COMMAND (Bh), every other sense key or status | ERROR_IO_DEVICE (1117) |
/// | a protected disk | ERROR_ACCESS_DENIED (5) |
/// | no answer in time | ERROR_SEM_TIMEOUT (121) |
/// | another unit than before | ERROR_WRONG_DISK (34) |
/// | no status at all | the cause's own code, else ERROR_IO_DEVICE (1117) |
/// | a malformed response | ERROR_IO_DEVICE (1117) |
/// | data that is not whole blocks | ERROR_INVALID_PARAMETER (87) |
///
/// It follows what the Windows class driver makes of the same answers (STATUS_DEVICE_BUSY, STATUS_DEVICE_NOT_READY,
/// STATUS_DEVICE_DATA_ERROR, STATUS_NONEXISTENT_SECTOR, STATUS_IO_TIMEOUT, STATUS_WRONG_VOLUME …), seen through RtlNtStatusToDosError.
extension SCSIError: HRESULTConvertible {
    /// The Win32 code of the table above.
    public var win32: Win32Error {
        switch self {
        case .reservationConflict, .busy: .busy
        case .checkCondition(let sense): Self.win32(of: sense)
        case .protected: .accessDenied
        case .timedOut: Win32Error(rawValue: 121)  // ERROR_SEM_TIMEOUT
        case .identityChanged: Win32Error(rawValue: 34)  // ERROR_WRONG_DISK
        case .status, .malformedResponse: .ioDevice
        case .transport(_, let cause): (cause as? any HRESULTConvertible)?.hresult.win32 ?? .ioDevice
        case .unalignedTransfer: .invalidParameter
        }
    }

    /// The Win32 code as an HRESULT.
    public var hresult: HRESULT {
        win32.hresult
    }

    private static func win32(of sense: SenseData) -> Win32Error {
        switch (sense.key, sense.code.code) {
        case (.notReady, _): .notReady
        case (.mediumError, 0x0C): .writeFault
        case (.mediumError, _): .crc
        case (.illegalRequest, 0x20): Win32Error(rawValue: 1)  // ERROR_INVALID_FUNCTION
        case (.illegalRequest, 0x21): .sectorNotFound
        case (.illegalRequest, 0x25): Win32Error(rawValue: 55)  // ERROR_DEV_NOT_EXIST
        case (.illegalRequest, 0x55): Win32Error(rawValue: 1450)  // ERROR_NO_SYSTEM_RESOURCES
        case (.illegalRequest, _): .invalidParameter
        case (.unitAttention, 0x29): Win32Error(rawValue: 1111)  // ERROR_BUS_RESET
        case (.unitAttention, 0x2A) where (3...5).contains(sense.code.qualifier): .busy
        case (.unitAttention, _): Win32Error(rawValue: 1110)  // ERROR_MEDIA_CHANGED
        case (.dataProtect, _) where sense.code == .spaceAllocationFailed: .diskFull
        case (.dataProtect, _): .writeProtect
        default: .ioDevice
        }
    }
}

extension SCSIError: CustomStringConvertible {
    /// What happened, for a log or a terminal.
    public var description: String {
        switch self {
        case .reservationConflict: "reservation conflict: the disk is reserved by another node"
        case .checkCondition(let sense): "check condition: \(sense)"
        case .busy: "the logical unit is busy"
        case .status(let status): "unexpected \(status)"
        case .transport(let name, let cause): "\(name): \(cause)"
        case .malformedResponse(let command, let reason): "malformed response to \(command): \(reason)"
        case .protected(let name): "\(name): in use by this host, which refuses every command that could change it"
        case .timedOut(let name, let limit): "\(name): no answer within \(limit)"
        case .identityChanged(let name, let expected, let found):
            "\(name): another unit than before: \(found) instead of \(expected)"
        case .unalignedTransfer(let octets, let blockSize): "\(octets) octets are not whole blocks of \(blockSize)"
        }
    }
}
