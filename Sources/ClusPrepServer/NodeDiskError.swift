import ErrorCodes
import Glibc
import Reservations

/// Why a node did not do to one of its disks what it was asked to do, without the disk having said anything.
public enum NodeDiskError: Error, Sendable, Equatable {
    /// The host itself lives on the disk.
    case protected(path: String)
    /// The disk has not answered in the time that a call may take.
    case silent(path: String)
}

extension NodeDiskError: HRESULTConvertible {
    /// ERROR_ACCESS_DENIED for a protected disk; ERROR_IO_DEVICE for a silent one, as for every command that reached no status
    /// (``SCSIError``).
    public var hresult: HRESULT {
        switch self {
        case .protected: Win32Error.accessDenied.hresult
        case .silent: Win32Error.ioDevice.hresult
        }
    }
}

extension NodeDiskError: CustomStringConvertible {
    /// What happened, for a log.
    public var description: String {
        switch self {
        case .protected(let path): "\(path) is in use by this host: nothing that could change it is done"
        case .silent(let path): "\(path) does not answer; the call goes on without its caller"
        }
    }
}

extension Disk {
    /// Whether this host lives on it, so that it must stay as it is.
    var isProtected: Bool {
        transport.attachment.roles.isProtected
    }
}

extension SCSIError {
    /// Whether what was opened may be there no more, and something else in its place.
    var asksForAnotherLook: Bool {
        switch self {
        case .checkCondition(let sense): sense.key == .notReady
        case .identityChanged: true
        // A device that was taken away stays so for whoever has it open, also when it is back.
        case .transport(_, let cause as FileError): [ENODEV, ENXIO, EBADF].contains(cause.number)
        default: false
        }
    }
}
