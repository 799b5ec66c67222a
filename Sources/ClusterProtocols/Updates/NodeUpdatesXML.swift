import ErrorCodes

/// The XML in which a node describes its updates ([MS-CSVP] 3.16.4.1).
public enum NodeUpdatesXML {
    /// The most characters of UTF-16 in a document that a node sends: half of the response that clients take.
    public static let lengthLimit = 16 << 20

    /// The document as the units of a BSTR. There is no XML declaration: the string starts with the tag "updates".
    ///
    /// Where the document would be longer than the limit, descriptions are left empty, the last one first: they are what is
    /// long, and nothing is compared by them.
    ///
    /// - Throws: ERROR_MORE_DATA where that is not enough.
    public static func document(
        of updates: [NodeUpdate], limit: Int = lengthLimit
    ) throws(Win32Error) -> [UInt16] {
        var parts = updates.map(Parts.init)
        var length = head.count + tail.count + parts.reduce(0) { $0 + $1.count }
        for index in parts.indices.reversed() {
            guard length > limit else { break }
            length -= parts[index].description.count
            parts[index].description = []
        }
        guard length <= limit else { throw .moreData }
        var units: [UInt16] = []
        units.reserveCapacity(length)
        units += head
        for part in parts {
            units += part.start
            units += part.description
            units += part.end
        }
        return units + tail
    }

    private static let head = Array(#"<updates version="1.0">"#.utf16)
    private static let tail = Array("</updates>".utf16)

    /// One "update" element, with what may be left out apart.
    private struct Parts {
        var start: [UInt16]
        var description: [UInt16]
        var end: [UInt16]

        var count: Int { start.count + description.count + end.count }

        init(_ update: NodeUpdate) {
            start = Array(
                ("<update>" + element("id", update.id) + element("title", update.title) + "<description>").utf16)
            description = Array(escaped(update.description).utf16)
            end = Array(
                ("</description>" + element("supportUrl", update.supportURL)
                    + list("knowledgebase", of: "articleId", update.articleIDs)
                    + list("securityBulletin", of: "bulletinId", update.bulletinIDs)
                    + list("superseded", of: "updateId", update.supersededIDs) + "</update>").utf16)
        }
    }

    private static func element(_ name: String, _ text: String) -> String {
        "<\(name)>\(escaped(text))</\(name)>"
    }

    /// "If the collection is empty, then the element MUST be an empty XML element."
    private static func list(_ name: String, of item: String, _ texts: [String]) -> String {
        guard !texts.isEmpty else { return "<\(name)/>" }
        return "<\(name)>" + texts.map { element(item, $0) }.joined() + "</\(name)>"
    }

    /// Any text as the content of an element (XML 1.0, 2.2 and 2.4). What XML cannot say at all, most control characters and two
    /// that are none, becomes U+FFFD. A carriage return is written as a reference, as a parser would make a line feed of it.
    static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x26: result.append(contentsOf: "&amp;".unicodeScalars)
            case 0x3C: result.append(contentsOf: "&lt;".unicodeScalars)
            case 0x3E: result.append(contentsOf: "&gt;".unicodeScalars)
            case 0x0D: result.append(contentsOf: "&#13;".unicodeScalars)
            case 0x09, 0x0A: result.append(scalar)
            case 0..<0x20, 0xFFFE, 0xFFFF: result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
