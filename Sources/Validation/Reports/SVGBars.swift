/// Draws a ``Chart`` as bars.
///
/// What is across is in percent, so that the bars take the width there is while the letters keep their size: a picture that was scaled
/// down to a phone's width could not be read.
enum SVGBars {
    private static let rowHeight = 44.0
    /// The share of the width that the longest bar takes; its value stands behind it.
    private static let reach = 70.0

    /// The chart as a figure: a picture for those who see it, and the same in words for those who do not.
    static func figure(_ chart: Chart) -> String {
        let values = chart.bars.flatMap { [$0.value, $0.range?.upperBound] }.compactMap(\.self).filter(\.isFinite)
        // A chart of zeroes still needs a scale.
        let most = max(values.max() ?? 0, 0.001)
        // A limit far beyond all bars would leave nothing to be seen of them.
        let drawnLimit = chart.limit.flatMap { $0 <= 10 * most ? $0 : nil }
        let greatest = max(most, drawnLimit ?? 0)
        func x(_ value: Double) -> Double { value.isNaN ? 0 : min(1, max(0, value) / greatest) * reach }
        let rows = chart.bars.enumerated().map { index, bar in
            row(bar, chart, top: Double(index) * rowHeight, x)
        }.joined()
        let height = Double(chart.bars.count) * rowHeight
        let limit = drawnLimit.map { value in
            """
            <line class="limit" x1="\(percent(x(value)))" x2="\(percent(x(value)))" y1="0" y2="\(number(height))"/>

            """
        }
        let spoken = chart.bars.map { bar in "\(bar.label): \(words(bar, chart.unit))" }.joined(separator: "; ")
        let hasRanges = chart.bars.contains { $0.range != nil }
        let legend = [
            "In \(chart.unit).",
            hasRanges ? "The thin line goes from the least to the greatest." : nil,
            chart.limit.map { limit in
                drawnLimit == nil
                    ? "The limit, \(amount(limit, chart.unit)), is far off."
                    : "The dashed line is the limit, \(amount(limit, chart.unit))."
            },
        ].compactMap(\.self).joined(separator: " ")
        return """
            <figure><figcaption>\(HTMLText.escaped(chart.title))</figcaption>
            <svg role="img" width="100%" height="\(number(height))" aria-label="\(HTMLText.escaped(spoken))">
            \(rows)\(limit ?? "")</svg>
            \(HTMLText.element("p", legend, class: "soft"))</figure>

            """
    }

    private static func row(_ bar: Chart.Bar, _ chart: Chart, top: Double, _ x: (Double) -> Double) -> String {
        // A long name would leave the picture; all of it is in the tooltip and in the words.
        let name = bar.label.count > 44 ? bar.label.prefix(27) + "…" + bar.label.suffix(16) : bar.label[...]
        var shapes = """
            <g><title>\(HTMLText.escaped("\(bar.label): \(words(bar, chart.unit))"))</title>
            <text x="0" y="\(number(top + 14))">\(HTMLText.escaped(String(name)))</text>

            """
        guard let value = bar.value else {
            return shapes + "<text class=\"none\" x=\"0\" y=\"\(number(top + 33))\">no measurement</text></g>\n"
        }
        let isOver = chart.limit.map { value > $0 } ?? false
        shapes += """
            <rect class="\(isOver ? "over" : "bar")" x="0" y="\(number(top + 20))" width="\(percent(x(value)))" height="16"/>

            """
        if let range = bar.range {
            shapes += """
                <line class="span" x1="\(percent(x(range.lowerBound)))" x2="\(percent(x(range.upperBound)))" \
                y1="\(number(top + 28))" y2="\(number(top + 28))"/>

                """
        }
        let end = x(max(value, bar.range?.upperBound ?? 0))
        return shapes + """
            <text x="\(percent(end))" dx="6" y="\(number(top + 33))">\(HTMLText.escaped(amount(value, chart.unit)))</text></g>

            """
    }

    // MARK: Words

    private static func words(_ bar: Chart.Bar, _ unit: String) -> String {
        guard let value = bar.value else { return "no measurement" }
        let range = bar.range.map { " (\(number($0.lowerBound)) to \(number($0.upperBound)))" } ?? ""
        return amount(value, unit) + range
    }

    private static func amount(_ value: Double, _ unit: String) -> String { "\(number(value)) \(unit)" }

    private static func percent(_ value: Double) -> String { "\(number(value))%" }

    /// A number with at most one decimal for large ones and three for small ones.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let scale = value.magnitude >= 100 ? 1.0 : value.magnitude >= 1 ? 10 : 1000
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() && rounded.magnitude < 1e15 ? String(Int64(rounded)) : String(rounded)
    }
}
