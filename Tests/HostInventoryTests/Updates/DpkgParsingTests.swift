import Testing

@testable import HostInventory

struct DpkgParsingTests {
    private func packages(_ text: String) throws -> [DpkgPackage] {
        try DpkgStatus.packages(in: Array(text.utf8), source: "status")
    }

    @Test func status() throws {
        let found = try packages(
            """
            Package: gcc
            Status: install ok installed
            Architecture: amd64
            Source: gcc-defaults (1.203)
            Version: 4:12.2.0-3
            Conffiles:
             /etc/x 0123
             Version: not this one
            Description: GNU C compiler
             Version: nor this one
            Homepage: https://gcc.gnu.org/


            Package: old
            Status: deinstall ok config-files
            Architecture: all
            """)
        #expect(found.count == 2)
        #expect(
            found[0]
                == DpkgPackage(
                    name: "gcc", architecture: "amd64", version: "4:12.2.0-3", state: "installed",
                    source: "gcc-defaults", sourceVersion: "1.203", homepage: "https://gcc.gnu.org/",
                    synopsis: "GNU C compiler"))
        #expect(found[0].isInstalled && !found[1].isInstalled)
        #expect(try packages("").isEmpty)
        #expect(try packages("\n\n\n").isEmpty)
    }

    @Test(arguments: [
        ("installed", true), ("triggers-pending", true), ("triggers-awaited", true), ("half-installed", false),
        ("unpacked", false), ("half-configured", false), ("config-files", false), ("not-installed", false),
    ])
    func states(_ state: String, _ counts: Bool) throws {
        let found = try packages("Package: a\nStatus: install ok \(state)\nVersion: 1\n")
        #expect(found.map(\.isInstalled) == [counts])
    }

    @Test(arguments: [
        "Status: install ok installed\nVersion: 1", "Package: a\nVersion: 1",
        "Package: a\nStatus: install ok installed",
        "Package: a\nStatus: installed\nVersion: 1", "rubbish",
    ])
    func damage(_ text: String) {
        #expect(throws: HostUpdatesError.self) { try packages(text) }
    }

    private func history(dpkg: String = "", apt: String = "") -> DpkgHistory {
        var history = DpkgHistory()
        history.add(dpkgLog: Array(dpkg.utf8))
        history.add(aptHistory: Array(apt.utf8))
        return history
    }

    private func package(_ version: String, _ architecture: String = "amd64") -> DpkgPackage {
        DpkgPackage(name: "libssl3", architecture: architecture, version: version, state: "installed")
    }

    @Test func dpkgLog() {
        let log = """
            2025-01-01 10:00:00 startup archives unpack
            2025-01-01 10:00:00 install libssl3:amd64 <none> 3.0.9-1
            2025-01-01 10:00:00 upgrade libssl3:amd64 3.0.9-1 3.0.10-1
            2025-01-01 10:00:01 status unpacked libssl3:amd64 3.0.10-1
            2025-02-01 10:00:00 upgrade libssl3:amd64 3.0.10-1 3.0.10-1
            2025-03-01 10:00:00 upgrade libssl3:i386 3.0.1-1 3.0.2-1
            2025-03-01 10:00:00 upgrade libssl3:amd64 3.0.10-1 3.0.11-1
            2025-03-02 10:00:00 upgrade libssl3:amd64 3.0.11-1 3.0.10-1
            2025-03-02 10:00:00 upgrade libssl3:amd64 <none> 3.0.10-1
            2025-03-03 10:00:00 upgrade libssl3:amd64
            """
        // 3.0.11 was taken back: the older version does not supersede it.
        #expect(history(dpkg: log).superseded(by: package("3.0.10-1")) == ["3.0.9-1"])
        #expect(history(dpkg: log).superseded(by: package("3.0.12-1")) == ["3.0.11-1", "3.0.10-1", "3.0.9-1"])
        #expect(history(dpkg: log).superseded(by: package("3.0.2-1", "i386")) == ["3.0.1-1"])
        #expect(history(dpkg: log).superseded(by: package("3.0.2-1", "arm64")) == [])
    }

    @Test func aptHistory() {
        let log = """

            Start-Date: 2025-06-24  14:36:25
            Commandline: apt-get upgrade libssl3 (1, 2)
            Install: libssl3:amd64 (9, automatic)
            Upgrade: tzdata:amd64 (2025a-0, 2025b-0), libssl3:amd64 (3.0.9-1, 3.0.10-1)
            End-Date: 2025-06-24  14:36:25
            """
        #expect(history(apt: log).superseded(by: package("3.0.10-1")) == ["3.0.9-1"])
        // apt calls the architecture of what has none by the host's.
        let zones = DpkgPackage(name: "tzdata", architecture: "all", version: "2025b-0", state: "installed")
        #expect(history(apt: log).superseded(by: zones) == ["2025a-0"])
        // Both logs tell of the same upgrade.
        let both = history(dpkg: "2025-01-01 10:00:00 upgrade libssl3:amd64 3.0.9-1 3.0.10-1\n", apt: log)
        #expect(both.superseded(by: package("3.0.10-1")) == ["3.0.9-1"])
    }

    private static let text = """
        foo (1.2-3+b1) sid; urgency=low, binary-only=yes

          * Binary-only non-maintainer upload for amd64; no source changes.

         -- Builder <b@example.org>  Tue, 02 Jan 2024 00:00:00 +0000

        foo (1.2-3) bookworm-security; urgency=high


          [ A B ]
          * Fix CVE-2024-0003. (Closes: #1)
            More of it; DSA-5764-1.

         -- A B <a@example.org>  Mon, 01 Jan 2024 00:00:00 +0000

        foo (1.2-2) bookworm; urgency=low

          * Fix CVE-2024-0002.

         -- A B <a@example.org>  Sun, 31 Dec 2023 00:00:00 +0000

        foo (1.2-1) bookworm; urgency=low

          * Fix CVE-2024-0001.
        """

    @Test func changelog() {
        let changelog = DebianChangelog(Array(Self.text.utf8))
        #expect(changelog.entries.map(\.version) == ["1.2-3+b1", "1.2-3", "1.2-2", "1.2-1"])
        #expect(changelog.entries.map(\.isBinaryOnly) == [true, false, false, false])
        #expect(
            changelog.newestChange
                == "[ A B ]\n* Fix CVE-2024-0003. (Closes: #1)\n  More of it; DSA-5764-1.")
        func advisories(_ previous: String?) -> Advisories {
            DebianChangelog.advisories(in: changelog.entries(since: previous))
        }
        #expect(advisories(nil).vulnerabilities == ["CVE-2024-0003"])
        #expect(advisories(nil).bulletins == ["DSA-5764-1"])
        #expect(advisories("1.2-2").vulnerabilities == ["CVE-2024-0003"])
        #expect(advisories("1.2-1").vulnerabilities == ["CVE-2024-0003", "CVE-2024-0002"])
        #expect(advisories("1.2-1.1").vulnerabilities == ["CVE-2024-0003", "CVE-2024-0002"])
        // Nothing that old is in the changelog: what was between is not known.
        #expect(advisories("1.0-1").vulnerabilities == ["CVE-2024-0003"])
        // A rebuild of the version that was there.
        #expect(advisories("1.2-3").vulnerabilities == ["CVE-2024-0003"])
    }

    @Test(arguments: [
        "", "\n", "no changelog (at all)", " foo (1) x; y", "foo (1 2) x; y", "foo bar (1) x; y", "foo () x;",
    ])
    func noChangelog(_ text: String) {
        let changelog = DebianChangelog(Array(text.utf8))
        #expect(changelog.entries.isEmpty && changelog.newestChange.isEmpty)
        #expect(changelog.entries(since: "1").isEmpty)
    }

    @Test func encodings() {
        #expect(String(ofUnknownEncoding: Array("Jürgen €".utf8)) == "Jürgen €")
        #expect(String(ofUnknownEncoding: [0x4A, 0xFC, 0x72, 0x67, 0x65, 0x6E]) == "Jürgen")
        // A surrogate is no UTF-8, so it is Latin-1, as are all octets.
        #expect(String(ofUnknownEncoding: [0xED, 0xA0, 0x80]) == "\u{ED}\u{A0}\u{80}")
        #expect(String(ofUnknownEncoding: Array(0...255)).unicodeScalars.count == 256)
    }

    @Test func longDescriptions() {
        let limit = HostUpdate.descriptionLimit
        let fits = String(repeating: "x", count: limit)
        #expect(HostUpdate.description(summary: fits, changes: "") == fits)
        #expect(HostUpdate.description(summary: "", changes: fits) == fits)
        for text in [fits + "x", String(repeating: "😀", count: limit), String(repeating: "e\u{301}", count: limit)] {
            let cut = HostUpdate.description(summary: text, changes: text)
            #expect(cut.utf16.count <= limit && cut.utf16.count > limit - 4 && cut.hasSuffix("…"))
        }
    }
}
