import ErrorCodes

/// What a clean-up could not do. All else is done; the rest is on record, and done at the next call or the daemon's next start.
public enum CleanupError: Error, Sendable {
    /// ``EvictionCleanup/maximumRequests`` are under way; this one is not on record.
    case tooMany
    /// The node's store failed.
    case store(ClusterStoreError)
    /// The cluster service did not stop.
    case serviceRuns(cause: any Error)
    /// Something that the node has outside of its store is still there.
    case leftover(name: String, cause: any Error)
}

extension CleanupError: CustomStringConvertible {
    /// One line for a log.
    public var description: String {
        switch self {
        case .tooMany: "\(EvictionCleanup.maximumRequests) clean-ups are under way already"
        case .store(let cause): "\(cause)"
        case .serviceRuns(let cause): "the cluster service did not stop: \(cause)"
        case .leftover(let name, let cause): "\(name) could not be removed: \(cause)"
        }
    }
}

extension CleanupError: HRESULTConvertible {
    /// The cause's code where it has one, else ERROR_INTERNAL_ERROR; ERROR_BUSY for one too many.
    public var hresult: HRESULT {
        switch self {
        case .tooMany: Win32Error.busy.hresult
        case .store(let cause): cause.hresult
        case .serviceRuns(let cause), .leftover(_, let cause):
            (cause as? any HRESULTConvertible)?.hresult ?? Win32Error.internalError.hresult
        }
    }
}
