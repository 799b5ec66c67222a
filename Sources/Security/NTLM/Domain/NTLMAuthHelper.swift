import NIOPosix

/// Has NTLM responses checked by a domain, through Samba's `ntlm_auth --helper-protocol=ntlm-server-1`, which asks winbind.
///
/// The protocol is lines of `Name: value`, or `Name:: value` in Base64, up to a line with one dot (ntlm_auth(1)). Nothing in an
/// answer says which question it belongs to, and some refusals end with two dots. So each question has a helper of its own:
/// no leftover of one logon can ever be taken for the answer to another. Some work beside each other; further logons wait.
public final class NTLMAuthHelper: NTLMAuthority {
    /// Runs a helper's questions, which block.
    private let threads: NIOThreadPool
    private let command: [String]
    private let limit: Duration
    private let isAdministrator: @Sendable (_ domain: String, _ user: String) -> Bool

    /// Prepares to ask.
    ///
    /// - Parameters:
    ///   - command: the helper's path and its arguments; by default Samba's.
    ///   - helpers: how many are asked at a time.
    ///   - limit: how long one may take to answer.
    ///   - isAdministrator: whether an account of the domain may administer this node.
    public init(
        command: [String] = ["/usr/bin/ntlm_auth", "--helper-protocol=ntlm-server-1"], helpers: Int = 4,
        limit: Duration = .seconds(10), isAdministrator: @escaping @Sendable (_ domain: String, _ user: String) -> Bool
    ) {
        self.command = command
        self.limit = limit
        self.isAdministrator = isAdministrator
        threads = NIOThreadPool(numberOfThreads: helpers)
        threads.start()
    }

    deinit {
        threads.shutdownGracefully { _ in }
    }

    /// Asks a helper.
    public func check(_ logon: NTLMDomainLogon) async throws(SecurityError) -> NTLMDomainAccount? {
        let question = Self.question(logon)
        let lines: [Substring]
        do {
            lines = try await threads.runIfActive { try self.ask(question) }
        } catch {
            throw .directoryUnavailable("\(error)")
        }
        let answer = Dictionary(
            lines.compactMap { line in
                line.firstIndex(of: ":").map { (line[..<$0], line[$0...].drop { $0 == ":" || $0 == " " }) }
            }, uniquingKeysWith: { first, _ in first })
        // What it says then repeats the question, which is for no log: passwords can be guessed from it.
        guard answer["Error"] == nil else { throw .directoryUnavailable("the helper does not take the question") }
        guard answer["Authenticated"] == "Yes" else { return nil }
        guard let key = answer["User-Session-Key"].flatMap({ Self.octets($0) }), key.count == 16 else {
            throw .directoryUnavailable("the helper gave no session key")
        }
        let (domain, user) = Self.account(logon)
        let identity = ClientIdentity(
            domain: domain, user: user, sid: "", isAdministrator: isAdministrator(domain, user))
        return NTLMDomainAccount(identity: identity, sessionBaseKey: SecretBytes(key))
    }

    private func ask(_ question: [UInt8]) throws(HelperProcess.Failure) -> [Substring] {
        try HelperProcess(command).ask(question, within: limit)
    }

    /// The account, with the domain that a user's principal name may carry.
    private static func account(_ logon: NTLMDomainLogon) -> (domain: String, user: String) {
        guard logon.domain.isEmpty, let at = logon.user.lastIndex(of: "@") else { return (logon.domain, logon.user) }
        return (String(logon.user[logon.user.index(after: at)...]), String(logon.user[..<at]))
    }

    /// Names go in Base64, so that nobody's name can be a line of ours.
    private static func question(_ logon: NTLMDomainLogon) -> [UInt8] {
        var text = "LANMAN-Challenge: \(hexadecimal(logon.serverChallenge))\n"
        text += "NT-Response: \(hexadecimal(logon.response))\n"
        text += "Username:: \(base64(Array(logon.user.utf8)))\n"
        if !logon.domain.isEmpty { text += "NT-Domain:: \(base64(Array(logon.domain.utf8)))\n" }
        text += "Request-User-Session-Key: Yes\n.\n"
        return Array(text.utf8)
    }

    private static func hexadecimal(_ octets: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * octets.count)
        for octet in octets { text += [digits[Int(octet >> 4)], digits[Int(octet & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func octets(_ digits: Substring) -> [UInt8]? {
        let digits = Array(digits.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var octets: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let octet = UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) else {
                return nil
            }
            octets.append(octet)
        }
        return octets
    }

    /// RFC 4648 section 4.
    private static func base64(_ octets: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: octets.count, by: 3) {
            let group = octets[start..<min(start + 3, octets.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : 0x3D)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
