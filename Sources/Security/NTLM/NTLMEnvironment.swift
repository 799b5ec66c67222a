/// How a node names itself in NTLM, and which accounts it therefore answers for.
public struct NTLMEnvironment: Sendable, Hashable {
    /// The NetBIOS computer name: at most 15 characters, by custom in capitals.
    public let netbiosComputerName: String
    /// The NetBIOS name of the domain; the computer's own name where there is none.
    public let netbiosDomainName: String
    /// The computer's fully qualified name. impacket cannot log on without it.
    public let dnsComputerName: String
    /// The domain's fully qualified name.
    public let dnsDomainName: String

    /// Names a node.
    public init(
        netbiosComputerName: String, netbiosDomainName: String, dnsComputerName: String, dnsDomainName: String
    ) {
        self.netbiosComputerName = netbiosComputerName
        self.netbiosDomainName = netbiosDomainName
        self.dnsComputerName = dnsComputerName
        self.dnsDomainName = dnsDomainName
    }

    /// Whether the computer and the domain are two things.
    var isDomainMember: Bool {
        !NTLMName(netbiosComputerName).matches(NTLMName(netbiosDomainName))
    }

    /// What the server tells about itself ([MS-NLMP] 3.2.5.1.1), without the clock.
    var targetInfo: AVPairs {
        var pairs = AVPairs()
        pairs[.netbiosDomainName] = NTLMName(netbiosDomainName).octets
        pairs[.netbiosComputerName] = NTLMName(netbiosComputerName).octets
        pairs[.dnsDomainName] = NTLMName(dnsDomainName).octets
        pairs[.dnsComputerName] = NTLMName(dnsComputerName).octets
        return pairs
    }

    /// Finds out which account a client means.
    ///
    /// The domain may be one of the node's own names, empty, or "." (this computer); in the latter two cases the name may be
    /// in UPN form, `user@domain`, with one of the node's own names behind the "@". Case does not matter.
    ///
    /// - Returns: the account's name without a domain; nil if the account belongs to somebody else.
    func account(domain: NTLMName, user: NTLMName) -> String? {
        if !domain.isEmpty, domain != NTLMName(".") {
            return isOwn(domain) ? user.text : nil
        }
        guard let at = user.units.lastIndex(of: 0x40) else { return user.text }
        let suffix = NTLMName(units: Array(user.units[(at + 1)...]))
        return isOwn(suffix) ? NTLMName(units: Array(user.units[..<at])).text : nil
    }

    private func isOwn(_ name: NTLMName) -> Bool {
        [netbiosDomainName, netbiosComputerName, dnsDomainName, dnsComputerName].contains {
            !$0.isEmpty && NTLMName($0).matches(name)
        }
    }
}

/// What the outside world gives to an exchange; replaced in tests.
struct NTLMWorld: Sendable {
    /// Fresh random octets.
    var random: @Sendable (Int) throws(CryptographyError) -> [UInt8] = { count throws(CryptographyError) in
        try Cryptography.randomBytes(count)
    }
    /// The time as a FILETIME: units of 100 ns since 1601-01-01 UTC ([MS-DTYP] 2.3.3).
    var fileTime: @Sendable () -> UInt64 = { FileTime.now }
}
