import Testing

@testable import HostInventory

struct RPMQueryTests {
    private func parse(_ text: String, _ fields: [RPMField]) throws -> [RPMFields] {
        try RPMFields.parse(Array(text.utf8), fields: fields, program: "rpm")
    }

    @Test func format() {
        #expect(
            RPMField.format(of: [.name, .epoch])
                == "%|NAME?{%{NAME:shescape}}:{''}| %|EPOCHNUM?{%{EPOCHNUM:shescape}}:{''}|\\n")
    }

    /// As rpm 4.18 prints it.
    @Test func words() throws {
        let found = try parse(
            "'alpha' 2 '1.5' '3' 'noarch' 'It'\\''s \"an\" & <alpha> package' '' '' '- Fix CVE-2024-12345\n- it'\\''s '\\''twice'\\'''\n"
                + "'beta' 0 '1' '2' 'x86_64' '' '' '' ''\n",
            RPMField.allCases)
        #expect(found.count == 2)
        #expect(found[0].id == "alpha-2:1.5-3.noarch")
        #expect(found[0][.summary] == "It's \"an\" & <alpha> package")
        #expect(found[0][.change] == "- Fix CVE-2024-12345\n- it's 'twice'")
        #expect(found[1].id == "beta-1-2.x86_64")
        #expect(try parse("", [.name]).isEmpty)
    }

    @Test(arguments: ["'a", "a\n", "'a'", "'a' \n", "'a'\n'b", "\n", "'a'\\", "'a'\n'b'\nc"])
    func damage(_ text: String) {
        #expect(throws: HostUpdatesError.self) { try parse(text, [.name]) }
    }

    @Test func namesWithoutAnArchitecture() throws {
        let key = try parse(
            "'gpg-pubkey' 0 'fd431d51' '4ae0493b' ''\n", [.name, .epoch, .version, .release, .architecture])
        #expect(key[0].id == "gpg-pubkey-fd431d51-4ae0493b")
    }
}
