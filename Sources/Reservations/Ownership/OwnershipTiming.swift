/// How long a challenger waits, and how often an owner defends.
public struct OwnershipTiming: Sendable, Equatable {
    /// How long a challenger waits for the owner to defend.
    public let challenge: Duration
    /// How long an owner waits between two looks at the disk.
    public let defence: Duration

    /// Seven seconds of challenge, a defence every three: what Windows clusters do.
    public static let standard = OwnershipTiming(checkedChallenge: .seconds(7), defence: .seconds(3))

    /// Other times, the same on every node that may want the disk.
    ///
    /// - Returns: nil unless the challenge is longer than two defence intervals: with less, a live owner could lose the disk.
    public init?(challenge: Duration, defence: Duration) {
        guard defence > .zero, challenge > defence * 2 else { return nil }
        self.init(checkedChallenge: challenge, defence: defence)
    }

    private init(checkedChallenge: Duration, defence: Duration) {
        challenge = checkedChallenge
        self.defence = defence
    }

    /// The failed looks in a row after which a challenger may have taken the disk: as many as fill the challenge time.
    var tolerance: Int {
        Int((challenge / defence).rounded(.up))
    }
}
