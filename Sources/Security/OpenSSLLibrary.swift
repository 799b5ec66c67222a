import COpenSSL

/// libcrypto as this process uses it: a library context of its own with the "default" and "legacy" providers, and every
/// algorithm fetched once.
///
/// A context of our own keeps us independent of what the system's openssl.cnf or another library in the process loads into
/// the default one.
///
/// Unchecked, because raw pointers are never Sendable by themselves. It is sound: all are set in the initializer and never
/// changed, and OpenSSL allows the use of a library context and of fetched algorithms from any thread (OSSL_LIB_CTX(3),
/// openssl-threads(7)).
final class OpenSSLLibrary: @unchecked Sendable {
    let context: OpaquePointer
    let md4: OpaquePointer
    let md5: OpaquePointer
    let sha256: OpaquePointer
    let aes256GCM: OpaquePointer
    let hkdf: OpaquePointer

    /// The one of this process. It lives until the process ends, so nothing is ever freed.
    static let shared: Result<OpenSSLLibrary, CryptographyError> = load(modulesPath: nil)

    /// Loads providers and algorithms.
    ///
    /// - Parameter modulesPath: the folder of the provider modules, or nil for OpenSSL's own choice.
    static func load(modulesPath: String?) -> Result<OpenSSLLibrary, CryptographyError> {
        do throws(CryptographyError) {
            return .success(try OpenSSLLibrary(modulesPath: modulesPath))
        } catch {
            return .failure(error)
        }
    }

    private init(modulesPath: String?) throws(CryptographyError) {
        context = try Self.require(OSSL_LIB_CTX_new(), "OSSL_LIB_CTX_new")
        if let modulesPath, OSSL_PROVIDER_set_default_search_path(context, modulesPath) != 1 {
            throw .primitiveFailed(name: "OSSL_PROVIDER_set_default_search_path", cause: Self.lastError())
        }
        for name in ["default", "legacy"] where OSSL_PROVIDER_load(context, name) == nil {
            throw .providerMissing(name: name, cause: Self.lastError())
        }
        md4 = try Self.require(EVP_MD_fetch(context, "MD4", nil), "MD4")
        md5 = try Self.require(EVP_MD_fetch(context, "MD5", nil), "MD5")
        sha256 = try Self.require(EVP_MD_fetch(context, "SHA2-256", nil), "SHA-256")
        aes256GCM = try Self.require(EVP_CIPHER_fetch(context, "AES-256-GCM", nil), "AES-256-GCM")
        hkdf = try Self.require(EVP_KDF_fetch(context, "HKDF", nil), "HKDF")
    }

    /// Turns a null from libcrypto into an error that carries its reason.
    static func require(_ pointer: OpaquePointer?, _ name: String) throws(CryptographyError) -> OpaquePointer {
        guard let pointer else { throw .primitiveFailed(name: name, cause: lastError()) }
        return pointer
    }

    /// Turns a return value other than 1 from libcrypto into an error that carries its reason.
    static func check(_ result: Int32, _ name: String) throws(CryptographyError) {
        guard result == 1 else { throw .primitiveFailed(name: name, cause: lastError()) }
    }

    /// The error of a call that says by its result's absence, or its sign, that it failed.
    static func failure(_ name: String) -> CryptographyError {
        .primitiveFailed(name: name, cause: lastError())
    }

    /// Takes the reason of the last failure from this thread's error queue, and empties the queue.
    private static func lastError() -> String {
        let code = ERR_get_error()
        defer { ERR_clear_error() }
        guard code != 0 else { return "no reason given" }
        var text = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(code, &text, text.count)
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Where a program finds out, at its start, whether all primitives are there.
public enum Cryptography {
    /// Loads libcrypto's providers if that has not happened yet.
    ///
    /// - Throws: ``CryptographyError/providerMissing(name:cause:)`` with a text that says what to install.
    public static func checkAvailable() throws(CryptographyError) {
        _ = try OpenSSLLibrary.shared.get()
    }

    /// Octets from libcrypto's random generator, fit for keys and nonces.
    public static func randomBytes(_ count: Int) throws(CryptographyError) -> [UInt8] {
        let library = try OpenSSLLibrary.shared.get()
        var bytes = [UInt8](repeating: 0, count: count)
        try OpenSSLLibrary.check(RAND_bytes_ex(library.context, &bytes, count, 256), "RAND_bytes_ex")
        return bytes
    }

    /// A random secret, made in protected memory.
    public static func randomSecret(_ count: Int) throws(CryptographyError) -> SecretBytes {
        let library = try OpenSSLLibrary.shared.get()
        var result: Int32 = 0
        let secret = SecretBytes(count: count) { buffer in
            result = RAND_priv_bytes_ex(
                library.context, buffer.bindMemory(to: UInt8.self).baseAddress, buffer.count, 256)
        }
        try OpenSSLLibrary.check(result, "RAND_priv_bytes_ex")
        return secret
    }
}
