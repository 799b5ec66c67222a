import Foundation

/// A report as one HTML file: the summary first, then a page for each test. It needs neither scripts nor a network, and reads
/// on a phone, on paper and aloud.
public enum HTMLReport {
    /// The file's contents, in UTF-8.
    public static func page(_ report: ValidationReport) -> String {
        let title = "Cluster validation of " + report.nodes.map(\.name).joined(separator: ", ")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(HTMLText.escaped(title)): \(report.verdict.words)</title>
            <link rel="icon" href="data:,">
            <style>
            \(HTMLStyle.sheet)
            </style>
            </head>
            <body>
            <a class="skip" href="#results">Skip to the results</a>
            <header>
            <h1 id="top">\(HTMLText.escaped(title))</h1>
            <p class="soft">\(HTMLText.escaped(report.generator)), \(timestamp(report.began)), \(duration(report.took))</p>
            </header>
            <main>
            \(summary(report))
            \(results(report))
            \(report.tests.filter { $0.verdict != .excluded }.map(test).joined(separator: "\n"))
            \(cleanup(report))
            </main>
            </body>
            </html>

            """
    }

    // MARK: The summary

    private static func summary(_ report: ValidationReport) -> String {
        let counts = Verdict.allCases.reversed().compactMap { verdict -> String? in
            let count = report.tests.count { $0.verdict == verdict }
            return count == 0 ? nil : "\(count) \(verdict.words)"
        }.joined(separator: ", ")
        let findings = report.tests.flatMap { test in
            test.findings.filter { $0.severity != .information }.map { (test, $0) }
        }
        var html = """
            <p class="verdict \(report.verdict.rawValue)"><span>\(HTMLText.escaped(sentence(report.verdict)))
            \(HTMLText.escaped(counts.isEmpty ? "No test was run." : "Of \(report.tests.count) tests: \(counts)."))</span></p>

            """
        if !findings.isEmpty {
            html += "<h2>What to act on</h2>\n<ul class=\"findings\">\n"
            html += findings.map { test, finding in item(finding, link: test) }.joined()
            html += "</ul>\n"
        }
        html += "<h2>What was validated</h2>\n"
        html += HTMLText.table(
            "Nodes", columns: ["Node", "Host label", "Version", "Reached"],
            rows: report.nodes.map { node in
                [node.name, node.hostLabel ?? "", node.version ?? "", node.failure ?? "yes"].map(HTMLText.escaped)
            })
        if !report.disks.isEmpty {
            html += HTMLText.table(
                "Disks", columns: ["Disk", "Identifier", "Number on each node", "Tested"],
                rows: report.disks.map { disk in
                    let numbers = disk.numbers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
                    return [disk.name, disk.identifier, numbers.joined(separator: ", "), disk.exclusion ?? "yes"]
                        .map(HTMLText.escaped)
                })
        }
        return html
    }

    private static func sentence(_ verdict: Verdict) -> String {
        switch verdict {
        case .passed: "Everything that was tested is as a failover cluster needs it."
        case .warning: "A failover cluster can be made of this, but something is worth a look."
        case .failed: "A failover cluster made of this cannot be relied on."
        case .unfinished: "The validation did not come to its end."
        case .notApplicable, .excluded: "There was nothing to test."
        }
    }

    private static func results(_ report: ValidationReport) -> String {
        var html = "<h2 id=\"results\">Results</h2>\n<nav aria-label=\"Results\">\n"
        for category in TestCategory.allCases {
            let tests = report.tests(in: category)
            guard !tests.isEmpty else { continue }
            html += HTMLText.table(
                category.title, columns: ["Result", "Test", "Outcome", "Time"],
                rows: tests.map { test in
                    let name = HTMLText.escaped(test.title)
                    let link = test.verdict == .excluded ? name : "<a href=\"#\(anchor(test))\">\(name)</a>"
                    let time = test.verdict == .excluded ? "" : duration(test.took)
                    return [
                        mark(test.verdict.rawValue, test.verdict.words), link, HTMLText.escaped(test.summary), time,
                    ]
                })
        }
        return html + "</nav>\n"
    }

    // MARK: One test

    private static func test(_ test: TestResult) -> String {
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
        for table in test.tables {
            html += HTMLText.table(
                table.title, columns: table.columns, rows: table.rows.map { $0.map(HTMLText.escaped) })
        }
        if !test.steps.isEmpty { html += steps("Steps", test.steps) }
        return html + "<p class=\"back\"><a href=\"#results\">Back to the results</a></p>\n</section>\n"
    }

    private static func steps(_ caption: String, _ steps: [TestStep]) -> String {
        HTMLText.table(
            caption, columns: ["Result", "Node", "Step", "Call", "Returned", "Time"],
            rows: steps.map { step in
                let detail = step.detail.map { "<br>" + HTMLText.element("span", $0, class: "soft") } ?? ""
                let subject = [step.node, step.disk].compactMap(\.self).joined(separator: ", ")
                return [
                    mark(step.outcome.rawValue, word(step.outcome)), HTMLText.escaped(subject),
                    HTMLText.escaped(step.text) + detail, step.call.map(name) ?? "", step.call.map(returned) ?? "",
                    step.took > 0 ? duration(step.took) : "",
                ]
            }, class: "steps")
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

    private static func item(_ finding: Finding, link test: TestResult?) -> String {
        let source = test.map { "<p><a href=\"#\(anchor($0))\">\(HTMLText.escaped($0.title))</a></p>" } ?? ""
        let command = finding.command.map { "<p class=\"soft\">Seen at <code>\(HTMLText.escaped($0))</code></p>" } ?? ""
        let advice = finding.advice.map { HTMLText.element("p", $0) } ?? ""
        return """
            <li class="\(finding.severity.rawValue)-item">\(mark(finding.severity.rawValue, finding.severity.rawValue))
            <p><strong>\(HTMLText.escaped(finding.subject)):</strong> \(HTMLText.escaped(finding.text))</p>
            \(advice)\(command)\(source)</li>

            """
    }

    private static func cleanup(_ report: ValidationReport) -> String {
        guard !report.cleanup.isEmpty else { return "" }
        return """
            <section class="test" aria-labelledby="cleanup">
            <h2 id="cleanup">What was put back</h2>
            \(steps("After the tests", report.cleanup))</section>
            """
    }

    // MARK: Pieces

    /// A result for the eye and the ear: never the colour alone.
    private static func mark(_ className: String, _ words: String) -> String {
        HTMLText.element("span", words, class: "mark \(className)")
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

    private static func anchor(_ test: TestResult) -> String { "test-" + HTMLText.escaped(test.id) }

    private static func capitalised(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst()
    }

    private static func timestamp(_ date: Date) -> String {
        HTMLText.escaped(date.formatted(.iso8601))
    }

    static func duration(_ milliseconds: Double) -> String {
        milliseconds < 1000 ? "\(SVGBars.number(milliseconds)) ms" : "\(SVGBars.number(milliseconds / 1000)) s"
    }
}
