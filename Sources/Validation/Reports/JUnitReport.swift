import Foundation

/// A report as JUnit XML: a suite for each category, a case for each test.
public enum JUnitReport {
    /// The document, in UTF-8. Warnings are in a case's output, since the form has no word for them; what keeps the validation from being
    /// complete and belongs to no test is in a suite of its own.
    public static func document(_ report: ValidationReport) -> String {
        let suites = TestCategory.allCases.compactMap { category -> String? in
            let tests = report.tests(in: category)
            return tests.isEmpty ? nil : suite(category.title, category.rawValue, tests, report.began)
        }
        let troubles = troubles(report)
        let all = suites + (troubles.isEmpty ? [] : [suite("Validation", "validation", troubles, report.began)])
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="cluster validation" \(counts(report.tests + troubles)) time="\(seconds(report.took))">
            \(all.joined(separator: "\n"))
            </testsuites>

            """
    }

    /// What no test says: nodes that were not reached, and what could not be put back.
    private static func troubles(_ report: ValidationReport) -> [TestResult] {
        func trouble(_ title: String, _ verdict: Verdict, _ summary: String) -> TestResult {
            TestResult(
                id: "validation", title: title, category: .inventory, purpose: "", verdict: verdict,
                summary: summary)
        }
        return report.nodes.compactMap { node in node.failure.map { trouble("Reach \(node.name)", .unfinished, $0) } }
            + report.cleanup.filter { $0.outcome == .bad }.map { step in
                trouble(
                    "Put back \(step.disk ?? "everything")", .warning,
                    [step.text, step.detail].compactMap(\.self).joined(separator: ". "))
            }
    }

    private static func suite(
        _ name: String, _ className: String, _ tests: [TestResult], _ began: Date
    ) -> String {
        let time = tests.map(\.took).reduce(0, +)
        let stamp = began.formatted(.iso8601)
        return """
            <testsuite name="\(xml(name))" \(counts(tests)) time="\(seconds(time))" timestamp="\(xml(stamp))">
            \(tests.map { testCase($0, className) }.joined(separator: "\n"))
            </testsuite>
            """
    }

    private static func testCase(_ test: TestResult, _ className: String) -> String {
        let findings = test.findings.map { finding in
            let command = finding.command.map { " (\($0))" } ?? ""
            let advice = finding.advice.map { "\n  \($0)" } ?? ""
            return "\(finding.severity.rawValue): \(finding.subject): \(finding.text)\(command)\(advice)"
        }.joined(separator: "\n")
        let body =
            switch test.verdict {
            case .passed, .warning: ""
            case .failed: "<failure message=\"\(xml(test.summary))\">\(xml(findings))</failure>"
            case .unfinished: "<error message=\"\(xml(test.summary))\">\(xml(findings))</error>"
            case .notApplicable, .excluded: "<skipped message=\"\(xml(test.summary))\"/>"
            }
        let output =
            test.verdict == .passed || test.verdict == .warning
            ? "<system-out>\(xml(([test.summary, findings].filter { !$0.isEmpty }).joined(separator: "\n")))</system-out>"
            : ""
        return """
            <testcase classname="\(xml(className))" name="\(xml(test.title))" time="\(seconds(test.took))">\
            \(body)\(output)</testcase>
            """
    }

    private static func counts(_ tests: [TestResult]) -> String {
        let failures = tests.count { $0.verdict == .failed }
        let errors = tests.count { $0.verdict == .unfinished }
        let skipped = tests.count { $0.verdict == .notApplicable || $0.verdict == .excluded }
        return "tests=\"\(tests.count)\" failures=\"\(failures)\" errors=\"\(errors)\" skipped=\"\(skipped)\""
    }

    private static func seconds(_ milliseconds: Double) -> String { String(format: "%.3f", milliseconds / 1000) }

    /// XML 1.0 has no way of writing most control characters, and two code points that are none.
    private static func xml(_ text: String) -> String {
        String(
            HTMLText.escaped(text).unicodeScalars.map { scalar in
                scalar.value == 0xFFFE || scalar.value == 0xFFFF ? "\u{FFFD}" : Character(scalar)
            })
    }
}
