import CGSSAPI

/// A credential of GSSAPI: the keys to accept with, or the tickets to initiate with.
///
/// Unchecked, because a handle is never Sendable by itself. It is sound: nothing changes a credential after it was made (but
/// ``restrict(to:)``, before it is shared), and MIT's library locks what it keeps inside of one (gssapi_krb5 resolves and uses
/// credentials under a mutex of theirs).
final class GSSCredential: @unchecked Sendable {
    let handle: gss_cred_id_t

    /// The keys of a keytab, by its name in libkrb5.
    convenience init(accepting keytab: String, replayCache: String?) throws(KerberosError) {
        try self.init(accepts: true, store: keytab, replayCache: replayCache)
    }

    /// The tickets of a ccache, by its name in libkrb5; nil for the user's default.
    convenience init(initiatingFrom cache: String?) throws(KerberosError) {
        try self.init(accepts: false, store: cache, replayCache: nil)
    }

    private init(accepts: Bool, store: String?, replayCache: String?) throws(KerberosError) {
        var minor: OM_uint32 = 0
        var handle: gss_cred_id_t?
        let major = withOptionalCString(store) { store in
            withOptionalCString(replayCache) { replayCache in
                clusprep_gss_acquire(&minor, accepts ? 1 : 0, store, replayCache, &handle)
            }
        }
        guard major == GSS_S_COMPLETE, let handle else { throw KerberosError(GSSStatus(major: major, minor: minor)) }
        self.handle = handle
    }

    deinit {
        var minor: OM_uint32 = 0
        var handle: gss_cred_id_t? = handle
        gss_release_cred(&minor, &handle)
    }

    /// Lets the credential be used with these encryption types' session keys only.
    func restrict(to types: [KerberosEncryptionType]) throws(KerberosError) {
        var minor: OM_uint32 = 0
        var types = types.map(\.rawValue)
        let major = gss_krb5_set_allowable_enctypes(&minor, handle, OM_uint32(types.count), &types)
        guard major == GSS_S_COMPLETE else { throw KerberosError(GSSStatus(major: major, minor: minor)) }
    }
}

private func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return text.withCString(body)
}

/// A name of GSSAPI, for as long as it is needed.
struct GSSName: ~Copyable {
    let handle: gss_name_t

    /// Takes over a handle.
    init(_ handle: gss_name_t) {
        self.handle = handle
    }

    /// A principal as text: "host/node.example.com@EXAMPLE.COM", or without the realm for the default one.
    init(principal: String) throws(KerberosError) {
        try self.init(principal, type: clusprep_gss_nt_krb5_name())
    }

    /// A service on a host, "host@node.example.com": the library finds the realm.
    init(hostBasedService: String) throws(KerberosError) {
        try self.init(hostBasedService, type: clusprep_gss_nt_hostbased_service())
    }

    private init(_ text: String, type: gss_OID?) throws(KerberosError) {
        var minor: OM_uint32 = 0
        var handle: gss_name_t?
        var text = Array(text.utf8)
        let major = text.withUnsafeMutableBytes { octets in
            var buffer = gss_buffer_desc(length: octets.count, value: octets.baseAddress)
            return gss_import_name(&minor, &buffer, type, &handle)
        }
        guard major == GSS_S_COMPLETE, let handle else { throw KerberosError(GSSStatus(major: major, minor: minor)) }
        self.handle = handle
    }

    deinit {
        var minor: OM_uint32 = 0
        var handle: gss_name_t? = handle
        gss_release_name(&minor, &handle)
    }

    /// The name as the mechanism writes it; for Kerberos name@REALM.
    var text: String {
        var minor: OM_uint32 = 0
        var buffer = gss_buffer_desc()
        guard gss_display_name(&minor, handle, &buffer, nil) == GSS_S_COMPLETE else { return "" }
        defer { gss_release_buffer(&minor, &buffer) }
        return String(decoding: UnsafeRawBufferPointer(start: buffer.value, count: buffer.length), as: UTF8.self)
    }

    /// An attribute, if there is one and its origin was verified.
    func verifiedAttribute(_ name: String) -> [UInt8]? {
        var minor: OM_uint32 = 0
        var authenticated: Int32 = 0
        var value = gss_buffer_desc()
        let major = clusprep_gss_attribute(&minor, handle, name, name.utf8.count, &authenticated, &value)
        guard major == GSS_S_COMPLETE else { return nil }
        defer { gss_release_buffer(&minor, &value) }
        guard authenticated != 0 else { return nil }
        return Array(UnsafeRawBufferPointer(start: value.value, count: value.length))
    }
}
