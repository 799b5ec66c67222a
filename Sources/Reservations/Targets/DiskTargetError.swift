/// Why a text names no disk.
public struct DiskTargetError: Error, Sendable, Hashable {
    /// What is wrong with the text.
    public enum Reason: Sendable, Hashable {
        /// Nothing is there.
        case empty
        /// A control character, such as the end of a line.
        case controlCharacter
        /// `something://` that is not `iscsi://`.
        case unknownScheme(String)
        /// The path ends like a folder's.
        case folder
        /// A user or a password stands before the host.
        case credentials
        /// No portal between `iscsi://` and the next `/`.
        case noPortal
        /// A portal that is no host, address or `[IPv6 address]`, with a port behind it at most.
        case badHost(String)
        /// A port that is no number from 1 to 65535.
        case badPort(String)
        /// The same portal twice: one initiator port can have one session there.
        case repeatedPortal(String)
        /// More portals than ``ISCSITarget/maximumPortals``.
        case tooManyPortals(Int)
        /// No target name or no logical unit number behind the portals.
        case missingParts
        /// More parts than a target name and a logical unit number.
        case tooManyParts
        /// A `%` without two hexadecimal digits, or such that do not make UTF-8.
        case badEscape(String)
        /// Not an iSCSI name (RFC 3720 3.2.6).
        case badName(String)
        /// A logical unit number that is no number from 0 to 16383.
        case badUnit(String)
        /// An option behind the `?` that there is none of.
        case unknownOption(String)
        /// An option that stands there twice.
        case repeatedOption(String)
        /// A value that its option does not have.
        case badValue(option: String, value: String)
        /// A fragment: `#` and what follows.
        case fragment
    }

    /// The text, or a part of it where the whole could hold a password.
    public let text: String
    /// What is wrong with it.
    public let reason: Reason

    /// An error about a text.
    init(text: String, _ reason: Reason) {
        self.reason = reason
        // What stands before an @ may be a password, and errors end in logs.
        self.text = reason == .credentials ? "iscsi://…" : text
    }
}

extension DiskTargetError: CustomStringConvertible {
    /// What is wrong, and what to write instead.
    public var description: String {
        let (problem, advice) = explanation
        return "\"\(printable)\" names no disk: \(problem); \(advice)"
    }

    /// The form of an iSCSI target, for messages.
    public static let form = "iscsi://HOST[:PORT]/TARGET-NAME/LUN"

    private var printable: String {
        String(text.unicodeScalars.prefix(200).map { $0.value < 0x20 || $0.value == 0x7F ? "·" : Character($0) })
    }

    private var explanation: (problem: String, advice: String) {
        switch reason {
        case .empty:
            ("it is empty", "write an image's path, a device such as /dev/sdb, or \(Self.form)")
        case .controlCharacter:
            ("it holds a control character", "remove it; it often is a line end that came along")
        case .unknownScheme(let scheme):
            ("there is no \(scheme):// target", "write \(Self.form), or a path without a scheme")
        case .folder:
            ("it ends like a folder", "name the image or the device itself")
        case .credentials:
            (
                "a user or a password stands in it",
                "put the secret into the credentials file and leave out everything before the host"
            )
        case .noPortal:
            ("no portal stands behind iscsi://", "write \(Self.form)")
        case .badHost(let host):
            ("\"\(host)\" is no host name or address", "write a name, an IPv4 address, or an IPv6 address in brackets")
        case .badPort(let port):
            ("\"\(port)\" is no port", "write a number from 1 to 65535, or leave it out for \(ISCSIPortal.defaultPort)")
        case .repeatedPortal(let portal):
            ("the portal \(portal) stands in it twice", "name each path once")
        case .tooManyPortals(let count):
            ("it has \(count) portals", "name \(ISCSITarget.maximumPortals) at most")
        case .missingParts:
            ("the target's name or the logical unit number is missing", "write \(Self.form)")
        case .tooManyParts:
            ("something stands behind the logical unit number", "write \(Self.form); a / in a name is %2F")
        case .badEscape(let part):
            ("\"\(part)\" holds a % that two hexadecimal digits of UTF-8 do not follow", "write a % itself as %25")
        case .badName(let name):
            (
                "\"\(name)\" is no iSCSI name",
                "write one such as iqn.2024-01.net.example:storage, eui. with 16 or naa. with 16 or 32 digits"
            )
        case .badUnit(let unit):
            ("\"\(unit)\" is no logical unit number", "write a number from 0 to \(ISCSITarget.maximumUnit)")
        case .unknownOption(let option):
            ("there is no option \"\(option)\"", "the options are header-digest and timeout")
        case .repeatedOption(let option):
            ("the option \(option) stands in it twice", "write it once")
        case .badValue("header-digest", let value):
            ("\"\(value)\" is no header digest", "write header-digest=crc32c or header-digest=none")
        case .badValue(let option, let value):
            ("\"\(value)\" is no \(option)", "write a number of seconds from 1 to \(ISCSITarget.maximumTimeout)")
        case .fragment:
            ("it holds a #", "leave out what begins with it; a # in a name is %23")
        }
    }
}
