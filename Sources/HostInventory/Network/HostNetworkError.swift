import Glibc

/// Why the kernel does not tell what the host's network looks like.
public enum HostNetworkError: Error, Sendable, Hashable {
    /// A call to the kernel failed.
    ///
    /// - Parameters:
    ///   - operation: what was to be done, such as "list links".
    ///   - code: errno.
    case system(operation: String, code: Int32)
    /// The kernel's answer is not what netlink(7) and rtnetlink(7) promise.
    case malformed(operation: String, reason: String)
    /// The host's network changed during each of so many attempts to read it.
    case unsettled(operation: String, attempts: Int)
    /// No identifier for adapters can be derived: the cryptographic library failed.
    case noIdentifier(reason: String)
}

extension HostNetworkError: CustomStringConvertible {
    /// What failed, on what, and what the kernel said.
    public var description: String {
        switch self {
        case .system(let operation, let code):
            "cannot \(operation): \(String(cString: strerror(code)))"
        case .malformed(let operation, let reason): "cannot \(operation): the kernel's answer is malformed: \(reason)"
        case .unsettled(let operation, let attempts):
            "cannot \(operation): the host's network changed during each of \(attempts) attempts; try again"
        case .noIdentifier(let reason): "cannot derive the identifiers of network adapters: \(reason)"
        }
    }
}
