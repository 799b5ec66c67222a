import ErrorCodes
import Foundation
import Testing

@testable import ClusterProtocols

/// The XML of [MS-CSVP] 3.16.4.1, written and read.
struct NodeUpdatesXMLTests {
    private func text(_ updates: [NodeUpdate], limit: Int = NodeUpdatesXML.lengthLimit) throws -> String {
        String(decoding: try NodeUpdatesXML.document(of: updates, limit: limit), as: UTF16.self)
    }

    private static let full = NodeUpdate(
        id: "i", title: "t", description: "d", supportURL: "s", articleIDs: ["a1", "a2"], bulletinIDs: ["b"],
        supersededIDs: ["u1", "u2"])

    /// Written by hand from the specification's list of elements.
    @Test func document() throws {
        #expect(try text([]) == #"<updates version="1.0"></updates>"#)
        #expect(
            try text([NodeUpdate(id: "i"), Self.full])
                == #"<updates version="1.0"><update><id>i</id><title></title><description></description>"#
                + "<supportUrl></supportUrl><knowledgebase/><securityBulletin/><superseded/></update>"
                + "<update><id>i</id><title>t</title><description>d</description><supportUrl>s</supportUrl>"
                + "<knowledgebase><articleId>a1</articleId><articleId>a2</articleId></knowledgebase>"
                + "<securityBulletin><bulletinId>b</bulletinId></securityBulletin>"
                + "<superseded><updateId>u1</updateId><updateId>u2</updateId></superseded></update></updates>")
    }

    /// XML 1.0, 2.2: what a character is, and what is none.
    @Test func escaping() throws {
        #expect(NodeUpdatesXML.escaped("a & <b> \"c\" 'd' ]]>") == "a &amp; &lt;b&gt; \"c\" 'd' ]]&gt;")
        #expect(NodeUpdatesXML.escaped("\t\n\r\r\n") == "\t\n&#13;&#13;\n")
        #expect(
            NodeUpdatesXML.escaped("\u{0}\u{8}\u{B}\u{C}\u{E}\u{1F} ") == String(repeating: "\u{FFFD}", count: 6) + " ")
        #expect(NodeUpdatesXML.escaped("\u{FFFD}\u{FFFE}\u{FFFF}\u{10000}") == "\u{FFFD}\u{FFFD}\u{FFFD}\u{10000}")
        #expect(
            NodeUpdatesXML.escaped("\u{7F}\u{85}\u{D7FF}\u{E000}\u{10FFFF}") == "\u{7F}\u{85}\u{D7FF}\u{E000}\u{10FFFF}"
        )
        // Half of a pair cannot be in a Swift string; what was one comes as U+FFFD.
        #expect(NodeUpdatesXML.escaped(String(decoding: [0xD800, 0x41] as [UInt16], as: UTF16.self)) == "\u{FFFD}A")
    }

    @Test func lengthLimit() throws {
        var update = Self.full
        update.description = String(repeating: "&", count: 100)
        let both = try text([update, update])
        #expect(try text([update, update], limit: both.utf16.count) == both)
        // One less, and the last description goes.
        let shorter = try text([update, update], limit: both.utf16.count - 1)
        #expect(shorter.utf16.count == both.utf16.count - 500)
        #expect(try NodeUpdatesXML.updates(in: shorter).map(\.description.count) == [100, 0])
        let bare = both.utf16.count - 1000
        #expect(try text([update, update], limit: bare).utf16.count == bare)
        #expect(throws: Win32Error.moreData) { try text([update, update], limit: bare - 1) }
    }

    @Test func roundTrips() throws {
        var odd = Self.full
        odd.title = "a & <b>\r\n\t\u{10FFFF} ]]> é"
        odd.articleIDs = ["", " x "]
        for updates in [[], [Self.full], [odd, NodeUpdate(id: "é")]] {
            #expect(try NodeUpdatesXML.updates(in: text(updates)) == updates)
        }
    }

    /// What other servers might send.
    @Test func otherForms() throws {
        let document = """
            \u{FEFF}<?xml version="1.0" encoding="utf-16"?><!-- a -- comment -->
            <updates version = '1.0' more="&lt;&#x41;" >
              <update><superseded  /><securityBulletin></securityBulletin>
                <knowledgebase><!-- - --><articleId>KB&#49;</articleId><articleId/></knowledgebase>
                <isBeta>no<deep><deeper/></deep></isBeta><supportUrl><![CDATA[http://a/?b=<&>]]></supportUrl>
                <description> two\r\nlines\r</description><title>a<!-- b -->c</title><id>i</id >
              </update>
            </updates>

            """
        #expect(
            try NodeUpdatesXML.updates(in: document) == [
                NodeUpdate(
                    id: "i", title: "ac", description: " two\nlines\n", supportURL: "http://a/?b=<&>",
                    articleIDs: ["KB1", ""])
            ])
        #expect(try NodeUpdatesXML.updates(in: "<updates version=\"1.0\"/>") == [])
    }

    @Test(arguments: [
        "", " ", "updates", "<updates", "<updates>", "<updates/>", "<updates version=\"2.0\"/>",
        "<update version=\"1.0\"/>",
        "<updates version=\"1.0\">", "<updates version=\"1.0\"></update>", "<updates version=\"1.0\"/><x/>",
        "<updates version=\"1.0\"/>x", "<updates version=\"1.0\">x</updates>",
        "<updates version=\"1.0\"><x/></updates>",
        "<updates version=\"1.0\"><update/></updates>", "<updates version=\"1.0\" version=\"1.0\"/>",
        "<updates version=\"1.0\"more=\"\"/>", "<updates version=1.0/>", "<updates version=\"1.0/>",
        "<updates version/>",
        "<!DOCTYPE updates [<!ENTITY a \"b\">]><updates version=\"1.0\"/>", "<updates version=\"&a;\"/>",
        "<updates version=\"1.0\"><update><id>&#0;</id>", "<updates version=\"1.0\"><update><id>&#xD800;</id>",
        "<updates version=\"1.0\"><update><id>\u{1}</id>", "<updates version=\"1.0\"><update><id>&</id>",
        "<updates version=\"1.0\"><update><id>a<b/></id>", "<updates version=\"1.0\"><!-- ", "<", "</", "<//>", "<!",
        "<?", "&",
    ])
    func damage(_ document: String) {
        #expect(throws: NodeUpdatesXML.ParsingError.self) { try NodeUpdatesXML.updates(in: document) }
    }

    @Test func missingAndRepeatedElements() throws {
        let document = try text([Self.full])
        for element in ["id", "title", "description", "supportUrl"] {
            let range = try #require(document.firstRange(of: "<\(element)>"))
            let rest = document[range.lowerBound...]
            let end = try #require(rest.firstRange(of: "</\(element)>")).upperBound
            let without = document[..<range.lowerBound] + document[end...]
            #expect(throws: NodeUpdatesXML.ParsingError.missing(element: element)) {
                try NodeUpdatesXML.updates(in: String(without))
            }
            let twice = document[..<end] + document[range.lowerBound...]
            #expect(throws: NodeUpdatesXML.ParsingError.unexpected(element: element)) {
                try NodeUpdatesXML.updates(in: String(twice))
            }
        }
    }

    @Test func deepAndLongDocuments() throws {
        let deep = String(repeating: "<x>", count: 100_000)
        #expect(throws: NodeUpdatesXML.ParsingError.self) {
            try NodeUpdatesXML.updates(in: "<updates version=\"1.0\"><update>" + deep)
        }
        let many = [NodeUpdate](repeating: Self.full, count: 10_000)
        #expect(try NodeUpdatesXML.updates(in: text(many)).count == 10_000)
    }

    /// Every prefix of a document is one that is damaged, and none keeps the reader from answering.
    @Test func truncation() throws {
        let document = try text([NodeUpdate(id: "i"), Self.full])
        for end in document.indices {
            #expect(throws: NodeUpdatesXML.ParsingError.self) {
                try NodeUpdatesXML.updates(in: String(document[..<end]))
            }
        }
    }

    /// Documents with octets changed at random, always the same ones: read or refused, in the end.
    @Test func mutations() throws {
        var state: UInt64 = 1
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let alphabet = Array("<>/=\"'&;#!-?[] ax1\n".utf8)
        let document = Array(try text([NodeUpdate(id: "a&b"), Self.full]).utf8)
        var read = 0
        for _ in 0..<20_000 {
            var mutated = document
            for _ in 0..<(1 + random(3)) {
                mutated[random(mutated.count)] = alphabet[random(alphabet.count)]
            }
            let updates = try? NodeUpdatesXML.updates(in: String(decoding: mutated, as: UTF8.self))
            if let updates {
                read += 1
                // What was read can be written, and reads as the same.
                #expect(try NodeUpdatesXML.updates(in: text(updates)) == updates)
            }
        }
        #expect(read > 100)
    }

    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/xmllint"), "install libxml2-utils"))
    func schema() throws {
        let schema = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../docs/cluster-updates.xsd").standardized
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("updates-\(UUID().uuidString).xml")
        defer { try? FileManager.default.removeItem(at: file) }
        func isValid(_ document: String) throws -> Bool {
            try Data(document.utf8).write(to: file)
            let lint = Process()
            lint.executableURL = URL(fileURLWithPath: "/usr/bin/xmllint")
            lint.arguments = ["--noout", "--nonet", "--schema", schema.path, file.path]
            lint.standardError = FileHandle.nullDevice
            try lint.run()
            lint.waitUntilExit()
            return lint.terminationStatus == 0
        }
        var odd = NodeUpdate(id: "odd")
        odd.title =
            String(String.UnicodeScalarView((UInt32(0)...0x2FF).compactMap(Unicode.Scalar.init))) + "\u{FFFE}\u{FFFF}"
        odd.description = odd.title + "]]>&amp;<!--"
        odd.articleIDs = [odd.title, ""]
        #expect(try isValid(text([])))
        #expect(try isValid(text([Self.full, odd, NodeUpdate(id: "bare")])))
        // And the schema does find fault.
        #expect(try !isValid(text([Self.full, Self.full])))
        #expect(try !isValid(text([NodeUpdate(id: "")])))
        #expect(try !isValid(text([Self.full]).replacing("1.0", with: "1.1")))
        #expect(try !isValid(text([Self.full]).replacing("<title>t</title>", with: "")))
    }
}
