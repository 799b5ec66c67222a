import Foundation
import Testing

@testable import Validation

/// The forms of a report, made from one that has everything in it.
@Suite struct ReportTests {
    /// What a hostile disk calls itself.
    private static let hostile = "<script>alert(\"1\")</script>\u{1B}[2J & 'more'"

    private static var report: ValidationReport {
        var report = ValidationReport(
            generator: "clusprep test", began: Date(timeIntervalSince1970: 1_700_000_000),
            nodes: [.init("node1", hostLabel: "node1", version: "6.18"), .init("node2", failure: "no answer")])
        report.disks = [.init(hostile, identifier: "6001405", numbers: ["node1": 0], exclusion: "in use")]
        func result(_ id: String, _ category: TestCategory, _ verdict: Verdict, _ summary: String) -> TestResult {
            TestResult(
                id: id, title: "Test \(id)", category: category, purpose: "To be tried.", verdict: verdict,
                summary: summary)
        }
        var failed = result("b", .storage, .failed, hostile)
        failed.findings = [
            Finding(.error, hostile, "Wrong.", advice: "Mend it.", command: "PERSISTENT RESERVE OUT / CLEAR"),
            Finding(.information, "node1", "Fine."),
        ]
        failed.steps = [
            TestStep(
                "Clear", node: "node1", disk: "disk 0",
                call: .init(interface: "SCSI", name: "CLEAR", number: 0x5F, result: "GOOD", meaning: "done"),
                outcome: .bad,
                detail: hostile, began: 1, took: 2.5)
        ]
        failed.tables = [.init("What there is", columns: ["A", "B"], rows: [["1", hostile]])]
        failed.charts = [
            Chart(
                "Latency", unit: "ms",
                bars: [.init("fast", 0.5, range: 0.25...0.75), .init("slow", 200), .init("dead", nil)],
                limit: 100)
        ]
        failed.took = 1234
        report.tests = [
            result("a", .network, .passed, "Good."), failed, result("c", .storage, .excluded, "Not asked for."),
            result("d", .storage, .unfinished, "Interrupted."),
        ]
        report.cleanup = [TestStep("Released everything", outcome: .good)]
        report.took = 4321
        return report
    }

    // MARK: What it amounts to

    @Test(arguments: [
        ([Verdict.passed, .notApplicable, .excluded], Verdict.passed, Int32(0)), ([.passed, .warning], .warning, 0),
        ([.warning, .failed], .failed, 1), ([.failed, .unfinished], .unfinished, 1),
        ([.passed, .unfinished], .unfinished, 2),
        ([], .notApplicable, 2), ([.excluded], .excluded, 2),
    ])
    func exitStatus(verdicts: [Verdict], overall: Verdict, status: Int32) {
        var report = ValidationReport(generator: "test", began: Date(), nodes: [])
        report.tests = verdicts.map {
            TestResult(id: "t", title: "T", category: .storage, purpose: "", verdict: $0, summary: "")
        }
        #expect(report.verdict == overall)
        #expect(report.exitStatus == status)
    }

