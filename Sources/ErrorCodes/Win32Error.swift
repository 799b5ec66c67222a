/// A Win32 error code ([MS-ERREF] 2.2).
public struct Win32Error: RawRepresentable, Error, Hashable, Sendable, CustomStringConvertible {
    /// The code as it stands on the wire.
    public var rawValue: UInt32

    /// Any code, also one without a name.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The name in [MS-ERREF] 2.2, such as `ERROR_ACCESS_DENIED`; nil if the code is not listed there.
    public var name: String? {
        CodeNames.win32.name(of: rawValue)
    }

    /// The name and the number.
    public var description: String {
        name.map { "\($0) (\(rawValue))" } ?? "Win32 error \(rawValue)"
    }
}

extension Win32Error: HRESULTConvertible {
    /// HRESULT_FROM_WIN32 ([MS-ERREF] 2.1.2).
    public var hresult: HRESULT {
        HRESULT(win32: self)
    }
}

extension Win32Error {
    /// ERROR_SUCCESS.
    public static let success = Win32Error(rawValue: 0)
    /// ERROR_FILE_NOT_FOUND.
    public static let fileNotFound = Win32Error(rawValue: 2)
    /// ERROR_PATH_NOT_FOUND.
    public static let pathNotFound = Win32Error(rawValue: 3)
    /// ERROR_ACCESS_DENIED.
    public static let accessDenied = Win32Error(rawValue: 5)
    /// ERROR_INVALID_HANDLE.
    public static let invalidHandle = Win32Error(rawValue: 6)
    /// ERROR_NOT_ENOUGH_MEMORY.
    public static let notEnoughMemory = Win32Error(rawValue: 8)
    /// ERROR_INVALID_DATA.
    public static let invalidData = Win32Error(rawValue: 13)
    /// ERROR_WRITE_PROTECT.
    public static let writeProtect = Win32Error(rawValue: 19)
    /// ERROR_NOT_READY.
    public static let notReady = Win32Error(rawValue: 21)
    /// ERROR_CRC.
    public static let crc = Win32Error(rawValue: 23)
    /// ERROR_SECTOR_NOT_FOUND.
    public static let sectorNotFound = Win32Error(rawValue: 27)
    /// ERROR_WRITE_FAULT.
    public static let writeFault = Win32Error(rawValue: 29)
    /// ERROR_READ_FAULT.
    public static let readFault = Win32Error(rawValue: 30)
    /// ERROR_GEN_FAILURE.
    public static let generalFailure = Win32Error(rawValue: 31)
    /// ERROR_SHARING_VIOLATION.
    public static let sharingViolation = Win32Error(rawValue: 32)
    /// ERROR_HANDLE_EOF.
    public static let handleEndOfFile = Win32Error(rawValue: 38)
    /// ERROR_NOT_SUPPORTED.
    public static let notSupported = Win32Error(rawValue: 50)
    /// ERROR_FILE_EXISTS.
    public static let fileExists = Win32Error(rawValue: 80)
    /// ERROR_INVALID_PARAMETER.
    public static let invalidParameter = Win32Error(rawValue: 87)
    /// ERROR_DISK_FULL.
    public static let diskFull = Win32Error(rawValue: 112)
    /// ERROR_INSUFFICIENT_BUFFER.
    public static let insufficientBuffer = Win32Error(rawValue: 122)
    /// ERROR_INVALID_NAME.
    public static let invalidName = Win32Error(rawValue: 123)
    /// ERROR_DIRECTORY_NOT_EMPTY.
    public static let directoryNotEmpty = Win32Error(rawValue: 145)
    /// ERROR_BAD_PATHNAME.
    public static let badPathName = Win32Error(rawValue: 161)
    /// ERROR_BUSY: what a reservation conflict becomes.
    public static let busy = Win32Error(rawValue: 170)
    /// ERROR_FILENAME_EXCED_RANGE.
    public static let fileNameTooLong = Win32Error(rawValue: 206)
    /// ERROR_MORE_DATA.
    public static let moreData = Win32Error(rawValue: 234)
    /// WAIT_TIMEOUT.
    public static let waitTimeout = Win32Error(rawValue: 258)
    /// ERROR_NO_MORE_ITEMS.
    public static let noMoreItems = Win32Error(rawValue: 259)
    /// ERROR_DIRECTORY: the name is not a folder's.
    public static let notADirectory = Win32Error(rawValue: 267)
    /// ERROR_UNRECOGNIZED_VOLUME.
    public static let unrecognizedVolume = Win32Error(rawValue: 1005)
    /// ERROR_IO_DEVICE.
    public static let ioDevice = Win32Error(rawValue: 1117)
    /// ERROR_POSSIBLE_DEADLOCK.
    public static let possibleDeadlock = Win32Error(rawValue: 1131)
    /// ERROR_NOT_FOUND.
    public static let notFound = Win32Error(rawValue: 1168)
    /// ERROR_CANCELLED.
    public static let cancelled = Win32Error(rawValue: 1223)
    /// ERROR_INTERNAL_ERROR.
    public static let internalError = Win32Error(rawValue: 1359)
    /// ERROR_INVALID_SERVER_STATE.
    public static let invalidServerState = Win32Error(rawValue: 1352)
    /// ERROR_FILE_CORRUPT.
    public static let fileCorrupt = Win32Error(rawValue: 1392)
    /// ERROR_DISK_CORRUPT.
    public static let diskCorrupt = Win32Error(rawValue: 1393)
    /// ERROR_TIMEOUT.
    public static let timeout = Win32Error(rawValue: 1460)
    /// OR_INVALID_OXID.
    public static let invalidOXID = Win32Error(rawValue: 1910)
    /// OR_INVALID_OID.
    public static let invalidOID = Win32Error(rawValue: 1911)
    /// OR_INVALID_SET.
    public static let invalidPingSet = Win32Error(rawValue: 1912)
    /// ERROR_INVALID_STATE.
    public static let invalidState = Win32Error(rawValue: 5023)
}
