/// Draws a ``Chart`` as bars.
enum SVGBars {
    private static let width = 640.0
    private static let rowHeight = 26.0
    private static let labelHeight = 18.0

    /// The chart as a figure: a picture for those who see it, and the same in words for those who do not.
    static func figure(_ chart: Chart) -> String {
        let reach = chart.bars.flatMap { [$0.value, $0.range?.upperBound] }.compactMap(\.self) + [chart.limit ?? 0]
        // A chart of zeroes still needs a scale.
        let greatest = max(reach.max() ?? 0, 0.001)
        let plotWidth = width - 90
        func x(_ value: Double) -> Double { max(0, value) / greatest * plotWidth }
        var shapes = ""
        var y = 0.0
        for bar in chart.bars {
            shapes += "<text x=\"0\" y=\"\(number(y + 14))\">\(HTMLText.escaped(bar.label))</text>\n"
            y += labelHeight
            if let value = bar.value {
                let isOver = chart.limit.map { value > $0 } ?? false
                shapes += """
                    <rect class="\(isOver ? "over" : "bar")" x="0" y="\(number(y + 4))" \
                    width="\(number(max(1, x(value))))" height="14"/>

                    """
                if let range = bar.range {
                    shapes += """
                        <line class="span" x1="\(number(x(range.lowerBound)))" x2="\(number(x(range.upperBound)))" \
                        y1="\(number(y + 11))" y2="\(number(y + 11))"/>

                        """
                }
                let end = x(max(value, bar.range?.upperBound ?? 0))
                shapes += """
                    <text x="\(number(end + 6))" y="\(number(y + 16))">\(amount(value, chart.unit))</text>

                    """
            } else {
                shapes += "<text x=\"0\" y=\"\(number(y + 16))\">no measurement</text>\n"
            }
            y += rowHeight
        }
        if let limit = chart.limit {
            shapes += """
                <line class="limit" x1="\(number(x(limit)))" x2="\(number(x(limit)))" y1="0" y2="\(number(y))"/>

                """
        }
        let words = chart.bars.map { bar in
            "\(bar.label): \(bar.value.map { amount($0, chart.unit) } ?? "no measurement")"
        }.joined(separator: "; ")
        let limitWords = chart.limit.map { " The dashed line is the limit, \(amount($0, chart.unit))." } ?? ""
        return """
            <figure><figcaption>\(HTMLText.escaped(chart.title))</figcaption>
            <svg role="img" viewBox="0 0 \(number(width)) \(number(y + 4))" aria-label="\(HTMLText.escaped(words))">
            \(shapes)</svg>
            <p class="soft">In \(HTMLText.escaped(chart.unit)).\(HTMLText.escaped(limitWords))</p></figure>

            """
    }

    private static func amount(_ value: Double, _ unit: String) -> String {
        HTMLText.escaped("\(number(value)) \(unit)")
    }

    /// A number with at most one decimal for large ones and three for small ones.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let scale = value.magnitude >= 100 ? 1.0 : value.magnitude >= 1 ? 10 : 1000
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() && rounded.magnitude < 1e15 ? String(Int64(rounded)) : String(rounded)
    }
}
