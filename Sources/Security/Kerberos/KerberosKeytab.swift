import CGSSAPI
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The keys that a service opens its clients' tickets with, read from a file.
///
/// Keys of encryption types that are not allowed are left out, so that no ticket made with one is accepted, whatever
/// krb5.conf permits. The file is read again when it has changed: the domain's administrators replace keys while we serve.
///
/// Reading may block; callers are on a thread that may wait.
public final class KerberosKeytab: Sendable {
    /// The file's path.
    public let path: String
    /// Whether RC4 keys count.
    public let allowsRC4: Bool

    private let replayCache: String?
    private let loaded: Mutex<Loaded>

    /// What one reading of the file gave.
    private struct Loaded {
        var stamp: FileStamp
        /// Of a later file that could not be used; nil where it is gone.
        var unusable: FileStamp?
        /// Whether somebody was told that the file cannot be used any more.
        var isProblemTold = false
        /// For clients whose session key is of a type with SHA-2.
        var credential: GSSCredential
        /// For all others; see ``KerberosKeytab/credential(for:)``.
        var withoutSHA2: GSSCredential
        var entries: [Entry]
    }

    /// One key of the file, without the key.
    public struct Entry: Sendable, Hashable {
        /// The principal, with its realm.
        public let principal: String
        /// The key's version in the domain.
        public let version: UInt32
        /// The key's encryption type.
        public let type: KerberosEncryptionType
    }

    /// Reads a keytab.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - allowsRC4: whether RC4 keys count.
    ///   - replayCache: the file that remembers the tokens of the last minutes; nil for the library's own.
    /// - Throws: ``KerberosError`` if there is no key to use.
    public init(path: String, allowsRC4: Bool = false, replayCache: String? = nil) throws(KerberosError) {
        self.path = path
        self.allowsRC4 = allowsRC4
        self.replayCache = replayCache.map { "file2:\($0)" }
        loaded = Mutex(try Self.load(path, allowsRC4: allowsRC4, replayCache: self.replayCache))
    }

    /// The keys that count, as they were when the file was last read.
    public var entries: [Entry] { loaded.withLock { $0.entries } }

    /// The credential to accept a client with. If the file has changed and cannot be used, the keys from before stay.
    ///
    /// The library would raise an exchange to the first type in the client's list, whatever its ticket is of. Samba's clients name
    /// types with SHA-2 first, and then wait forever because they do not know the length of such signatures (seen in 4.17). So a
    /// session key with SHA-1 or RC4 leads to none with SHA-2.
    ///
    /// - Parameters:
    ///   - token: the client's first token, or a later one of the same exchange, for which it does not matter.
    ///   - tell: is told once of each change of the file that leaves it unusable.
    func credential(for token: [UInt8], tell: (KerberosError) -> Void = { _ in }) -> GSSCredential {
        let isSHA2 = KerberosRequest.sessionKeyType(of: token).map { [.aes128SHA2, .aes256SHA2].contains($0) }
        let (credential, problem) = loaded.withLock { loaded in
            let problem = refresh(&loaded)
            return (isSHA2 ?? true ? loaded.credential : loaded.withoutSHA2, problem)
        }
        if let problem { tell(problem) }
        return credential
    }

    /// Reads the file again if it has changed since it was read, or since it could not be used.
    ///
    /// - Returns: what is wrong with it, the first time that this is seen.
    private func refresh(_ loaded: inout Loaded) -> KerberosError? {
        do throws(KerberosError) {
            let stamp = try FileStamp(path)
            guard stamp != loaded.stamp else {
                // As it was, or put back.
                loaded.isProblemTold = false
                return nil
            }
            guard stamp != loaded.unusable || !loaded.isProblemTold else { return nil }
            loaded.unusable = stamp
            loaded.isProblemTold = false
            loaded = try Self.load(path, allowsRC4: allowsRC4, replayCache: replayCache)
            return nil
        } catch {
            defer { loaded.isProblemTold = true }
            return loaded.isProblemTold ? nil : error
        }
    }

    // MARK: Reading

    /// A keytab of our own in memory has a name that nobody else uses.
    private static let nextName = Atomic<UInt64>(0)

