/// What was observed of a route while it was probed (ROUTE_STATUS, [MS-CSVP] 2.2.20).
public enum RouteState: Sendable, Hashable {
    /// Every state that was seen was up.
    case up
    /// Every state that was seen was down, or nothing was seen yet.
    case down
    /// Both were seen.
    case upAndDown
}

/// What the probes of one route showed ([MS-CSVP] 2.2.21).
public struct RouteObservation: Sendable, Hashable {
    /// How many of a hundred probes had no answer, 0 through 100; 0 where no probe's outcome is known yet ([MS-CSVP] 3.6.4.6).
    public var loss: Int
    /// The states that were seen.
    public var state: RouteState
    /// How many probes the loss was counted over.
    public var probes: Int

    /// An observation; the values are taken as they are.
    public init(loss: Int, state: RouteState, probes: Int) {
        self.loss = loss
        self.state = state
        self.probes = probes
    }
}
