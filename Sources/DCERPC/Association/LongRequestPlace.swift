import Synchronization

/// The right to send one request that is longer than ``AssociationLimits/maximumRequest``. A server has few of them, so what
/// such requests take is bounded whoever sends them.
///
/// It is held by the request while its fragments arrive and by the call until its work is done. When nobody holds it any more
/// it is free again, whether or not it was released: no way of ending a call, a connection or a server can forget it.
public final class LongRequestPlace: Sendable {
    private let giveBack: @Sendable () -> Void
    private let isReleased = Atomic(false)

    /// Makes a place.
    ///
    /// - Parameter giveBack: called once, when the place is free.
    public init(giveBack: @escaping @Sendable () -> Void) {
        self.giveBack = giveBack
    }

    deinit {
        release()
    }

    /// Gives the place back now; does nothing if that was done already.
    public func release() {
        if !isReleased.exchange(true, ordering: .relaxed) { giveBack() }
    }
}

extension LongRequestPlace: Equatable {
    /// Whether they are one and the same place.
    public static func == (one: LongRequestPlace, other: LongRequestPlace) -> Bool {
        one === other
    }
}

/// The places for long requests that a server has.
final class LongRequestPlaces: Sendable {
    private let free: Atomic<Int>

    init(_ count: Int) {
        free = Atomic(count)
    }

    /// A place, or nil while all are taken.
    func take() -> LongRequestPlace? {
        let left = free.subtract(1, ordering: .relaxed).newValue
        guard left >= 0 else {
            free.add(1, ordering: .relaxed)
            return nil
        }
        return LongRequestPlace { [self] in free.add(1, ordering: .relaxed) }
    }
}
