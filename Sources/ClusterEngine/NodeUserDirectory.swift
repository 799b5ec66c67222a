import Security

/// The accounts that may log on to this node, in its own store.
///
/// Names are compared without regard to case. Passwords are kept as NT hashes, each sealed with a key derived from the
/// node's, and bound to its account. Daemon and command line may use one store at the same time.
public struct NodeUserDirectory: UserDirectory {
    /// The first account's last SID part, as on Windows; those below are Windows' own.
    static let firstRelativeID: UInt32 = 1000

    private let store: any ClusterStore
    private let machineSID: String
    private let aead: AEAD
    /// What is worked off for a name that nobody has; see ``user(domain:name:)``. It is in no store.
    let nobody: StoreEntry

    /// Opens the directory in a node's state.
    public init(state: NodeState) throws(ClusterStoreError) {
        try self.init(store: state.store, key: state.key, record: state.record)
    }

    /// Opens the directory in any store.
    public init(store: any ClusterStore, key: NodeKey, record: NodeRecord) throws(ClusterStoreError) {
        self.store = store
        machineSID = record.machineSID
        let aead = try key.aead(for: .userPassword)
        self.aead = aead
        // As long as a usual one.
        var document = UserDocument(
            name: "Administrator", relativeID: Self.firstRelativeID, isAdministrator: true, isEnabled: true,
            sealedHash: [])
        let context = document.context(machineSID: machineSID)
        document.sealedHash = try cryptographic { () throws(CryptographyError) in
            try aead.seal(Cryptography.randomSecret(16), context: context)
        }
        let key = Self.key(document.name)
        nobody = StoreEntry(key: key, value: try Document.encode(document, for: key), revision: 0)
    }

    // MARK: - UserDirectory

    /// Finds an account. All of the node's names hold the same accounts, so the record's domain is the one that was asked for.
    ///
    /// For a name that nobody has, all the same is done with an account that is nobody's, so that the time tells nothing.
    ///
    /// - Throws: ``UserDirectoryError/store(_:)``.
    public func user(domain: String, name: String) async throws -> UserRecord? {
        let entry: StoreEntry?
        do throws(ClusterStoreError) {
            entry = try await store.entry(Self.key(name))
        } catch {
            throw UserDirectoryError.store(error)
        }
        let record = try record(of: entry ?? nobody, domain: domain)
        return entry == nil ? nil : record
    }

    func record(of entry: StoreEntry, domain: String) throws(UserDirectoryError) -> UserRecord {
        let document: UserDocument
        do throws(ClusterStoreError) {
            document = try Document.decode(UserDocument.self, from: entry)
        } catch {
            throw .store(error)
        }
        return UserRecord(
            name: document.name, domain: domain, sid: sid(document), ntHash: try open(document),
            isAdministrator: document.isAdministrator, isEnabled: document.isEnabled)
    }

    // MARK: - Administration

    /// All accounts, by name.
    public func list() async throws(UserDirectoryError) -> [UserAccount] {
        do throws(ClusterStoreError) {
            return try await store.entries(in: .users).map { entry throws(ClusterStoreError) in
                account(try Document.decode(UserDocument.self, from: entry))
            }
        } catch {
            throw .store(error)
        }
    }

    /// Adds an account that may log on.
    ///
    /// - Parameters:
    ///   - name: 1 to 20 characters that Windows allows in an account's name.
    ///   - password: not empty.
    ///   - isAdministrator: whether the account becomes a member of the administrators group.
    /// - Returns: the account, with its SID; no two accounts of a node ever have the same one, also not one after the other.
    @discardableResult
    public func add(
        name: String, password: String, isAdministrator: Bool
    ) async throws(UserDirectoryError) -> UserAccount {
        try Self.check(name)
        let hash = try Self.hash(password)
        while true {
            do throws(ClusterStoreError) {
                let counter = try await store.entry(Self.counterKey)
                let next = try counter.map { entry throws(ClusterStoreError) in
                    try Document.decode(UInt32.self, from: entry)
                }
                var document = UserDocument(
                    name: name, relativeID: next ?? Self.firstRelativeID, isAdministrator: isAdministrator,
                    isEnabled: true, sealedHash: [])
                document.sealedHash = try seal(hash, for: document)
                let key = Self.key(name)
                try await store.apply(
                    [
                        .put(key, try Document.encode(document, for: key)),
                        .put(Self.counterKey, try Document.encode(document.relativeID + 1, for: Self.counterKey)),
                    ],
                    if: [.absent(key), counter.map(StoreCondition.unchanged) ?? .absent(Self.counterKey)])
                return account(document)
            } catch .conflict(let key) where key == Self.counterKey {
                // Somebody else added another account at the same time.
                continue
            } catch .conflict {
                throw .exists(name)
            } catch {
                throw .store(error)
            }
        }
    }

