import ErrorCodes
import Glibc

/// Why this host's updates cannot be told.
public enum HostUpdatesError: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is neither a database of dpkg's nor one of rpm's below this folder.
    case noPackageManager(root: String)
    /// A file of the package manager's cannot be read.
    ///
    /// - Parameter code: errno.
    case unreadable(path: String, code: Int32)
    /// A file is larger than any that a package manager writes, in octets.
    case tooLarge(path: String, limit: Int)
    /// A file, or what a program said, has not the form it has to have.
    case malformed(source: String, reason: String)
    /// A program that tells of packages could not be started.
    ///
    /// - Parameter code: errno.
    case notStarted(program: String, code: Int32)
    /// A program failed, or did not end in time.
    case failed(program: String, reason: String)

    /// What is the matter, and what to do about it.
    public var description: String {
        switch self {
        case .noPackageManager(let root):
            "this host has no packages: there is neither \(root)/var/lib/dpkg/status nor a database of rpm's"
        case .unreadable(let path, let code):
            "cannot read \(path): \(String(cString: strerror(code)))"
        case .tooLarge(let path, let limit):
            "\(path) has more than \(limit) octets, which no package manager writes"
        case .malformed(let source, let reason):
            "\(source) is damaged: \(reason)"
        case .notStarted(let program, let code):
            "cannot start \(program): \(String(cString: strerror(code))). Install the package it belongs to."
        case .failed(let program, let reason):
            "\(program) failed: \(reason)"
        }
    }
}

extension HostUpdatesError: HRESULTConvertible {
    /// The nearest Win32 code, as [MS-CSVP] 3.16.4 names none.
    public var hresult: HRESULT {
        switch self {
        case .noPackageManager: Win32Error.notSupported.hresult
        case .unreadable(_, EACCES), .unreadable(_, EPERM): Win32Error.accessDenied.hresult
        case .unreadable(_, ENOENT), .notStarted(_, ENOENT): Win32Error.fileNotFound.hresult
        case .unreadable: Win32Error.readFault.hresult
        case .tooLarge, .malformed: Win32Error.fileCorrupt.hresult
        case .notStarted, .failed: Win32Error.generalFailure.hresult
        }
    }
}
