import ErrorCodes
import Foundation

/// What can go wrong with the store of events and with the files that are made from it.
public enum EventLogError: Error, Hashable, Sendable {
    /// The system refused: what was tried, on what, and its error number.
    case failed(operation: String, path: String, errno: Int32)
    /// Another process writes this store.
    case inUse(path: String)
    /// Somebody else could put something into the place of what is written there.
    case unsafe(path: String)

    static func last(_ operation: String, _ path: String) -> EventLogError {
        .failed(operation: operation, path: path, errno: errno)
    }
}

extension EventLogError: CustomStringConvertible {
    /// What failed, on what, and what to do.
    public var description: String {
        switch self {
        case .failed(let operation, let path, let number):
            "cannot \(operation) \(path): \(String(cString: strerror(number)))"
        case .inUse(let path):
            "another process writes the log in \(path); a node has one daemon"
        case .unsafe(let path):
            "others may get at \(path); it has to be root's or the daemon's alone"
        }
    }
}

extension EventLogError: HRESULTConvertible {
    /// The nearest Win32 code ([MS-ERREF] 2.2).
    public var hresult: HRESULT {
        let code: Win32Error =
            switch self {
            case .failed(_, _, ENOSPC), .failed(_, _, EDQUOT): .diskFull
            case .failed(_, _, EACCES), .failed(_, _, EPERM), .unsafe: .accessDenied
            case .failed(_, _, EROFS): .writeProtect
            case .failed(_, _, ENOENT): .pathNotFound
            case .failed: .writeFault
            case .inUse: .sharingViolation
            }
        return code.hresult
    }
}
