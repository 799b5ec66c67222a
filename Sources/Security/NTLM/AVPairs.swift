/// An attribute/value list: how the server describes itself, and how the client repeats and completes that.
///
/// Source: [MS-NLMP] 2.2.2.1. The order is kept, because the client's proof covers the octets.
struct AVPairs: Sendable, Equatable {
    /// The attributes' numbers.
    struct Identifier: RawRepresentable, Sendable, Hashable {
        let rawValue: UInt16

        static let end = Identifier(rawValue: 0)
        static let netbiosComputerName = Identifier(rawValue: 1)
        static let netbiosDomainName = Identifier(rawValue: 2)
        static let dnsComputerName = Identifier(rawValue: 3)
        static let dnsDomainName = Identifier(rawValue: 4)
        static let dnsTreeName = Identifier(rawValue: 5)
        static let flags = Identifier(rawValue: 6)
        static let timestamp = Identifier(rawValue: 7)
        static let singleHost = Identifier(rawValue: 8)
        static let targetName = Identifier(rawValue: 9)
        static let channelBindings = Identifier(rawValue: 10)
    }

    /// The bits of ``Identifier/flags``.
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt32

        /// The client provides a message integrity code.
        static let integrityCode = Flags(rawValue: 0x2)
        /// The client has the target's name from a source that proves nothing.
        static let unverifiedTarget = Flags(rawValue: 0x4)
    }

    /// One attribute.
    struct Pair: Sendable, Equatable {
        var identifier: Identifier
        var value: [UInt8]
    }

    /// All attributes but the closing one, each at most once.
    private(set) var pairs: [Pair] = []

    init() {}

    /// Reads a list up to its closing attribute.
    ///
    /// Octets after that are ignored: clients close the list with up to four more zeroes, as [MS-NLMP] 3.3.2 has it, or not.
    ///
    /// - Throws: ``SecurityError/malformedToken(_:)`` if an attribute reaches over the end, comes twice or has the wrong length,
    ///   or if the list is not closed.
    init(_ bytes: ArraySlice<UInt8>) throws(SecurityError) {
        var rest = bytes
        // Looked up, not searched for: a client that nobody knows yet may name every number there is.
        var seen: Set<Identifier> = []
        while true {
            guard rest.count >= 4 else { throw .malformedToken("AV_PAIR list at \(rest.startIndex): not closed") }
            let start = rest.startIndex
            let identifier = Identifier(rawValue: UInt16(rest[start]) | UInt16(rest[start + 1]) << 8)
            let length = Int(rest[start + 2]) | Int(rest[start + 3]) << 8
            rest = rest.dropFirst(4)
            guard length <= rest.count else {
                throw .malformedToken(
                    "AV_PAIR \(identifier.rawValue) at \(start): \(length) octets, \(rest.count) there")
            }
            if identifier == .end {
                guard length == 0 else { throw .malformedToken("AV_PAIR list at \(start): the end has a value") }
                return
            }
            guard seen.insert(identifier).inserted else {
                throw .malformedToken("AV_PAIR \(identifier.rawValue) at \(start): a second one")
            }
            try Self.check(identifier, length: length, at: start)
            pairs.append(Pair(identifier: identifier, value: Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
    }

    private static func check(_ identifier: Identifier, length: Int, at offset: Int) throws(SecurityError) {
        let fits =
            switch identifier {
            case .flags: length == 4
            case .timestamp: length == 8
            case .channelBindings: length == 16
            case .netbiosComputerName, .netbiosDomainName, .dnsComputerName, .dnsDomainName, .dnsTreeName, .targetName:
                length.isMultiple(of: 2)
            default: true
            }
        guard fits else {
            throw .malformedToken("AV_PAIR \(identifier.rawValue) at \(offset): \(length) octets do not fit its type")
        }
    }

    /// The list as it stands in a message, closed.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for pair in pairs + [Pair(identifier: .end, value: [])] {
            bytes.appendLittleEndian(pair.identifier.rawValue)
            bytes.appendLittleEndian(UInt16(clamping: pair.value.count))
            bytes += pair.value
        }
        return bytes
    }

    /// An attribute's octets. Setting replaces in place, or appends.
    subscript(identifier: Identifier) -> [UInt8]? {
        get { pairs.first { $0.identifier == identifier }?.value }
        set {
            let index = pairs.firstIndex { $0.identifier == identifier }
            switch (index, newValue) {
            case (let index?, let value?): pairs[index].value = value
            case (let index?, nil): pairs.remove(at: index)
            case (nil, let value?): pairs.append(Pair(identifier: identifier, value: value))
            case (nil, nil): break
            }
        }
    }

    /// The flags attribute, or no flags if there is none.
    var flags: Flags {
        get { Flags(rawValue: self[.flags].map { UInt32(truncatingIfNeeded: $0.littleEndianValue) } ?? 0) }
        set {
            var bytes: [UInt8] = []
            bytes.appendLittleEndian(newValue.rawValue)
            self[.flags] = bytes
        }
    }

    /// The server's clock as a FILETIME, if the list has it.
    var timestamp: UInt64? {
        get { self[.timestamp]?.littleEndianValue }
        set {
            self[.timestamp] = newValue.map { time in
                var bytes: [UInt8] = []
                bytes.appendLittleEndian(time)
                return bytes
            }
        }
    }
}

extension Array<UInt8> {
    /// Appends an integer, its lowest octet first.
    mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    /// The integer whose octets these are, the lowest first; at most eight.
    var littleEndianValue: UInt64 {
        precondition(count <= 8)
        return reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
