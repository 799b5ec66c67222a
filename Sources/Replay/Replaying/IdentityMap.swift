import InterfaceValues
import NDR

/// What the live server calls the things that the captured one gave names to: learnt from answers, used in requests.
struct IdentityMap: Sendable {
    /// What came of comparing two names.
    enum Verdict: Equatable {
        /// They are names of the same thing: now, or since an earlier answer.
        case mapped
        /// An earlier answer has given the captured name another meaning.
        case contradiction
    }

    /// The types whose values are names that a server makes up, and what they name.
    static let kinds: [String: String] = [
        "OXID": "OXID", "OID": "OID", "SETID": "ping set", "IPID": "IPID", "REFIPID": "IPID",
    ]

    private var numbers: [String: [UInt64: UInt64]] = [:]
    private var guids: [GUID: GUID] = [:]
    private var handles: [GUID: ContextHandle] = [:]
    private var causalities: [GUID: GUID] = [:]
    private var ports: [Endpoint: UInt16] = [:]

    /// What tells servers apart.
    enum Server: Hashable {
        /// A server at this address of the capture.
        case captured(String)
        /// Any server of the capture in whose place this host is.
        case live(String)
    }

    private struct Endpoint: Hashable {
        let server: Server
        let port: UInt16
    }

    // MARK: Learning

    mutating func learn(_ type: String, _ captured: UInt64, _ live: UInt64) -> Verdict {
        guard let kind = Self.kinds[type] else { return .contradiction }
        guard let known = numbers[kind]?[captured] else {
            numbers[kind, default: [:]][captured] = live
            return .mapped
        }
        return known == live ? .mapped : .contradiction
    }

    mutating func learn(_ captured: GUID, _ live: GUID) -> Verdict {
        guard let known = guids[captured] else {
            guids[captured] = live
            return .mapped
        }
        return known == live ? .mapped : .contradiction
    }

    mutating func learn(_ captured: ContextHandle, _ live: ContextHandle) -> Verdict {
        guard let known = handles[captured.uuid] else {
            handles[captured.uuid] = live
            return .mapped
        }
        return known == live ? .mapped : .contradiction
    }

    /// - Parameter servers: What the server that named the port is known by.
    mutating func learn(port captured: UInt16, of servers: [Server], _ live: UInt16) {
        for server in servers {
            let endpoint = Endpoint(server: server, port: captured)
            ports[endpoint] = ports[endpoint] ?? live
        }
    }

    // MARK: Using

    /// The port in the place of a server's; the same where no answer has named it.
    ///
    /// - Parameter servers: What the server is known by, that first which says more.
    func port(_ captured: UInt16, of servers: [Server]) -> UInt16 {
        servers.lazy.compactMap { ports[Endpoint(server: $0, port: captured)] }.first ?? captured
    }

    func number(_ type: String, _ captured: UInt64) -> UInt64 {
        Self.kinds[type].flatMap { numbers[$0]?[captured] } ?? captured
    }

    func guid(_ captured: GUID) -> GUID {
        guids[captured] ?? captured
    }

    func handle(_ captured: ContextHandle) -> ContextHandle {
        handles[captured.uuid] ?? captured
    }

    /// A causality identifier is made up anew, one for each that the capture has ([MS-DCOM] 2.2.13.3).
    mutating func causality(_ captured: GUID) -> GUID {
        if captured == .zero { return captured }
        let known = causalities[captured] ?? .random()
        causalities[captured] = known
        return known
    }
}
