import Synchronization

/// Tells work that blocks, and so knows of no task, to come to an end.
public final class StopFlag: Sendable {
    private let isRaised = Atomic(false)

    /// A flag that is not raised.
    public init() {}

    /// Tells it.
    public func raise() {
        isRaised.store(true, ordering: .relaxed)
    }

    /// Throws `CancellationError` once it was told.
    public func check() throws {
        if isRaised.load(ordering: .relaxed) { throw CancellationError() }
    }
}
