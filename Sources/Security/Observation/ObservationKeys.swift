/// What an observer of other people's exchanges knows of their secrets: enough to read a capture, and to nobody's harm but those
/// whose secrets they are.
public struct ObservationKeys: Sendable {
    /// NT hashes of passwords, 16 octets each: whoever's they are.
    public var ntHashes: [SecretBytes]
    /// The keys of Kerberos services.
    public var serviceKeys: [ServiceKey]

    /// A service's key.
    public struct ServiceKey: Sendable {
        /// The principal, with its realm.
        public let principal: String
        /// The key's version in the domain.
        public let version: UInt32
        /// The key's encryption type.
        public let type: KerberosEncryptionType
        let key: SecretBytes
    }

    /// No secrets, or these hashes.
    public init(ntHashes: [SecretBytes] = []) {
        self.ntHashes = ntHashes
        serviceKeys = []
    }

    /// Adds a password.
    ///
    /// - Throws: ``CryptographyError`` where there is no MD4.
    public mutating func add(ntPassword password: String) throws(CryptographyError) {
        ntHashes.append(try NTLMPassword.ntHash(password))
    }

    /// Adds the keys of a keytab.
    ///
    /// - Parameter path: the file. Who else may read it is not asked, unlike where a node serves with it.
    /// - Throws: ``KerberosError`` if it cannot be read, or holds no keys.
    public mutating func add(keytab path: String) throws(KerberosError) {
        let library = try KerberosLibrary()
        var found: [ServiceKey] = []
        try library.forEachEntry(ofFile: path) { (entry) throws(KerberosError) in
            let octets = UnsafeRawBufferPointer(start: entry.key.contents, count: Int(entry.key.length))
            found.append(
                ServiceKey(
                    principal: library.text(of: entry.principal), version: entry.vno,
                    type: KerberosEncryptionType(rawValue: entry.key.enctype), key: SecretBytes(octets)))
        }
        guard !found.isEmpty else { throw .keytabWithoutKeys(path: path, found: []) }
        serviceKeys += found
    }
}

/// Why messages of an observed exchange cannot be opened; the text is for people.
public struct ObservationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One phrase, such as "no password was given".
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
