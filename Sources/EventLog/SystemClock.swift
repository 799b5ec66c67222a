import Foundation

extension EventClock {
    /// This machine's clocks.
    public static func system() -> EventClock {
        let boot = currentBoot()
        return EventClock {
            EventTime(wall: microseconds(of: CLOCK_REALTIME), uptime: microseconds(of: CLOCK_BOOTTIME), boot: boot)
        }
    }

    private static func microseconds(of clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// Zero where the kernel does not say: every run is then one, and only the wall clock could tell them apart.
    private static func currentBoot() -> UInt64 {
        let text = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
        return UInt64(text.filter(\.isHexDigit).prefix(16), radix: 16) ?? 0
    }
}
