import Foundation

/// The kernel's number of this thread, which Swift has no other way to ask for: `/proc/thread-self` leads to `<pid>/task/<tid>`.
///
/// - Returns: the process' own number where there is no procfs.
func currentThread() -> UInt32 {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
        let count = buffer.baseAddress.map { readlink("/proc/thread-self", $0, buffer.count) } ?? 0
        var number: UInt32 = 0
        var place: UInt32 = 1
        for character in buffer.prefix(max(0, count)).reversed() {
            guard (48...57).contains(character) else { break }
            number &+= UInt32(character - 48) &* place
            place &*= 10
        }
        return number == 0 ? UInt32(truncatingIfNeeded: getpid()) : number
    }
}
