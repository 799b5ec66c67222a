/// Why the daemon did not start, in words for the person at the terminal.
enum StartupError: Error, Equatable, CustomStringConvertible {
    /// The command line makes no sense.
    case usage(String)
    /// A setting has a value that cannot be used.
    case badSetting(String, reason: String)
    /// The configuration file cannot be read.
    case badFile(path: String, reason: String)
    /// The node's state cannot be used; the text names the file.
    case state(String)
    /// An address cannot be listened on.
    case listen(address: String, port: Int, reason: String)
    /// OpenSSL lacks what NTLM is made of.
    case cryptography(String)
    /// Kerberos is configured, and its keytab cannot be used.
    case kerberos(String)

    /// The exit status: 64 for usage and 78 for configuration, as sysexits.h has them, else 1.
    var exitStatus: Int32 {
        switch self {
        case .usage: 64
        case .badSetting, .badFile: 78
        case .state, .listen, .cryptography, .kerberos: 1
        }
    }

    var description: String {
        switch self {
        case .usage(let message): message
        case .badSetting(let name, let reason): "setting \(name): \(reason)"
        case .badFile(let path, let reason): "configuration file \(path): \(reason)"
        case .state(let reason): reason
        case .listen(let address, let port, let reason): "cannot listen on \(address) port \(port): \(reason)"
        case .cryptography(let reason), .kerberos(let reason): reason
        }
    }
}
