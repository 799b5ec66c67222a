import COpenSSL

/// Octets that must not leak: a password's hash, a session key, a service secret.
///
/// A value prints as a constant, compares in constant time, and overwrites its memory when the last copy goes. It cannot
/// be encoded or hashed. What is taken out of it (``withUnsafeBytes(_:)``, ``bytes``) is the taker's to protect.
public struct SecretBytes: Sendable, Equatable {
    private let storage: Storage

    /// Copies octets into protected memory. The source is not wiped: it is the caller's.
    public init(_ bytes: some Collection<UInt8>) {
        storage = Storage(count: bytes.count)
        _ = storage.buffer.initializeMemory(as: UInt8.self, from: bytes)
    }

    /// Makes a secret of `count` octets in place, so that it never stands anywhere else.
    ///
    /// - Parameter initialize: fills the buffer, which starts out as zeroes.
    public init(count: Int, _ initialize: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        storage = Storage(count: count)
        try initialize(storage.buffer)
    }

    /// The number of octets.
    public var count: Int { storage.buffer.count }

    /// Whether there are no octets.
    public var isEmpty: Bool { storage.buffer.isEmpty }

    /// An unprotected copy. Prefer ``withUnsafeBytes(_:)``.
    public var bytes: [UInt8] { [UInt8](UnsafeRawBufferPointer(storage.buffer)) }

    /// Lends the octets without copying them. The pointer must not outlive the closure.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeRawBufferPointer(storage.buffer))
    }

    /// The octets without a copy, for code of this module that keeps the secret alive by itself.
    var view: UnsafeRawBufferPointer { UnsafeRawBufferPointer(storage.buffer) }

    /// Compares in a time that depends on the lengths alone.
    public static func == (lhs: SecretBytes, rhs: SecretBytes) -> Bool {
        lhs.withUnsafeBytes { left in rhs.withUnsafeBytes { right in constantTimeEqual(left, right) } }
    }

    /// The memory itself.
    ///
    /// Unchecked, because a raw pointer is never Sendable by itself. It is sound: the memory belongs to this object alone, is
    /// written only while `SecretBytes` is being initialized and nobody else can have it, and is read-only until `deinit`.
    private final class Storage: @unchecked Sendable {
        let buffer: UnsafeMutableRawBufferPointer

        init(count: Int) {
            buffer = .allocate(byteCount: count, alignment: 16)
            _ = buffer.initializeMemory(as: UInt8.self, repeating: 0)
        }

        deinit {
            // OPENSSL_cleanse is the wipe that no optimizer removes.
            if let base = buffer.baseAddress, !buffer.isEmpty { OPENSSL_cleanse(base, buffer.count) }
            buffer.deallocate()
        }
    }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// A constant: not even the length shows.
    public var description: String { "<secret>" }

    /// The same constant.
    public var debugDescription: String { description }

    /// Empty, so that `dump` and string interpolation of an enclosing value show nothing.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Compares two runs of octets in a time that depends on their lengths alone.
public func constantTimeEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    guard let leftBase = left.baseAddress, let rightBase = right.baseAddress else { return true }
    return CRYPTO_memcmp(leftBase, rightBase, left.count) == 0
}

/// Compares two arrays in a time that depends on their lengths alone.
public func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.withUnsafeBytes { left in right.withUnsafeBytes { right in constantTimeEqual(left, right) } }
}
