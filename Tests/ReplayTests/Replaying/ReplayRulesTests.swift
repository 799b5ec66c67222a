import NDR
import Testing

@testable import Replay

@Suite("Rules of a replay")
struct ReplayRulesTests {
    @Test(arguments: [
        ("a.b.c", "a.b.c", true), ("a.b.c", "a.*", true), ("a.b.c", "*.c", true), ("a.b.c", "a.*.c", true),
        ("a.b.c", "*", true), ("a.b[0].c", "a.b[*].c", true), ("a.b.c", "a.b", false), ("a.b.c", "*.b", false),
        ("a.b.c", "b*", false), ("aa", "a*a", true), ("a", "a*a", false), ("a.x.b.y.c", "a*b*c", true),
    ])
    func patterns(_ text: String, _ pattern: String, _ matches: Bool) {
        #expect(ReplayRules.matches(text, pattern) == matches)
    }

    @Test func readsFiles() throws {
        var rules = ReplayRules()
        try rules.add(
            """
            # a comment
            allow IClusterLog.*.LogFilePath : a name   # and another

            allow-type FILETIME: a time
            replace-text old new
            replace I.O.DiskId 0x10 17
            replace-guid 00112233-4455-6677-8899-aabbccddeeff {00000000-0000-0000-0000-000000000001}
            skip-association 7 : a wrong password
            """)
        #expect(rules.allowances.count == 2)
        #expect(rules.allowance(path: "IClusterLog.GenerateClusterLog.LogFilePath", types: []) == "a name")
        #expect(rules.allowance(path: "x", types: ["WIN32", "FILETIME"]) == "a time")
        #expect(rules.allowance(path: "x", types: []) == nil)
        #expect(rules.texts == ["old": "new"])
        #expect(rules.replacements == [.init(path: "I.O.DiskId", from: 16, to: 17)])
        #expect(rules.guids == ["00112233-4455-6677-8899-aabbccddeeff": "00000000-0000-0000-0000-000000000001"])
        #expect(rules.skippedAssociations == [7: "a wrong password"])
    }

    /// As Windows' editors end lines.
    @Test func linesWithCarriageReturns() throws {
        var rules = ReplayRules()
        try rules.add("# a comment\r\nreplace-text old new\r\n\r\nallow a.b : a name\r\n")
        #expect(rules.texts == ["old": "new"])
        #expect(rules.allowances == [.init(.path("a.b"), reason: "a name")])
        #expect(throws: ReplayRuleError(line: 3, reason: .missingReason)) { try rules.add("#\r\n#\r\nallow x\r\n") }
    }

    @Test(arguments: [
        ("allow x", ReplayRuleError.Reason.missingReason), ("allow : y", .wrongNumberOfWords("allow")),
        ("forbid x : y", .unknownRule("forbid")), ("replace a b c", .notANumber),
        ("replace-text a", .wrongNumberOfWords("replace-text")), ("replace-guid 1 2", .notAGUID),
        ("skip-association x : y", .notANumber),
    ])
    func saysWhatIsWrong(_ line: String, _ reason: ReplayRuleError.Reason) {
        var rules = ReplayRules()
        #expect(throws: ReplayRuleError(line: 2, reason: reason)) { try rules.add("# first\n" + line) }
    }

    /// Paths and addresses have colons; what replaces has no reason behind one.
    @Test func textsWithColons() throws {
        var rules = ReplayRules()
        try rules.add("replace-text C:\\Windows D:\\Windows\n  replace-text 2001:db8::1 2001:db8::2  # a node\n")
        #expect(rules.texts == ["C:\\Windows": "D:\\Windows", "2001:db8::1": "2001:db8::2"])
    }

    /// What one rule has put in is nothing for another, and the longest that fits counts.
    @Test func textsThatChangePlaces() throws {
        var rules = ReplayRules()
        try rules.add("replace-text node1 node2\nreplace-text node2 node1\nreplace-text node node0")
        #expect(rules.replaced("node1, node2, node3") == "node2, node1, node03")
        #expect(rules.replaced("") == "")
        #expect(ReplayRules(texts: ["": "x"]).replaced("node") == "node")
    }
}
