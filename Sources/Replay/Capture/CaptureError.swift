/// Why a file's packets cannot be read at all.
public enum CaptureError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It is no capture, or cannot be opened; the reason is libpcap's.
    case unreadable(file: String, reason: String)
    /// Its packets are of a link layer that is not known here.
    case linkType(file: String, name: String)

    /// One sentence, with what to do.
    public var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file) is no capture that can be read: \(reason)"
        case .linkType(let file, let name):
            "\(file) was captured on a link of type \(name); only Ethernet, Linux cooked (\"any\"), loopback and raw IP are "
                + "known here"
        }
    }
}