    @Test func whatCouldNotBePutBackIsAWarning() {
        var report = Self.report
        report.nodes = [report.nodes[0]]
        report.tests = [report.tests[0]]
        report.nodes = [report.nodes[0]]
        report.cleanup = [TestStep("Could not release", outcome: .bad)]
        #expect(report.verdict == .warning)
        let document = JUnitReport.document(report)
        #expect(
            document.contains("name=\"Put back everything\" time=\"0.000\"><system-out>Could not release</system-out>"))
    }

    @Test func ofANodeThatDidNotAnswerNothingCanBeSaid() {
        var report = Self.report
        report.tests = [report.tests[0]]
        #expect(report.verdict == .unfinished)
        #expect(report.exitStatus == 2)
    }

    // MARK: HTML

    @Test func nothingThatADiskSaysBecomesMarkup() {
        let page = HTMLReport.page(Self.report)
        #expect(!page.contains("<script"))
        #expect(!page.contains("\u{1B}"))
        #expect(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"))
    }

    @Test func thePageStandsAlone() {
        let page = HTMLReport.page(Self.report)
        // Nothing is fetched: every link is to a place in the page, or to data.
        for attribute in ["src=", "url(", "@import", "http:", "https:"] {
            #expect(!page.contains(attribute), "\(attribute)")
        }
        for part in page.components(separatedBy: "href=\"").dropFirst() {
            #expect(part.hasPrefix("#") || part.hasPrefix("data:,"))
        }
    }

    @Test func everyLinkHasItsPlace() {
        let page = HTMLReport.page(Self.report)
        let places = Set(page.components(separatedBy: " id=\"").dropFirst().map { $0.prefix { $0 != "\"" } })
        for part in page.components(separatedBy: "href=\"#").dropFirst() {
            #expect(places.contains(part.prefix { $0 != "\"" }), "\(part.prefix { $0 != "\"" })")
        }
        #expect(places.contains("test-b"))
        #expect(!places.contains("test-c"), "a test that was left out has no page")
    }

    @Test func resultsAreSaidInWordsToo() {
        let page = HTMLReport.page(Self.report)
        #expect(page.contains("<span class=\"mark failed\">failed</span>"))
        #expect(page.contains("aria-label=\"fast: 0.5 ms (0.25 to 0.75); slow: 200 ms; dead: no measurement\""))
        #expect(page.contains("A failover cluster") == false, "an unfinished validation concludes nothing")
    }

    @Test func theTitleNamesWhatWasValidated() {
        #expect(HTMLReport.page(Self.report).contains("<h1 id=\"top\">Cluster validation of node1, node2</h1>"))
        var report = Self.report
        report.nodes = [.init("this host")]
        report.disks[0].name = "disk.img"
        #expect(HTMLReport.page(report).contains("<h1 id=\"top\">Cluster validation of disk.img</h1>"))
    }

    @Test func theHeaviestFindingComesFirst() throws {
        var report = Self.report
        report.tests[0].findings = [Finding(.warning, "node2", "Odd.")]
        let page = HTMLReport.page(report)
        let error = try #require(page.range(of: "Wrong."))
        let warning = try #require(page.range(of: "Odd."))
        #expect(error.lowerBound < warning.lowerBound)
    }

    @Test func everyStepIsThere() {
        let page = HTMLReport.page(Self.report)
        #expect(page.contains("<details open><summary>Steps (1)</summary>"))
        #expect(page.contains("<code>CLEAR</code><span class=\"soft\"> SCSI (95)</span>"))
        #expect(page.contains("<code>GOOD</code> done"))
        #expect(page.contains("2.5 ms"))
        #expect(page.contains("2023-11-14 22:13:20 UTC"))
    }

    @Test func aTableWithoutRowsSaysSo() {
        let table = HTMLText.table("Nothing", columns: ["A", "B"], rows: [])
        #expect(table.contains("<td role=\"cell\" colspan=\"2\" class=\"soft\">None.</td>"))
    }

    @Test func aLongTableBeginsFolded() {
        var report = Self.report
        report.tests[1].tables = [
            .init("Short", columns: ["A"], rows: [["1"]]),
            .init("Long", columns: ["A"], rows: (0..<51).map { ["\($0)"] }),
        ]
        let page = HTMLReport.page(report)
        #expect(page.contains("<details><summary>Long (51 rows)</summary>"))
        #expect(!page.contains("<summary>Short"))
    }

    @Test func barsKeepWithinThePicture() {
        let bars = [
            Chart.Bar("huge", .infinity), .init("none", .nan), .init("less than nothing", -5), .init("some", 3),
        ]
        let figure = SVGBars.figure(Chart("Loss", unit: "%", bars: bars, limit: 1))
        for part in figure.components(separatedBy: "width=\"").dropFirst(2) {
            let width = part.prefix { $0 != "%" }
            #expect(Double(width).map { (0...100).contains($0) } == true, "\(width)")
        }
        #expect(figure.contains("The dashed line is the limit, 1 %."))
        let far = SVGBars.figure(Chart("Latency", unit: "ms", bars: [.init("fast", 0.5)], limit: 100))
        #expect(!far.contains("class=\"limit\"") && far.contains("The limit, 100 ms, is far off."))
    }

    // MARK: JSON

    @Test func jsonComesBack() throws {
        let document = try JSONReport.document(Self.report)
        #expect(try JSONReport.report(document) == Self.report)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(document.utf8)) as? [String: Any])
        #expect(object["format"] as? Int == 1)
        #expect(object["verdict"] as? String == "unfinished")
        #expect(object["began"] as? String == "2023-11-14T22:13:20Z")
    }

    @Test func aLaterFormIsNotRead() throws {
        let document = try JSONReport.document(Self.report).replacing("\"format\" : 1", with: "\"format\" : 2")
        #expect(throws: JSONReport.UnknownForm(version: 2)) { try JSONReport.report(document) }
    }

    // MARK: JUnit

    @Test func junitCounts() {
        let document = JUnitReport.document(Self.report)
        #expect(
            document.contains(
                "<testsuites name=\"cluster validation\" tests=\"5\" failures=\"1\" errors=\"2\" skipped=\"1\" time=\"4.321\">"
            ))
        #expect(
            document.contains(
                "<testsuite name=\"Storage\" tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"1\" time=\"1.234\""))
        #expect(document.contains("timestamp=\"2023-11-14T22:13:20Z\""))
        #expect(!document.contains("\u{1B}"))
        #expect(document.contains("<failure message=\"&lt;script&gt;"))
        #expect(document.contains("<testcase classname=\"validation\" name=\"Reach node2\""))
    }

    // MARK: Numbers

    @Test(arguments: [
        (0.0, "0"), (0.0123, "0.012"), (1.0, "1"), (12.34, "12.3"), (123.4, "123"), (.nan, "0"), (.infinity, "0"),
    ])
    func numbers(value: Double, text: String) {
        #expect(SVGBars.number(value) == text)
    }
}
