import ArgumentParser
import Foundation
import Replay
import Security

/// The secrets that open a capture's sealed calls.
struct CaptureKeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The password of a user who logged on by NTLM; - asks for it, or reads it from standard input. May be repeated.",
            valueName: "password"))
    var ntPassword: [String] = []

    @Option(
        help: ArgumentHelp(
            "The NT hash of such a password, 32 hexadecimal digits. May be repeated.", valueName: "hash"))
    var ntHash: [String] = []

    @Option(
        help: ArgumentHelp(
            "A keytab with the keys of the services that clients came to by Kerberos. May be repeated.",
            valueName: "file"), completion: .file())
    var keytab: [String] = []

    func validate() throws {
        for hash in ntHash where Self.octets(hash) == nil {
            throw ValidationError("--nt-hash is 32 hexadecimal digits, such as ntlmhash or secretsdump print them")
        }
        guard ntPassword.filter({ $0 == "-" }).count <= 1 else {
            throw ValidationError("--nt-password - can be given once")
        }
    }

    /// Whether there are any.
    var isEmpty: Bool { ntPassword.isEmpty && ntHash.isEmpty && keytab.isEmpty }

    /// The secrets.
    func keys() throws -> ObservationKeys {
        var keys = ObservationKeys(ntHashes: ntHash.compactMap(Self.octets).map { SecretBytes($0) })
        for password in ntPassword {
            try keys.add(
                ntPassword: password == "-" ? try PasswordPrompt.existing(for: "the capture") : password)
        }
        for path in keytab { try keys.add(keytab: path) }
        return keys
    }

    private static func octets(_ digits: String) -> [UInt8]? {
        let values = digits.compactMap(\.hexDigitValue)
        guard digits.count == 32, values.count == 32 else { return nil }
        return stride(from: 0, to: 32, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }
}
