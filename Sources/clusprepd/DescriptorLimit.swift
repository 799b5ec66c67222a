import Glibc

/// How many files and sockets the process may have open (RLIMIT_NOFILE).
///
/// The limit that a shell or systemd gives by default, 1024, is for programs that still use select(2); whoever needs more raises
/// it up to the hard limit, which needs no privilege.
enum DescriptorLimit {
    /// What a node needs besides its connections: disks, their state files, the store, the logs, the event loops.
    static let reserve = 256

    /// The limit to set for so many connections; never a lower one than there is.
    static func raised(soft: UInt64, hard: UInt64, connections: Int) -> UInt64 {
        max(soft, min(hard, UInt64(max(0, connections)) + UInt64(reserve)))
    }

    /// Raises the limit for so many connections, as far as the hard limit allows.
    ///
    /// - Returns: the number of connections there is room for.
    static func raise(forConnections connections: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return connections }
        let wanted = raised(soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max), connections: connections)
        if wanted > limit.rlim_cur {
            var changed = limit
            changed.rlim_cur = rlim_t(wanted)
            if setrlimit(resource, &changed) == 0 { limit = changed }
        }
        return max(0, Int(clamping: limit.rlim_cur) - reserve)
    }

    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
}
