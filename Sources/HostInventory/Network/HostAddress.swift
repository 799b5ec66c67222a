import Glibc

/// An IPv4 or IPv6 address of a host, or of one that it reaches.
public struct HostAddress: Sendable, Hashable {
    /// Which of the two kinds of address it is.
    public enum Family: Sendable, Hashable {
        /// IPv4: four octets.
        case v4
        /// IPv6: sixteen octets.
        case v6
    }

    /// The kind.
    public let family: Family
    /// The address in network order: four octets or sixteen.
    public let octets: [UInt8]
    /// The index of the interface whose link the address belongs to, for a link-local one; zero for others.
    public let scope: UInt32

    /// An address of four or sixteen octets in network order; nil for any other number.
    ///
    /// - Parameter scope: the interface's index; kept for link-local IPv6 addresses (fe80::/10 and ff02::/16, RFC 4007), which mean
    ///   nothing without it, and dropped for others.
    public init?(octets: some Sequence<UInt8>, scope: UInt32 = 0) {
        self.octets = Array(octets)
        switch self.octets.count {
        case 4:
            family = .v4
            self.scope = 0
        case 16:
            family = .v6
            self.scope = Self.isLinkLocal(v6: self.octets) ? scope : 0
        default: return nil
        }
    }

    /// Reads `192.0.2.1` or `2001:db8::1`; nil for other texts.
    ///
    /// - Parameter scope: the interface's index for a link-local address. A `%` with an interface's name is not understood.
    public init?(_ text: String, scope: UInt32 = 0) {
        // For C the text would end at a null.
        guard !text.utf8.contains(0) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &buffer) == 1 {
            self.init(octets: buffer.prefix(4))
        } else if inet_pton(AF_INET6, text, &buffer) == 1 {
            self.init(octets: buffer, scope: scope)
        } else {
            return nil
        }
    }

    /// Whether it means something on one link only: 169.254.0.0/16 (RFC 3927), fe80::/10 or ff02::/16.
    public var isLinkLocal: Bool {
        switch family {
        case .v4: octets[0] == 169 && octets[1] == 254
        case .v6: Self.isLinkLocal(v6: octets)
        }
    }

    private static func isLinkLocal(v6 octets: [UInt8]) -> Bool {
        (octets[0] == 0xFE && octets[1] & 0xC0 == 0x80) || (octets[0] == 0xFF && octets[1] & 0x0F == 2)
    }

    /// Whether it is the host itself: 127.0.0.0/8 or ::1.
    public var isLoopback: Bool {
        switch family {
        case .v4: octets[0] == 127
        case .v6: octets.dropLast().allSatisfy { $0 == 0 } && octets[15] == 1
        }
    }
}

extension HostAddress: CustomStringConvertible {
    /// `192.0.2.1` or, in the form of RFC 5952, `2001:db8::1`; the scope is left out.
    public var description: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        // The buffer holds the longest address there is, so nothing can fail.
        _ = inet_ntop(family == .v4 ? AF_INET : AF_INET6, octets, &buffer, socklen_t(buffer.count))
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
