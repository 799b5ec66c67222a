import Security

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How the node presents itself to its peers.
public struct NodeIdentity: Sendable, Hashable {
    /// An operating system's version as far as peers compare it.
    public struct SystemVersion: Sendable, Hashable {
        /// The first number.
        public let major: UInt32
        /// The second number.
        public let minor: UInt32

        /// Makes a version from its numbers.
        public init(major: UInt32, minor: UInt32) {
            self.major = major
            self.minor = minor
        }

        /// Reads the numbers at the beginning of a kernel's release, such as "6.1.0-18-amd64"; nil if there are none.
        public init?(release: String) {
            let numbers = release.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
            guard numbers.count >= 2, let major = UInt32(numbers[0]),
                let minor = UInt32(numbers[1].prefix { $0.isASCIIDigit })
            else { return nil }
            self.init(major: major, minor: minor)
        }

        /// The version of the running kernel (uname(2)); 0.0 if it has an unusual form.
        public static var running: SystemVersion {
            SystemVersion(release: systemName.release) ?? SystemVersion(major: 0, minor: 0)
        }
    }

    /// The fully qualified domain name, or just the host label where there is no domain.
    public let fqdn: String
    /// The operating system's version, as CprepPrepareNode reports it ([MS-CSVP] 3.2.4.3): the running kernel's, or another
    /// one that the configuration presents.
    public let systemVersion: SystemVersion

    /// Describes a node.
    ///
    /// - Parameters:
    ///   - fqdn: its fully qualified name; a dot at the end is dropped.
    ///   - systemVersion: what to present as the operating system's version.
    public init(fqdn: String, systemVersion: SystemVersion = .running) {
        self.fqdn = fqdn.hasSuffix(".") ? String(fqdn.dropLast()) : fqdn
        self.systemVersion = systemVersion
    }

    /// Describes this host by the name that the system has for it.
    ///
    /// - Parameters:
    ///   - domain: the DNS domain to add if the host's name has none.
    ///   - systemVersion: what to present as the operating system's version.
    public static func host(domain: String? = nil, systemVersion: SystemVersion = .running) -> NodeIdentity {
        let name = systemName.node
        guard let domain, !domain.isEmpty, !name.contains(".") else {
            return NodeIdentity(fqdn: name, systemVersion: systemVersion)
        }
        return NodeIdentity(fqdn: "\(name).\(domain)", systemVersion: systemVersion)
    }

    /// The first part of the FQDN ([MS-CSVP] 3.10.4.3).
    public var hostLabel: String { String(fqdn.prefix { $0 != "." }) }

    /// What follows the host label; empty where there is no domain.
    public var domain: String { String(fqdn.dropFirst(hostLabel.count + 1)) }

    /// The host label in capitals, at most 15 characters.
    public var netbiosName: String { Self.netbios(hostLabel) }

    /// The domain's first label in capitals, at most 15 characters; the node's own name where there is no domain.
    public var netbiosDomainName: String { domain.isEmpty ? netbiosName : Self.netbios(domain.prefix { $0 != "." }) }

    /// The node's names as NTLM needs them.
    public var ntlmEnvironment: NTLMEnvironment {
        NTLMEnvironment(
            netbiosComputerName: netbiosName, netbiosDomainName: netbiosDomainName, dnsComputerName: fqdn,
            dnsDomainName: domain.isEmpty ? fqdn : domain)
    }

    private static func netbios(_ label: some StringProtocol) -> String {
        String(NTLMCase.uppercased(String(label)).prefix(15))
    }

    private static var systemName: (node: String, release: String) {
        var name = utsname()
        guard uname(&name) == 0 else { return ("localhost", "") }
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return (text(name.nodename), text(name.release))
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}
