import Testing

@testable import HostInventory

struct AdvisoriesTests {
    private func advisories(_ text: String) -> Advisories {
        var advisories = Advisories()
        advisories.add(text.utf8)
        return advisories
    }

    @Test func vulnerabilities() {
        let found = advisories(
            "* Fix CVE-2024-6387, CVE-2024-6387 (cve-2023-48795). See CVE-2021-1234567: done/CVE-2020-0001.")
        #expect(found.vulnerabilities == ["CVE-2024-6387", "CVE-2023-48795", "CVE-2021-1234567", "CVE-2020-0001"])
        #expect(found.bulletins.isEmpty)
    }

    @Test(arguments: [
        "DSA-5764-1", "DLA-3782-1", "ELA-1074-1", "USN-6859-1", "LSN-0104-1", "RHSA-2024:4312", "RHBA-2024:0001",
        "RHEA-2024:0001", "ELSA-2024-4312", "ALSA-2024:4312", "RLSA-2024:4312", "SUSE-SU-2024:2275-1",
    ])
    func bulletins(_ name: String) {
        #expect(advisories("security (\(name)): x").bulletins == [name])
        #expect(advisories(name).bulletins == [name])
        #expect(advisories("\(name), \(name)\n- \(name)-2").bulletins == [name])
        #expect(advisories(name.lowercased().replacing("suse-su", with: "SUSE-SU")).bulletins == [name])
    }

    @Test(arguments: [
        "CVE-2024", "CVE-2024-", "CVE-2024-123", "XCVE-2024-12345", "CVE_2024_1234", "DSA", "DSA-5764", "USN-",
        "RHSA-2024-1",
        "CVE-2024-99999999999999999999", "",
    ])
    func noAdvisories(_ text: String) {
        #expect(advisories(text).vulnerabilities == [])
        #expect(advisories(text).bulletins == [])
    }

    @Test func isBounded() {
        let many = (0..<5000).map { "CVE-2024-\(10000 + $0)" }.joined(separator: " ")
        #expect(advisories(many).vulnerabilities.count == HostUpdate.listLimit)
    }
}
