import Glibc

/// An IP address as [MS-CSVP] writes it in a BSTR: dotted decimal for IPv4, and for IPv6 the text of colons or the twenty digits of
/// RFC 1924, to which the specification refers.
public struct NodeAddress: Sendable, Hashable {
    /// The kinds, by the numbers they have on the wire (3.6.4.2): Windows' AF_INET and AF_INET6.
    public enum Family: UInt16, Sendable, CaseIterable {
        /// AF_INET.
        case v4 = 0x0002
        /// AF_INET6. Linux's is 10.
        case v6 = 0x0017
    }

    /// Four octets or sixteen, in network order.
    public let octets: [UInt8]
    /// The index of the interface whose link the address belongs to, where the text told it (`fe80::1%2`); else zero.
    public let scope: UInt32

    /// An address of four or sixteen octets in network order; nil for any other number.
    public init?(octets: some Sequence<UInt8>, scope: UInt32 = 0) {
        self.octets = Array(octets)
        guard self.octets.count == 4 || self.octets.count == 16 else { return nil }
        self.scope = scope
    }

    /// Reads an address; nil for what is none. An IPv6 address that stands for an IPv4 one (`::ffff:192.0.2.1`) is none:
    /// it would be of one family in the text and of the other one on the network.
    public init?(_ text: String) {
        // The longest there is: eight groups, the last two as an IPv4 address, and a scope.
        guard text.utf8.count <= 64, !text.utf8.contains(0) else { return nil }
        if let compact = Self.compact(text) {
            self.init(octets: compact)
        } else {
            let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
            var octets = [UInt8](repeating: 0, count: 16)
            if parts.count == 1, inet_pton(AF_INET, text, &octets) == 1 {
                self.init(octets: octets.prefix(4))
            } else if inet_pton(AF_INET6, String(parts[0]), &octets) == 1 {
                self.init(octets: octets, scope: 0)
                if parts.count == 2 {
                    guard isLinkLocal, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                        let scope = UInt32(parts[1]), scope > 0
                    else { return nil }
                    self.init(octets: octets, scope: scope)
                }
            } else {
                return nil
            }
        }
        if family == .v6, octets.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) { return nil }
    }

    /// RFC 1924: the address as a number of twenty digits to the base of 85, none of which is a colon or a full stop.
    private static func compact(_ text: String) -> [UInt8]? {
        guard text.utf8.count == 20 else { return nil }
        var octets = [UInt8](repeating: 0, count: 16)
        for digit in text.utf8 {
            guard let value = digits.firstIndex(of: digit) else { return nil }
            var carry = value
            for index in octets.indices.reversed() {
                carry += Int(octets[index]) * 85
                octets[index] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
            // 85²⁰ is more than 2¹²⁸.
            guard carry == 0 else { return nil }
        }
        return octets
    }

    private static let digits = Array(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~".utf8)

    /// The kind.
    public var family: Family { octets.count == 4 ? .v4 : .v6 }

    /// Whether packets can be sent from it and to it: it is not the unspecified address, none of a group, and not the broadcast.
    public var isUnicast: Bool {
        switch family {
        case .v4: octets[0] != 0 && octets[0] < 224
        case .v6: octets[0] != 0xFF && octets.contains { $0 != 0 }
        }
    }

    /// Whether it is of fe80::/10, and means nothing without a link.
    var isLinkLocal: Bool {
        octets.count == 16 && octets[0] == 0xFE && octets[1] & 0xC0 == 0x80
    }
}

extension NodeAddress: CustomStringConvertible {
    /// `192.0.2.1`, or `2001:db8::1` in the form of RFC 5952, with the scope where there is one.
    public var description: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        // The buffer holds the longest address there is, so nothing can fail.
        _ = inet_ntop(family == .v4 ? AF_INET : AF_INET6, octets, &buffer, socklen_t(buffer.count))
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return scope == 0 ? text : "\(text)%\(scope)"
    }
}
