extension NodeUpdatesXML {
    /// Why a document is none of [MS-CSVP] 3.16.4.1.
    public enum ParsingError: Error, Sendable, Hashable, CustomStringConvertible {
        /// It is no well-formed XML, or uses a document type, which this format has not.
        ///
        /// - Parameter offset: where, in octets of UTF-8.
        case malformed(reason: String, offset: Int)
        /// It is XML of another kind.
        case unexpected(element: String)
        /// An update lacks an element that it must have.
        case missing(element: String)
        /// Its version is not 1.0.
        case version(String)

        /// What is the matter.
        public var description: String {
            switch self {
            case .malformed(let reason, let offset): "the list of updates is no XML: \(reason) at octet \(offset)"
            case .unexpected(let element): "the list of updates has an element \"\(element)\" in a wrong place"
            case .missing(let element): "an update has no element \"\(element)\""
            case .version(let version): "the list of updates has version \"\(version)\" instead of 1.0"
            }
        }
    }

    /// The updates that a document describes.
    ///
    /// White space, comments and declarations between elements are passed over, and so are elements that the specification does not
    /// know where an update's own stand: other servers may add to it.
    ///
    /// - Throws: ``ParsingError``.
    public static func updates(in document: String) throws(ParsingError) -> [NodeUpdate] {
        var reader = XMLReader(document)
        guard case .start(let name, let attributes, let isEmpty) = try reader.nextTag() else {
            throw .missing(element: "updates")
        }
        guard name == "updates" else { throw .unexpected(element: name) }
        guard attributes["version"] == "1.0" else { throw .version(attributes["version"] ?? "") }
        var updates: [NodeUpdate] = []
        while !isEmpty {
            guard case .start(let name, _, let isEmpty) = try reader.nextTag() else { break }
            guard name == "update" else { throw .unexpected(element: name) }
            guard !isEmpty else { throw .missing(element: "id") }
            updates.append(try update(&reader))
        }
        try reader.finish()
        return updates
    }

    /// The elements that an update must have.
    private static let required = [
        "id", "title", "description", "supportUrl", "knowledgebase", "securityBulletin", "superseded",
    ]

    private static func update(_ reader: inout XMLReader) throws(ParsingError) -> NodeUpdate {
        var update = NodeUpdate(id: "")
        var seen: Set<String> = []
        while case .start(let name, _, let isEmpty) = try reader.nextTag() {
            switch name {
            case "id": update.id = isEmpty ? "" : try reader.text()
            case "title": update.title = isEmpty ? "" : try reader.text()
            case "description": update.description = isEmpty ? "" : try reader.text()
            case "supportUrl": update.supportURL = isEmpty ? "" : try reader.text()
            case "knowledgebase": update.articleIDs = isEmpty ? [] : try list(of: "articleId", &reader)
            case "securityBulletin": update.bulletinIDs = isEmpty ? [] : try list(of: "bulletinId", &reader)
            case "superseded": update.supersededIDs = isEmpty ? [] : try list(of: "updateId", &reader)
            default: if !isEmpty { try reader.skipElement() }
            }
            guard seen.insert(name).inserted || !required.contains(name) else { throw .unexpected(element: name) }
        }
        for name in required where !seen.contains(name) { throw .missing(element: name) }
        return update
    }

    private static func list(of item: String, _ reader: inout XMLReader) throws(ParsingError) -> [String] {
        var texts: [String] = []
        while case .start(let name, _, let isEmpty) = try reader.nextTag() {
            guard name == item else { throw .unexpected(element: name) }
            texts.append(isEmpty ? "" : try reader.text())
        }
        return texts
    }
}
