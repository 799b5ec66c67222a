/// Measurements to be drawn: latencies of disks, round trips and losses of routes.
public struct Chart: Sendable, Hashable, Codable {
    /// One bar.
    public struct Bar: Sendable, Hashable, Codable {
        /// What was measured: "node1, disk 0, write".
        public var label: String
        /// The measurement, not negative; nil where there is none.
        public var value: Double?
        /// The least and the greatest of what it is the mean of.
        public var range: ClosedRange<Double>?

        /// A bar from its parts.
        public init(_ label: String, _ value: Double?, range: ClosedRange<Double>? = nil) {
            self.label = label
            self.value = value
            self.range = range
        }
    }

    /// What the chart shows.
    public var title: String
    /// The unit of all values: "ms", "%".
    public var unit: String
    /// The bars, from top to bottom.
    public var bars: [Bar]
    /// What no bar should exceed; nil where there is no such limit.
    public var limit: Double?

    /// A chart from its parts.
    public init(_ title: String, unit: String, bars: [Bar], limit: Double? = nil) {
        self.title = title
        self.unit = unit
        self.bars = bars
        self.limit = limit
    }
}
