import ClusterProtocols
import HostInventory
import Testing

@testable import clusprep

/// `clusprep updates`: what is listed, and how it looks.
struct UpdatesCommandTests {
    private static let plain = UpdateListing.Entry(NodeUpdate(id: "a:all=1", title: "a 1"))
    private static let security = UpdateListing.Entry(
        HostUpdate(
            id: "b:all=3", title: "b\u{1B}[2J 3\nfake", description: "d", supportURL: "s",
            articleIDs: (1...7).map { "CVE-2024-000\($0)" }, bulletinIDs: ["DSA-1-1"],
            supersededIDs: ["b:all=2", "b:all=1"]))

    @Test func arguments() throws {
        let command = try UpdatesCommand.parse(["--security", "--json"])
        #expect(command.security && command.json && !command.count && command.node.node == nil)
        #expect(try UpdatesCommand.parse(["--node", "beta", "--user", "B\\admin", "--count"]).node.node == "beta")
        #expect(refusal(of: UpdatesCommand.self, ["--count", "--json"])?.contains("--count") == true)
        #expect(refusal(of: UpdatesCommand.self, ["--count", "--security"])?.contains("--count") == true)
        #expect(refusal(of: UpdatesCommand.self, ["--node", "beta"])?.contains("--user") == true)
        #expect(refusal(of: UpdatesCommand.self, ["beta"]) != nil)
    }

    @Test func lines() {
        let terminal = Terminal(isColoured: false)
        #expect(
            UpdateListing([Self.plain, Self.security], security: false).lines(on: terminal) == [
                "a 1", "b?[2J 3 fake", "    supersedes b:all=2 and 1 before it",
                "    repairs DSA-1-1, CVE-2024-0001, CVE-2024-0002, CVE-2024-0003, CVE-2024-0004, CVE-2024-0005 and 2 more",
                "2 updates",
            ])
        #expect(UpdateListing([Self.plain], security: true).lines(on: terminal) == ["1 update, 0 listed"])
        #expect(UpdateListing([], security: false).lines(on: terminal) == ["0 updates"])
        #expect(
            UpdateListing([Self.plain], security: false).lines(on: Terminal(isColoured: true)).last
                == "\u{1B}[1m1 update\u{1B}[0m")
    }

    @Test func json() throws {
        let listing = UpdateListing([Self.plain, Self.security], security: true)
        #expect(listing.updates == [Self.security] && listing.count == 2)
        let text = try UpdateListing([Self.plain], security: false).prettyJSON()
        #expect(
            text == """
                {
                  "count" : 1,
                  "schema" : 1,
                  "updates" : [
                    {
                      "articles" : [

                      ],
                      "bulletins" : [

                      ],
                      "description" : "",
                      "id" : "a:all=1",
                      "supersedes" : [

                      ],
                      "supportURL" : "",
                      "title" : "a 1"
                    }
                  ]
                }
                """)
    }
}