    private static func load(
        _ path: String, allowsRC4: Bool, replayCache: String?
    ) throws(KerberosError) -> Loaded {
        // Before the file is read: if it changes meanwhile it is read again.
        let stamp = try FileStamp(path)
        guard stamp.mode & 0o007 == 0 else { throw .keytabExposed(path: path) }
        let library = try KerberosLibrary()
        let name = "MEMORY:clusprep-\(nextName.wrappingAdd(1, ordering: .relaxed).oldValue)"
        let memory = try library.keytab(name)
        defer { library.close(memory) }
        let allowed = KerberosEncryptionType.allowed(withRC4: allowsRC4)
        var entries: [Entry] = []
        var refused: Set<KerberosEncryptionType> = []
        try library.forEachEntry(ofFile: path) { (entry) throws(KerberosError) in
            let type = KerberosEncryptionType(rawValue: entry.key.enctype)
            guard allowed.contains(type) else {
                refused.insert(type)
                return
            }
            try library.add(&entry, to: memory)
            entries.append(
                Entry(principal: library.text(of: entry.principal), version: entry.vno, type: type))
        }
        guard !entries.isEmpty else {
            throw .keytabWithoutKeys(path: path, found: refused.sorted { $0.rawValue < $1.rawValue })
        }
        // The credential keeps the keytab in memory alive.
        func credential(_ types: [KerberosEncryptionType]) throws(KerberosError) -> GSSCredential {
            let credential = try GSSCredential(accepting: name, replayCache: replayCache)
            try credential.restrict(to: types)
            return credential
        }
        return Loaded(
            stamp: stamp, credential: try credential(allowed),
            withoutSHA2: try credential(allowed.filter { ![.aes128SHA2, .aes256SHA2].contains($0) }), entries: entries)
    }
}

/// What tells that a file was replaced or written.
private struct FileStamp: Equatable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    let seconds: Int
    let nanoseconds: Int
    let mode: UInt32

    init(_ path: String) throws(KerberosError) {
        var information = stat()
        guard stat(path, &information) == 0 else {
            let code = errno
            throw code == ENOENT
                ? .keytabMissing(path: path) : .keytabUnreadable(path: path, reason: String(cString: strerror(code)))
        }
        guard access(path, R_OK) == 0 else {
            throw .keytabUnreadable(path: path, reason: String(cString: strerror(errno)))
        }
        guard information.st_mode & S_IFMT == S_IFREG else {
            throw .keytabUnreadable(path: path, reason: "not a regular file")
        }
        device = UInt64(information.st_dev)
        inode = UInt64(information.st_ino)
        size = Int64(information.st_size)
        #if canImport(Darwin)
            seconds = information.st_mtimespec.tv_sec
            nanoseconds = information.st_mtimespec.tv_nsec
        #else
            seconds = information.st_mtim.tv_sec
            nanoseconds = information.st_mtim.tv_nsec
        #endif
        mode = UInt32(information.st_mode)
    }
}

/// libkrb5 for the time of one task.
struct KerberosLibrary: ~Copyable {
    private let context: krb5_context

    init() throws(KerberosError) {
        var context: krb5_context?
        let code = krb5_init_context(&context)
        guard code == 0, let context else { throw .failed("libkrb5 cannot be used: error \(code), see krb5.conf") }
        self.context = context
    }

    deinit { krb5_free_context(context) }

    func keytab(_ name: String) throws(KerberosError) -> krb5_keytab {
        var keytab: krb5_keytab?
        let code = krb5_kt_resolve(context, name, &keytab)
        guard code == 0, let keytab else { throw .failed(text(of: code)) }
        return keytab
    }

    func close(_ keytab: krb5_keytab) {
        krb5_kt_close(context, keytab)
    }

    func add(_ entry: inout krb5_keytab_entry, to keytab: krb5_keytab) throws(KerberosError) {
        let code = krb5_kt_add_entry(context, keytab, &entry)
        guard code == 0 else { throw .failed(text(of: code)) }
    }

    /// Hands out each entry of a file, its key only for as long as the body runs.
    func forEachEntry(
        ofFile path: String, _ body: (inout krb5_keytab_entry) throws(KerberosError) -> Void
    ) throws(KerberosError) {
        func unreadable(_ code: krb5_error_code) -> KerberosError {
            .keytabUnreadable(path: path, reason: text(of: code))
        }
        let file = try keytab("FILE:\(path)")
        defer { close(file) }
        var cursor: krb5_kt_cursor?
        let code = krb5_kt_start_seq_get(context, file, &cursor)
        guard code == 0 else { throw unreadable(code) }
        defer { krb5_kt_end_seq_get(context, file, &cursor) }
        while true {
            var entry = krb5_keytab_entry()
            let code = krb5_kt_next_entry(context, file, &entry, &cursor)
            guard code != krb5_error_code(KRB5_KT_END) else { return }
            guard code == 0 else { throw unreadable(code) }
            defer { krb5_free_keytab_entry_contents(context, &entry) }
            try body(&entry)
        }
    }

    func text(of principal: krb5_principal?) -> String {
        var name: UnsafeMutablePointer<CChar>?
        guard let principal, krb5_unparse_name(context, principal, &name) == 0, let name else { return "?" }
        defer { krb5_free_unparsed_name(context, name) }
        return String(cString: name)
    }

    private func text(of code: krb5_error_code) -> String {
        guard let message = krb5_get_error_message(context, code) else { return "error \(code)" }
        defer { krb5_free_error_message(context, message) }
        return String(cString: message)
    }
}
