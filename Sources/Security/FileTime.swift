#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Windows' clock: units of 100 ns since 1601-01-01 UTC ([MS-DTYP] 2.3.3).
enum FileTime {
    /// 1601-01-01 to 1970-01-01, in seconds: 369 years with 89 leap days.
    static let secondsBefore1970: UInt64 = 11_644_473_600

    /// One second.
    static let second: UInt64 = 10_000_000

    /// The present time. A clock before 1970 reads as 1970.
    static var now: UInt64 {
        var time = timespec()
        guard clock_gettime(CLOCK_REALTIME, &time) == 0, time.tv_sec >= 0 else { return secondsBefore1970 * second }
        return (secondsBefore1970 + UInt64(time.tv_sec)) * second + UInt64(time.tv_nsec) / 100
    }
}
