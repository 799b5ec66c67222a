/// A version of a Debian package, in the order of deb-version(7).
struct DebianVersion: Comparable {
    private let epoch: UInt64
    private let upstream: [UInt8]
    private let revision: [UInt8]

    /// Any text: what is no version sorts somewhere.
    init(_ text: String) {
        var rest = Array(text.utf8)[...]
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")),
            let number = UInt64(String(decoding: rest[..<colon], as: UTF8.self))
        {
            epoch = number
            rest = rest[(colon + 1)...]
        } else {
            epoch = 0
        }
        // "The last hyphen in the string (if there is one)"
        if let hyphen = rest.lastIndex(of: UInt8(ascii: "-")) {
            upstream = Array(rest[..<hyphen])
            revision = Array(rest[(hyphen + 1)...])
        } else {
            upstream = Array(rest)
            revision = []
        }
    }

    static func == (lhs: DebianVersion, rhs: DebianVersion) -> Bool {
        // 1.0 and 1.00 and 1.0-0 are one version.
        lhs.order(to: rhs) == 0
    }

    static func < (lhs: DebianVersion, rhs: DebianVersion) -> Bool {
        lhs.order(to: rhs) < 0
    }

    private func order(to other: DebianVersion) -> Int {
        if epoch != other.epoch { return epoch < other.epoch ? -1 : 1 }
        let order = Self.order(upstream, other.upstream)
        return order != 0 ? order : Self.order(revision, other.revision)
    }

    /// The comparison of two parts: by turns of what are no digits and what are.
    private static func order(_ lhs: [UInt8], _ rhs: [UInt8]) -> Int {
        var (left, right) = (lhs[...], rhs[...])
        while !left.isEmpty || !right.isEmpty {
            while isText(left.first) || isText(right.first) {
                let (a, b) = (weight(left.first), weight(right.first))
                if a != b { return a - b }
                left = left.dropFirst()
                right = right.dropFirst()
            }
            // Without leading zeros the longer number is the larger one, however long both are.
            let a = left.prefix(while: isDigit).drop { $0 == UInt8(ascii: "0") }
            let b = right.prefix(while: isDigit).drop { $0 == UInt8(ascii: "0") }
            if a.count != b.count { return a.count - b.count }
            if let difference = zip(a, b).first(where: { $0 != $1 }) { return Int(difference.0) - Int(difference.1) }
            left = left.drop(while: isDigit)
            right = right.drop(while: isDigit)
        }
        return 0
    }

    private static func isDigit(_ octet: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
    }

    private static func isText(_ octet: UInt8?) -> Bool {
        octet.map { !isDigit($0) } ?? false
    }

    /// A tilde before the end, the end before letters, letters before everything else.
    private static func weight(_ octet: UInt8?) -> Int {
        guard let octet, !isDigit(octet) else { return 0 }
        if octet == UInt8(ascii: "~") { return -1 }
        let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet | 0x20)
        return isLetter ? Int(octet) : Int(octet) + 256
    }
}
