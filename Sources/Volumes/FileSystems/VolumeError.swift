import ErrorCodes

/// Why an operation on a volume failed.
///
/// The codes are those of [MS-CSVP] 3.2.4.9 to 3.2.4.11 where it names one, else what Win32 says in the same situation.
public enum VolumeError: HRESULTConvertible, CustomStringConvertible {
    /// The disk failed; the cause is its own error, such as a reservation conflict.
    case device(any Error)
    /// After a failed write, or because it was abandoned, the volume accepts nothing but being closed.
    case offline
    /// The volume has no file system that anybody recognises.
    case unrecognizedVolume
    /// The volume has a file system that cannot be written to or read here.
    case unsupportedFileSystem(FileSystem)
    /// The file system's own structures make no sense.
    case corrupt(detail: String)
    /// Windows hibernated with the volume mounted: what is on the disk is not all there is.
    case hibernated
    /// Windows stopped without a clean dismount; its log must be replayed by Windows.
    case uncleanLog
    /// Linux did not dismount the volume cleanly, or found it damaged; the reason says what is left to do.
    case uncleanVolume(FileSystem, reason: String)
    /// The file system uses features that are not served, or not for writing.
    case unsupportedFeatures(FileSystem, [String])
    /// The disk is read-only.
    case writeProtected
    /// There is no room for the file.
    case diskFull
    /// There is no memory left.
    case outOfMemory
    /// The path is not one that a file can have; the reason says why.
    case invalidPath(String, reason: String)
    /// The path is longer than Windows allows, or one of its names is.
    case pathTooLong
    /// A colon names another stream of the file; only the unnamed one is served.
    case alternateStream(String)
    /// There is no such file.
    case fileNotFound(String)
    /// There is no such folder on the way to the file.
    case folderNotFound(String)
    /// Something with that name is there.
    case alreadyExists(String)
    /// The name is a folder's.
    case isFolder(String)
    /// The file has the read-only attribute.
    case readOnlyFile(String)
    /// The file is one of the file system's own.
    case systemFile(String)
    /// The file has a property that is not served; the reason says which.
    case unsupportedFile(String, reason: String)
    /// The file holds more than the caller wanted to have.
    case fileTooLarge(String, octets: UInt64)
    /// The file's octets are not the expected ones; the offset is that of the first difference, or of the shorter end.
    case contentsDiffer(String, offset: UInt64)

    /// The code for the wire.
    public var hresult: HRESULT {
        switch self {
        case .device(let cause): (cause as? any HRESULTConvertible)?.hresult ?? HRESULT(win32: .ioDevice)
        case .offline: HRESULT(win32: .notReady)
        case .unrecognizedVolume: HRESULT(win32: .unrecognizedVolume)
        case .unsupportedFileSystem, .unsupportedFile, .unsupportedFeatures: HRESULT(win32: .notSupported)
        case .corrupt: HRESULT(win32: .diskCorrupt)
        case .hibernated, .uncleanLog, .uncleanVolume: HRESULT(win32: .volumeDirty)
        case .writeProtected: HRESULT(win32: .writeProtect)
        case .diskFull: HRESULT(win32: .diskFull)
        case .outOfMemory: HRESULT(win32: .notEnoughMemory)
        case .invalidPath, .alternateStream: HRESULT(win32: .invalidName)
        case .pathTooLong: HRESULT(win32: .fileNameTooLong)
        case .fileNotFound: HRESULT(win32: .fileNotFound)
        case .folderNotFound: HRESULT(win32: .pathNotFound)
        case .alreadyExists: HRESULT(win32: .fileExists)
        case .isFolder, .readOnlyFile, .systemFile: HRESULT(win32: .accessDenied)
        case .fileTooLarge: HRESULT(win32: .fileTooLarge)
        case .contentsDiffer: HRESULT(win32: .invalidData)
        }
    }

    /// One line for people.
    public var description: String {
        switch self {
        case .device(let cause): "the disk failed: \(cause)"
        case .offline: "the volume is offline"
        case .unrecognizedVolume: "the volume has no recognised file system"
        case .unsupportedFileSystem(let system): "files on \(system.name) are not served"
        case .corrupt(let detail): "the file system is damaged: \(detail)"
        case .hibernated: "Windows hibernated with this volume mounted; resume and shut it down first"
        case .uncleanLog: "Windows did not dismount this volume cleanly; let it replay its log first"
        case .uncleanVolume(let system, let reason): "the \(system.name) volume \(reason); run e2fsck first"
        case .unsupportedFeatures(let system, let features):
            "the \(system.name) volume uses \(features.joined(separator: ", ")), which is not served"
        case .writeProtected: "the disk is read-only"
        case .diskFull: "the volume is full"
        case .outOfMemory: "out of memory"
        case .invalidPath(let path, let reason): "\(path.debugDescription) is not a path: \(reason)"
        case .pathTooLong: "the path is too long"
        case .alternateStream(let path): "\(path.debugDescription) names an alternate stream"
        case .fileNotFound(let path): "no file \(path.debugDescription)"
        case .folderNotFound(let path): "no folder for \(path.debugDescription)"
        case .alreadyExists(let path): "\(path.debugDescription) exists"
        case .isFolder(let path): "\(path.debugDescription) is a folder"
        case .readOnlyFile(let path): "\(path.debugDescription) has the read-only attribute"
        case .systemFile(let path): "\(path.debugDescription) belongs to the file system"
        case .unsupportedFile(let path, let reason): "\(path.debugDescription) is \(reason), which is not served"
        case .fileTooLarge(let path, let octets): "\(path.debugDescription) holds \(octets) octets"
        case .contentsDiffer(let path, let offset): "\(path.debugDescription) differs at octet \(offset)"
        }
    }
}

extension Win32Error {
    /// ERROR_FILE_TOO_LARGE.
    fileprivate static let fileTooLarge = Win32Error(rawValue: 223)
    /// ERROR_VOLUME_DIRTY: run chkdsk and try again.
    fileprivate static let volumeDirty = Win32Error(rawValue: 6851)
}