    /// Removes an account.
    public func remove(name: String) async throws(UserDirectoryError) {
        guard let (entry, _) = try await document(name) else { throw .notFound(name) }
        do throws(ClusterStoreError) {
            try await store.apply([.remove(entry.key)], if: [.unchanged(entry)])
        } catch .conflict {
            // Changed or removed meanwhile: look again.
            try await remove(name: name)
        } catch {
            throw .store(error)
        }
    }

    /// Gives an account another password.
    public func setPassword(name: String, password: String) async throws(UserDirectoryError) {
        let hash = try Self.hash(password)
        try await change(name) { _ in hash }
    }

    /// Lets an account log on, or not.
    public func setEnabled(name: String, _ isEnabled: Bool) async throws(UserDirectoryError) {
        try await change(name) { document in
            document.isEnabled = isEnabled
            return nil
        }
    }

    /// Makes an account a member of the administrators group, or not.
    public func setAdministrator(name: String, _ isAdministrator: Bool) async throws(UserDirectoryError) {
        try await change(name) { document in
            document.isAdministrator = isAdministrator
            return nil
        }
    }

    // MARK: - Documents

    private static let counterKey = StoreKey(.node, "next-relative-id")

    private static func key(_ name: String) -> StoreKey {
        StoreKey(.users, NTLMCase.uppercased(name))
    }

    private func document(_ name: String) async throws(UserDirectoryError) -> (StoreEntry, UserDocument)? {
        do throws(ClusterStoreError) {
            guard let entry = try await store.entry(Self.key(name)) else { return nil }
            return (entry, try Document.decode(UserDocument.self, from: entry))
        } catch {
            throw .store(error)
        }
    }

    /// Changes an account. The closure returns the new hash, or nil to keep the old one.
    private func change(
        _ name: String, _ body: (inout UserDocument) -> SecretBytes?
    ) async throws(UserDirectoryError) {
        while true {
            guard let (entry, old) = try await document(name) else { throw .notFound(name) }
            var document = old
            let newHash = body(&document)
            // Opened before anything is sealed anew: an account that was tampered with is not made good by changing it.
            let oldHash = try open(old)
            do throws(ClusterStoreError) {
                document.sealedHash = try seal(newHash ?? oldHash, for: document)
                try await store.apply(
                    [.put(entry.key, try Document.encode(document, for: entry.key))], if: [.unchanged(entry)])
                return
            } catch .conflict {
                continue
            } catch {
                throw .store(error)
            }
        }
    }

    private func seal(_ hash: SecretBytes, for document: UserDocument) throws(ClusterStoreError) -> [UInt8] {
        try cryptographic { () throws(CryptographyError) in
            try aead.seal(hash, context: document.context(machineSID: machineSID))
        }
    }

    private func open(_ document: UserDocument) throws(UserDirectoryError) -> SecretBytes {
        do throws(CryptographyError) {
            return try aead.open(document.sealedHash, context: document.context(machineSID: machineSID))
        } catch .authenticationFailed {
            throw .store(
                .malformedEntry(Self.key(document.name), detail: "it was altered, or sealed with another key"))
        } catch {
            throw .store(.cryptography(error))
        }
    }

    private func sid(_ document: UserDocument) -> String { "\(machineSID)-\(document.relativeID)" }

    private func account(_ document: UserDocument) -> UserAccount {
        UserAccount(
            name: document.name, sid: sid(document), isAdministrator: document.isAdministrator,
            isEnabled: document.isEnabled)
    }

    private static func hash(_ password: String) throws(UserDirectoryError) -> SecretBytes {
        guard !password.isEmpty else { throw .emptyPassword }
        do throws(CryptographyError) {
            return try NTLMPassword.ntHash(password)
        } catch {
            throw .store(.cryptography(error))
        }
    }

    /// The rules of Windows' sAMAccountName: 20 characters, and none that has a meaning in a path, a UPN or a list.
    package static func check(_ name: String) throws(UserDirectoryError) {
        guard !name.isEmpty else { throw .invalidName(name, reason: "it is empty") }
        guard name.utf16.count <= 20 else { throw .invalidName(name, reason: "it has more than 20 characters") }
        let forbidden = #""/\[]:;|=,+*?<>@"#
        if let character = name.first(where: { forbidden.contains($0) }) {
            throw .invalidName(name, reason: "it contains \(character)")
        }
        guard name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw .invalidName(name, reason: "it contains a control character")
        }
        guard name.contains(where: { $0 != "." && $0 != " " }), name.last != ".", name.first != " ", name.last != " "
        else {
            throw .invalidName(name, reason: "it starts with a space, or ends in a dot or a space")
        }
    }
}
