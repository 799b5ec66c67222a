/// What the two sides of an NTLM exchange offer and agree on: the NEGOTIATE structure.
///
/// Source: [MS-NLMP] 2.2.2.5. The letters in the comments are the specification's.
struct NTLMFlags: OptionSet, Sendable, Hashable {
    let rawValue: UInt32

    /// A: names are UTF-16LE.
    static let unicode = NTLMFlags(rawValue: 0x0000_0001)
    /// B: names are in an OEM code page.
    static let oem = NTLMFlags(rawValue: 0x0000_0002)
    /// C: the challenge names the server's realm.
    static let requestTarget = NTLMFlags(rawValue: 0x0000_0004)
    /// D: messages are to be signed.
    static let sign = NTLMFlags(rawValue: 0x0000_0010)
    /// E: messages are to be sealed.
    static let seal = NTLMFlags(rawValue: 0x0000_0020)
    /// H: NTLM (not LM) session keys.
    static let ntlm = NTLMFlags(rawValue: 0x0000_0200)
    /// J: the client wants to be nobody.
    static let anonymous = NTLMFlags(rawValue: 0x0000_0800)
    /// K: a domain name is in the NEGOTIATE message.
    static let domainSupplied = NTLMFlags(rawValue: 0x0000_1000)
    /// L: a workstation name is in the NEGOTIATE message.
    static let workstationSupplied = NTLMFlags(rawValue: 0x0000_2000)
    /// M: there is a session key in any case.
    static let alwaysSign = NTLMFlags(rawValue: 0x0000_8000)
    /// N: the challenge's target name is a domain's.
    static let targetTypeDomain = NTLMFlags(rawValue: 0x0001_0000)
    /// O: the challenge's target name is a server's.
    static let targetTypeServer = NTLMFlags(rawValue: 0x0002_0000)
    /// P: extended session security.
    static let extendedSessionSecurity = NTLMFlags(rawValue: 0x0008_0000)
    /// S: the challenge carries target information.
    static let targetInfo = NTLMFlags(rawValue: 0x0080_0000)
    /// T: the messages carry a version.
    static let version = NTLMFlags(rawValue: 0x0200_0000)
    /// U: 128-bit keys.
    static let key128 = NTLMFlags(rawValue: 0x2000_0000)
    /// V: the client chooses the session key.
    static let keyExchange = NTLMFlags(rawValue: 0x4000_0000)
    /// W: 56-bit keys.
    static let key56 = NTLMFlags(rawValue: 0x8000_0000)

    /// Without these no exchange goes on, whichever side we are: they decide how strong the keys are.
    static let indispensable: NTLMFlags = [.unicode, .extendedSessionSecurity, .key128, .keyExchange]
}

extension NTLMFlags: CustomStringConvertible {
    /// The bits in hexadecimal, as captures show them.
    var description: String {
        let digits = String(rawValue, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
