import Foundation
import Reservations
import Synchronization

/// Whoever else is at work on the same unit, as their keys tell: mostly another validation, perhaps a cluster that has just been made.
///
/// What two validations do to a unit at once makes a healthy one look broken. So each listens before it begins, for a time of chance,
/// so that of two that were started together one hears the other; and where a command fails, the keys tell whether it was the unit's fault.
final class OtherValidations: Sendable {
    /// What the keys of a validation's two initiators are made from: whoever finds one on a unit knows what it is from.
    static let keyNames = (1...2).map { "clusprep-validate-\($0)" }
    /// The time between two looks.
    private static let interval = 0.1

    private let known: Set<ReservationKey>
    private let found = Mutex<[ReservationKey]>([])

    /// Nobody was seen yet.
    ///
    /// - Parameter known: the validation's own keys, and those that were there before it began.
    init(known: some Sequence<ReservationKey>) {
        self.known = Set(known)
    }

    /// Takes down which of the keys on a unit are somebody else's.
    ///
    /// - Returns: whether there are any.
    @discardableResult
    func look(at keys: some Sequence<ReservationKey>) -> Bool {
        // Whoever it is: a cluster that has begun to use the unit must lose nothing to a scenario's clean-up.
        let others = keys.filter { !known.contains($0) }
        found.withLock { found in found += others.filter { !found.contains($0) } }
        return !others.isEmpty
    }

    /// Whether all of the keys are such as validations register.
    static func areOfValidations(_ keys: [ReservationKey]) -> Bool {
        !keys.isEmpty && keys.allSatisfy { key in keyNames.contains { key.belongs(to: $0) } }
    }

    /// Reads the keys for so long, or until somebody is there. Blocking.
    func listen(to disk: Disk, for duration: Duration, _ stop: StopFlag) throws {
        var looks = max(1, Int(duration.milliseconds / 1000 / Self.interval))
        while true {
            try stop.check()
            if look(at: try disk.readKeys().keys) { return }
            looks -= 1
            if looks == 0 { return }
            Thread.sleep(forTimeInterval: Self.interval)
        }
    }

    /// What was seen since this was asked last, in words; nil where nobody was.
    func report() -> String? {
        let keys = found.withLock { found in
            defer { found = [] }
            return found
        }
        guard !keys.isEmpty else { return nil }
        let list = keys.map(\.description).joined(separator: ", ")
        let who =
            Self.areOfValidations(keys)
            ? "another validation is at work on the unit" : "somebody else has begun to use the unit"
        return "\(who): the \(keys.count == 1 ? "key \(list) is" : "keys \(list) are") registered"
    }
}
