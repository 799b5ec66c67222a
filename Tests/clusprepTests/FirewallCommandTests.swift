import ArgumentParser
import Foundation
import HostInventory
import Testing

@testable import clusprep

struct FirewallCommandTests {
    @Test(
        arguments: [
            ("1", 1...1), ("65535", 65535...65535), ("49152-65535", 49152...65535), ("7-7", 7...7),
        ] as [(String, ClosedRange<UInt16>)])
    func ports(_ text: String, _ range: ClosedRange<UInt16>) throws {
        #expect(try ExporterPorts.range(text) == range)
        #expect(try FirewallShow.parse(["--ports", text]).ports.range == range)
    }

    @Test(arguments: ["", "0", "65536", "2-1", "1-", "-1", "1-2-3", "smb", "0-5"])
    func portsThatAreNone(_ text: String) {
        #expect(throws: ValidationError.self) { try ExporterPorts.range(text) }
    }

    @Test
    func report() throws {
        let id = try #require(HostAdapter.ID(octets: Array(0..<16)))
        let adapter = HostAdapter(id: id, index: 2, name: "lan0", summary: "")
        let verdict = AdapterFirewall(
            adapter: id, profile: .private, serverRules: true, managementRules: false, commonRules: true,
            unevaluated: ["a rule\u{1B}[2J"], refusals: ["445/tcp"])
        let report = FirewallReport(adapters: [FirewallEntry(adapter, verdict)])
        #expect(!report.isOpen)
        #expect(
            report.lines(on: Terminal(isColoured: false)) == [
                "ADAPTER  PROFILE  SERVER   MANAGEMENT  COMMON", "lan0     private  allowed  refused     allowed",
                "lan0: 445/tcp", "lan0: not evaluated: a rule?[2J",
            ])
        let json = try JSONSerialization.jsonObject(with: Data(report.prettyJSON().utf8)) as? [String: Any]
        #expect(json?["schema"] as? Int == 1)
        let first = (json?["adapters"] as? [[String: Any]])?.first
        #expect(first?["id"] as? String == "00010203-0405-0607-0809-0A0B0C0D0E0F")
        #expect(first?["management"] as? Bool == false)
        #expect(FirewallReport(adapters: []).isOpen)
        #expect(FirewallReport(adapters: []).lines(on: Terminal(isColoured: false)).count == 1)
    }
}
