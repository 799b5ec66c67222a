/// What the calls in flight on one connection weigh: those that wait for their answers and those that nobody waits for any
/// more, but that are still being worked on.
struct CallLoad: Sendable {
    /// By number, in the order of their beginnings: calls are few, and mostly one.
    private var weights: [(serial: UInt64, octets: Int)] = []
    private var lastSerial: UInt64 = 0

    /// The octets of all stubs.
    private(set) var octets = 0
    /// The number of calls.
    var calls: Int { weights.count }

    /// Adds a call; its number.
    mutating func begin(octets count: Int) -> UInt64 {
        lastSerial += 1
        weights.append((lastSerial, count))
        octets += count
        return lastSerial
    }

    /// Takes a call out; does nothing if it is out already.
    mutating func end(_ serial: UInt64) {
        guard let index = weights.lastIndex(where: { $0.serial == serial }) else { return }
        octets -= weights.remove(at: index).octets
    }
}
