/// The page of one test within a report: what it is for, how it ended, what it found and measured, and each of its steps.
enum HTMLTestPage {
    static func section(_ test: TestResult) -> String {
        var html = """
            <section class="test" id="\(anchor(test))" aria-labelledby="\(anchor(test))-title">
            <p class="soft">\(HTMLText.escaped(test.category.title))</p>
            <h2 id="\(anchor(test))-title">\(HTMLText.escaped(test.title))</h2>
            <p>\(HTMLText.escaped(test.purpose))</p>
            <p class="verdict \(test.verdict.rawValue)"><span>\(HTMLText.escaped(capitalised(test.verdict.words))).
            \(HTMLText.escaped(test.summary))</span></p>

            """
        if !test.findings.isEmpty {
            html += "<h3>Findings</h3>\n<ul class=\"findings\">\n"
            html += test.findings.map { item($0, link: nil) }.joined()
            html += "</ul>\n"
        }
        html += test.charts.map(SVGBars.figure).joined()
        html += test.tables.map(self.table).joined()
        html += steps("Steps", test.steps)
        return html + "<p class=\"back\"><a href=\"#results\">Back to the results</a></p>\n</section>\n"
    }

    /// What was done after the tests; nothing where nothing was.
    static func cleanup(_ steps: [TestStep]) -> String {
        guard !steps.isEmpty else { return "" }
        return """
            <section class="test" aria-labelledby="cleanup">
            <h2 id="cleanup">What was put back</h2>
            \(self.steps("After the tests", steps))</section>
            """
    }

    // MARK: Findings

    /// A finding as an item of a list, with a link to the test that made it where the list is elsewhere.
    static func item(_ finding: Finding, link test: TestResult?) -> String {
        let source = test.map { "<p><a href=\"#\(anchor($0))\">\(HTMLText.escaped($0.title))</a></p>" } ?? ""
        let command = finding.command.map { "<p class=\"soft\">Seen at <code>\(HTMLText.escaped($0))</code></p>" } ?? ""
        let advice = finding.advice.map { "<p>What to do: \(HTMLText.escaped($0))</p>" } ?? ""
        return """
            <li class="\(finding.severity.rawValue)">\(mark(finding.severity.rawValue, finding.severity.rawValue))
            <p><strong>\(HTMLText.escaped(finding.subject)):</strong> \(HTMLText.escaped(finding.text))</p>
            \(advice)\(command)\(source)</li>

            """
    }

    // MARK: Tables

    /// The rows from which on a table begins folded.
    private static let long = 50

    /// A table of what was found; a long one begins folded, for it is a list to look something up in.
    private static func table(_ table: TestResult.Table) -> String {
        let html = HTMLText.table(
            table.title, columns: table.columns, rows: table.rows.map { $0.map(HTMLText.escaped) })
        guard table.rows.count > long else { return html }
        let summary = HTMLText.escaped("\(table.title) (\(table.rows.count) rows)")
        return "<details><summary>\(summary)</summary>\n\(html)</details>\n"
    }

    // MARK: Steps

    /// The steps, to be folded away by who has seen enough of them. They begin unfolded: what is folded is not printed.
    private static func steps(_ caption: String, _ steps: [TestStep]) -> String {
        guard !steps.isEmpty else { return "" }
        let table = HTMLText.table(
            "\(caption), in their order", columns: ["Result", "Where", "Step", "Call", "Returned", "Time"],
            rows: steps.map { step in
                let detail = step.detail.map { "<br>" + HTMLText.element("span", $0, class: "soft") } ?? ""
                let subject = [step.node, step.disk].compactMap(\.self).joined(separator: ", ")
                return [
                    mark(step.outcome.rawValue, word(step.outcome)), HTMLText.escaped(subject),
                    HTMLText.escaped(step.text) + detail, step.call.map(name) ?? "", step.call.map(returned) ?? "",
                    step.took > 0 ? HTMLReport.duration(step.took) : "",
                ]
            }, class: "steps")
        return "<details open><summary>\(caption) (\(steps.count))</summary>\n\(table)</details>\n"
    }

    private static func name(_ call: TestStep.Call) -> String {
        let number = call.number.map { " (\($0))" } ?? ""
        return "<code>\(HTMLText.escaped(call.name))</code>"
            + HTMLText.element("span", " \(call.interface)\(number)", class: "soft")
    }

    private static func returned(_ call: TestStep.Call) -> String {
        let result = call.result.map { "<code>\(HTMLText.escaped($0))</code>" } ?? "no answer"
        return result + (call.meaning.map { " " + HTMLText.escaped($0) } ?? "")
    }

    private static func word(_ outcome: TestStep.Outcome) -> String {
        switch outcome {
        case .good: "good"
        case .note: "note"
        case .doubtful: "doubtful"
        case .bad: "bad"
        case .lost: "no answer"
        }
    }

    // MARK: Pieces

    /// A result for the eye and the ear: never the colour alone.
    static func mark(_ className: String, _ words: String) -> String {
        HTMLText.element("span", words, class: "mark \(className)")
    }

    /// The place of a test's page.
    static func anchor(_ test: TestResult) -> String { "test-" + HTMLText.escaped(test.id) }

    private static func capitalised(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst()
    }
}
