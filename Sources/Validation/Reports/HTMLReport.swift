import Foundation

/// A report as one HTML file: the summary first, then a page for each test. It needs neither scripts nor a network, and reads
/// on a phone, on paper and aloud.
public enum HTMLReport {
    /// The file's contents, in UTF-8.
    public static func page(_ report: ValidationReport) -> String {
        let title = "Cluster validation of " + subject(report)
        let soft = "\(report.generator), \(timestamp(report.began)), took \(duration(report.took))"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
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
            \(HTMLText.element("p", soft, class: "soft"))
            </header>
            <main>
            \(summary(report))
            \(results(report))
            \(report.tests.filter { $0.verdict != .excluded }.map(HTMLTestPage.section).joined(separator: "\n"))
            \(HTMLTestPage.cleanup(report.cleanup))
            </main>
            </body>
            </html>

            """
    }

    /// What was validated: the nodes, or the disk where there was no node.
    private static func subject(_ report: ValidationReport) -> String {
        let hasAskedNodes = report.nodes.contains { $0.hostLabel != nil || $0.version != nil || $0.failure != nil }
        let names = hasAskedNodes || report.disks.isEmpty ? report.nodes.map(\.name) : report.disks.map(\.name)
        return names.joined(separator: ", ")
    }

    // MARK: The summary

    private static func summary(_ report: ValidationReport) -> String {
        let findings = report.tests.flatMap { test in
            test.findings.filter { $0.severity != .information }.map { (test, $0) }
        }.sorted { $0.1.severity.verdict > $1.1.severity.verdict }
        let tests = report.tests.isEmpty ? "No test was run." : "Tests: \(counts(report.tests))."
        var html = """
            <p class="verdict \(report.verdict.rawValue)"><span>\(HTMLText.escaped(sentence(report.verdict)))
            \(HTMLText.escaped(tests))</span></p>

            """
        if !findings.isEmpty {
            html += "<h2>What to act on</h2>\n<ul class=\"findings\">\n"
            html += findings.map { test, finding in HTMLTestPage.item(finding, link: test) }.joined()
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

    /// "1 failed, 6 passed", the heaviest first.
    private static func counts(_ tests: [TestResult]) -> String {
        Verdict.allCases.reversed().compactMap { verdict in
            let count = tests.count { $0.verdict == verdict }
            return count == 0 ? nil : "\(count) \(verdict.words)"
        }.joined(separator: ", ")
    }

    // MARK: The results

    private static func results(_ report: ValidationReport) -> String {
        let categories = TestCategory.allCases.filter { !report.tests(in: $0).isEmpty }
        var html = "<section aria-labelledby=\"results\">\n<h2 id=\"results\">Results</h2>\n"
        if categories.count > 1 {
            html += HTMLText.table(
                "By category", columns: ["Result", "Category", "Tests"],
                rows: categories.map { category in
                    let tests = report.tests(in: category)
                    let verdict = tests.map(\.verdict).heaviest
                    return [
                        HTMLTestPage.mark(verdict.rawValue, verdict.words),
                        "<a href=\"#category-\(category.rawValue)\">\(HTMLText.escaped(category.title))</a>",
                        HTMLText.escaped(counts(tests)),
                    ]
                })
        }
        for category in categories {
            html += HTMLText.table(
                category.title, columns: ["Result", "Test", "Outcome", "Time"],
                rows: report.tests(in: category).map { test in
                    let isOut = test.verdict == .excluded
                    let name = HTMLText.escaped(test.title)
                    let link = isOut ? name : "<a href=\"#\(HTMLTestPage.anchor(test))\">\(name)</a>"
                    return [
                        HTMLTestPage.mark(test.verdict.rawValue, test.verdict.words), link,
                        HTMLText.escaped(test.summary), isOut ? "" : duration(test.took),
                    ]
                }, id: "category-\(category.rawValue)")
        }
        return html + "</section>\n"
    }

    // MARK: Pieces

    private static func timestamp(_ date: Date) -> String {
        let style = Date.ISO8601FormatStyle(dateSeparator: .dash, dateTimeSeparator: .space, timeZone: .gmt)
        return date.formatted(style.year().month().day().time(includingFractionalSeconds: false)) + " UTC"
    }

    static func duration(_ milliseconds: Double) -> String {
        milliseconds < 1000 ? "\(SVGBars.number(milliseconds)) ms" : "\(SVGBars.number(milliseconds / 1000)) s"
    }
}
