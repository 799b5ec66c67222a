import Security

/// The security contexts of one connection by their `auth_context_id` ([MS-RPCE] 3.3.1.1.2 and 3.3.1.5.4).
struct SecurityContextTable: Sendable {
    enum Entry: Sendable {
        /// Tokens are being exchanged.
        case negotiating(type: AuthenticationType, levelOctet: UInt8)
        /// It can be used.
        case established(MessageSecurity)
        /// The last token was refused; an auth3 has no answer, so the first call that uses the context learns of it.
        case failed
    }

    /// Which context a request uses, or why it may not be served.
    enum Selection: Sendable {
        case unauthenticated
        case secured(MessageSecurity)
        /// The exchange of tokens is not over yet.
        case unfinished
        /// There is no such context, or not at this level, or it failed.
        case denied
    }

    private var entries: [UInt32: Entry] = [:]
    /// The context that the bind began, if it did: the one that requests without a trailer belong to, as far as they do.
    private var defaultID: UInt32?

    var count: Int { entries.count }

    /// Those whose exchange of tokens is under way.
    var unfinished: Int {
        entries.values.count { if case .negotiating = $0 { true } else { false } }
    }

    var hasEstablished: Bool {
        entries.values.contains { if case .established = $0 { true } else { false } }
    }

    subscript(id: UInt32) -> Entry? {
        get { entries[id] }
        set { entries[id] = newValue }
    }

    /// From now on headers are signed: by every context of the connection, also by those that were finished before
    /// ([MS-RPCE] 3.3.1.1.2).
    mutating func signHeaders() {
        for (id, entry) in entries {
            guard case .established(var security) = entry else { continue }
            security.signsHeader = true
            entries[id] = .established(security)
        }
    }

    mutating func begin(_ trailer: SecurityTrailer, isDefault: Bool) {
        entries[trailer.contextID] = .negotiating(type: trailer.type, levelOctet: trailer.level)
        if isDefault { defaultID = trailer.contextID }
    }

    /// The context of a request.
    func select(_ trailer: SecurityTrailer?) -> Selection {
        guard let trailer else { return selectDefault() }
        switch entries[trailer.contextID] {
        case nil, .failed:
            return .denied
        case .negotiating:
            return .unfinished
        case .established(let security):
            guard security.type == trailer.type, security.levelOctet == trailer.level else { return .denied }
            return .secured(security)
        }
    }

    /// A request without a trailer is unauthenticated, unless the connection has a single context and that at `connect`:
    /// then it belongs to it ([MS-RPCE] 3.3.1.5.4).
    private func selectDefault() -> Selection {
        guard let defaultID, let entry = entries[defaultID] else { return .unauthenticated }
        switch entry {
        case .negotiating: return .unfinished
        case .failed: return .denied
        case .established(let security):
            return entries.count == 1 && !security.protects ? .secured(security) : .unauthenticated
        }
    }
}
