/// Reads XML 1.0 as far as [MS-CSVP] 3.16.4.1 needs it: elements, attributes, text, references, CDATA sections; comments and
/// processing instructions are passed over. There is no document type, so there are no entities to grow or to be fetched.
///
/// A document comes from the network: reading takes time and memory in proportion to its length, whatever it holds.
struct XMLReader {
    /// What stands between pieces of text.
    enum Tag: Equatable {
        case start(name: String, attributes: [String: String], isEmpty: Bool)
        case end
    }

    typealias Failure = NodeUpdatesXML.ParsingError

    private let octets: [UInt8]
    private var position = 0
    /// The names of the elements that are open.
    private var open: [ArraySlice<UInt8>] = []
    /// Elements within each other; the format has four.
    private static let depthLimit = 32

    init(_ document: String) {
        octets = Array(document.utf8)
        if octets.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// The next tag, with nothing but white space before it.
    mutating func nextTag() throws(Failure) -> Tag {
        let text = try self.text(upTo: .tag)
        guard text.utf8.allSatisfy(Self.isSpace) else { throw malformed("text between elements") }
        return try tag()
    }

    /// The text up to the end of the element whose start has been read.
    mutating func text() throws(Failure) -> String {
        let text = try self.text(upTo: .tag)
        guard case .end = try tag() else { throw malformed("an element within text") }
        return text
    }

    /// Passes over the rest of the element whose start has been read.
    mutating func skipElement() throws(Failure) {
        let depth = open.count
        while open.count >= depth {
            _ = try text(upTo: .tag)
            _ = try tag()
        }
    }

    /// Sees to it that all elements are closed, and nothing follows.
    mutating func finish() throws(Failure) {
        guard open.isEmpty else { throw malformed("an element that does not end") }
        let text = try self.text(upTo: .end)
        guard text.utf8.allSatisfy(Self.isSpace) else { throw malformed("text after the last element") }
    }

    // MARK: Pieces

    private enum Goal {
        case tag
        case end
    }

    private func malformed(_ reason: String) -> Failure {
        .malformed(reason: reason, offset: position)
    }

    private static func isSpace(_ octet: UInt8) -> Bool {
        [0x20, 0x09, 0x0A, 0x0D].contains(octet)
    }

    private func comes(_ text: StaticString) -> Bool {
        octets[position...].starts(with: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Passes over everything up to and including this.
    private mutating func skip(past text: StaticString) throws(Failure) -> ArraySlice<UInt8> {
        let start = position
        while position < octets.count {
            if comes(text) {
                defer { position += text.utf8CodeUnitCount }
                return octets[start..<position]
            }
            position += 1
        }
        throw malformed("no \(text)")
    }

    private mutating func text(upTo goal: Goal) throws(Failure) -> String {
        var text: [UInt8] = []
        while position < octets.count {
            if octets[position] != UInt8(ascii: "<") {
                try take(into: &text)
            } else if comes("<!--") {
                position += 4
                _ = try skip(past: "-->")
            } else if comes("<?") {
                _ = try skip(past: "?>")
            } else if comes("<![CDATA[") {
                position += 9
                text += try skip(past: "]]>")
            } else if comes("<!") {
                throw malformed("a document type")
            } else {
                guard goal == .tag else { throw malformed("an element after the last one") }
                return String(decoding: text, as: UTF8.self)
            }
        }
        guard goal == .end else { throw malformed("the end in the middle") }
        return String(decoding: text, as: UTF8.self)
    }

    /// One octet of text, or what a reference stands for.
    private mutating func take(into text: inout [UInt8]) throws(Failure) {
        let octet = octets[position]
        switch octet {
        case UInt8(ascii: "&"):
            text += try reference()
        case 0x0D:
            // XML 1.0, 2.11: ends of lines become line feeds.
            text.append(0x0A)
            position += position + 1 < octets.count && octets[position + 1] == 0x0A ? 2 : 1
        default:
            guard octet >= 0x20 || octet == 0x09 || octet == 0x0A else { throw malformed("a control character") }
            text.append(octet)
            position += 1
        }
    }

    private mutating func reference() throws(Failure) -> [UInt8] {
        position += 1
        guard let end = octets[position...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else {
            throw malformed("a reference that does not end")
        }
        let name = String(decoding: octets[position..<end], as: UTF8.self)
        let scalar: Unicode.Scalar?
        switch name {
        case "amp": scalar = "&"
        case "lt": scalar = "<"
        case "gt": scalar = ">"
        case "quot": scalar = "\""
        case "apos": scalar = "'"
        default:
            let number = name.hasPrefix("#x") ? UInt32(name.dropFirst(2), radix: 16) : UInt32(name.dropFirst())
            scalar = name.hasPrefix("#") ? number.flatMap(Unicode.Scalar.init) : nil
        }
        guard let scalar, scalar.value >= 0x20 || [0x09, 0x0A, 0x0D].contains(scalar.value) else {
            throw malformed("a reference to nothing")
        }
        position = end + 1
        return Array(String(Character(scalar)).utf8)
    }

    private mutating func tag() throws(Failure) -> Tag {
        position += 1
        if position < octets.count, octets[position] == UInt8(ascii: "/") {
            position += 1
            let name = try self.name()
            skipSpace()
            guard name == open.popLast() else { throw malformed("the end of an element that is not open") }
            try expect(UInt8(ascii: ">"))
            return .end
        }
        let name = try self.name()
        var attributes: [String: String] = [:]
        while true {
            let hasSpace = skipSpace()
            guard position < octets.count else { throw malformed("a tag that does not end") }
            let isEmpty = octets[position] == UInt8(ascii: "/")
            if isEmpty { position += 1 }
            if isEmpty || octets[position] == UInt8(ascii: ">") {
                try expect(UInt8(ascii: ">"))
                if !isEmpty {
                    guard open.count < Self.depthLimit else { throw malformed("too many elements in each other") }
                    open.append(name)
                }
                return .start(
                    name: String(decoding: name, as: UTF8.self), attributes: attributes, isEmpty: isEmpty)
            }
            guard hasSpace else { throw malformed("no space before an attribute") }
            let key = String(decoding: try self.name(), as: UTF8.self)
            guard attributes.updateValue(try attributeValue(), forKey: key) == nil else {
                throw malformed("an attribute twice")
            }
        }
    }

    private mutating func attributeValue() throws(Failure) -> String {
        skipSpace()
        try expect(UInt8(ascii: "="))
        skipSpace()
        guard position < octets.count, [0x22, 0x27].contains(octets[position]) else {
            throw malformed("an attribute without quotes")
        }
        let quote = octets[position]
        position += 1
        var text: [UInt8] = []
        while position < octets.count, octets[position] != quote {
            guard octets[position] != UInt8(ascii: "<") else { throw malformed("< in an attribute") }
            try take(into: &text)
        }
        try expect(quote)
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func name() throws(Failure) -> ArraySlice<UInt8> {
        let start = position
        while position < octets.count, Self.isName(octets[position]) { position += 1 }
        guard position > start else { throw malformed("a tag without a name") }
        return octets[start..<position]
    }

    private static func isName(_ octet: UInt8) -> Bool {
        octet >= 0x80 || (0x30...0x3A).contains(octet) || (0x61...0x7A).contains(octet | 0x20)
            || [0x2D, 0x2E, 0x5F].contains(octet)
    }

    @discardableResult
    private mutating func skipSpace() -> Bool {
        let start = position
        while position < octets.count, Self.isSpace(octets[position]) { position += 1 }
        return position > start
    }

    private mutating func expect(_ octet: UInt8) throws(Failure) {
        guard position < octets.count, octets[position] == octet else {
            throw malformed("no \(String(UnicodeScalar(octet)))")
        }
        position += 1
    }
}
