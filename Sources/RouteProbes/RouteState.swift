/// What was observed of a route while it was probed (ROUTE_STATUS, [MS-CSVP] 2.2.20).
public enum RouteState: Sendable, Hashable {
    /// Every state that was seen was up.
    case up
    /// Every state that was seen was down.
    case down
    /// Both were seen.
    case upAndDown
}
