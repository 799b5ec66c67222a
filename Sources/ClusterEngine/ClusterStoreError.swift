import ErrorCodes
import Security

/// Why the node's state cannot be opened, read or changed.
public enum ClusterStoreError: Error, Sendable, Equatable {
    /// The state folder, or a file in it, cannot be made or used.
    case folderUnusable(path: String, reason: String)
    /// Others than the owner can read or change what must be private.
    case insecurePermissions(path: String, mode: UInt32)
    /// Another daemon works on this state folder.
    case anotherDaemon(folder: String, process: Int32?)
    /// The database is not one, or is damaged. It has not been changed.
    case corrupt(path: String, detail: String)
    /// A newer release has written the database.
    case newerVersion(path: String)
    /// There is a database, but the key file that its secrets are sealed with is gone.
    case keyMissing(path: String, database: String)
    /// The key file is not the one that the database's secrets are sealed with, or is damaged.
    case wrongKey(path: String, database: String)
    /// Somebody else changed the entry meanwhile.
    case conflict(StoreKey)
    /// Another process kept the database locked for too long.
    case busy(path: String)
    /// There is no room on the device.
    case full(path: String)
    /// An entry does not have its document's form, or was sealed for another place.
    case malformedEntry(StoreKey, detail: String)
    /// The system or the database refused; the change may or may not have been made.
    case failed(path: String, detail: String)
    /// libcrypto refused.
    case cryptography(CryptographyError)
}

extension ClusterStoreError: CustomStringConvertible {
    /// One line that names the file and says what to do.
    public var description: String {
        switch self {
        case .folderUnusable(let path, let reason):
            "the node's state cannot be used: \(path): \(reason)"
        case .insecurePermissions(let path, let mode):
            "\(path) is open to others (mode \(String(mode, radix: 8))); it holds secrets. "
                + "Find out who could have read it, then close it with chmod go= \(path)"
        case .anotherDaemon(let folder, let process):
            "another daemon\(process.map { " (process \($0))" } ?? "") already works on the state folder \(folder); "
                + "stop it, or give this one a folder of its own"
        case .corrupt(let path, let detail):
            "the database \(path) is damaged (\(detail)). Nothing in it was changed. "
                + "Put a backup in its place, or move it away together with its -wal file to start anew"
        case .newerVersion(let path):
            "the database \(path) was written by a newer release; use that release, or a backup from before"
        case .keyMissing(let path, let database):
            "the key file \(path) is missing, and the secrets in \(database) cannot be read without it. "
                + "Put it back from a backup, or move the database away as well to start anew"
        case .wrongKey(let path, let database):
            "the key file \(path) does not fit the database \(database); the two have to come from the same backup"
        case .conflict(let key): "\(key) was changed by somebody else meanwhile"
        case .busy(let path): "the database \(path) is locked by another process"
        case .full(let path): "no room is left for the database \(path)"
        case .malformedEntry(let key, let detail): "the stored document \(key) cannot be used: \(detail)"
        case .failed(let path, let detail): "the database \(path) failed: \(detail)"
        case .cryptography(let cause): "\(cause)"
        }
    }
}

extension ClusterStoreError: HRESULTConvertible {
    /// The nearest Win32 code; a client learns nothing of paths and causes.
    public var hresult: HRESULT {
        let code: Win32Error =
            switch self {
            case .folderUnusable, .insecurePermissions: .accessDenied
            case .anotherDaemon: .sharingViolation
            // ERROR_FILE_CORRUPT.
            case .corrupt, .newerVersion, .malformedEntry: Win32Error(rawValue: 1392)
            // ERROR_DECRYPTION_FAILED.
            case .keyMissing, .wrongKey, .cryptography: Win32Error(rawValue: 6001)
            // ERROR_LOCK_VIOLATION.
            case .conflict: Win32Error(rawValue: 33)
            // ERROR_BUSY.
            case .busy: Win32Error(rawValue: 170)
            case .full: .diskFull
            case .failed: .writeFault
            }
        return HRESULT(win32: code)
    }
}

/// Runs something that only libcrypto can make fail, and wraps the failure.
func cryptographic<Result>(
    _ body: () throws(CryptographyError) -> Result
) throws(ClusterStoreError) -> Result {
    do throws(CryptographyError) {
        return try body()
    } catch {
        throw .cryptography(error)
    }
}
