import CGSSAPI
import Synchronization

/// A context of GSSAPI, from the first token to the last message.
///
/// The library's contexts may be used by one thread at a time, so there is one lock for both directions. While tokens are
/// exchanged the calls may block (files, for the initiator the network); afterwards they only compute.
final class GSSExchange: Sendable {
    private let context = Mutex(GSSContext())

    /// What one token led to.
    struct Step: Sendable {
        /// The token for the peer; empty if there is none.
        var reply: [UInt8]
        /// What the exchange agreed on, once it is over.
        var result: Result?
    }

    /// What a finished exchange agreed on.
    struct Result: Sendable {
        /// GSSAPI's flags (RFC 2744 section 5.19).
        var flags: OM_uint32
        /// The client's principal.
        var client: String
        /// KERB_VALIDATION_INFO of a PAC whose signature the service's key verified ([MS-PAC] 2.5); only on the acceptor's side.
        var logonInformation: [UInt8]?
        /// The type of the key that messages are protected with.
        var encryptionType: KerberosEncryptionType
        /// The octets of the token of a message that is signed, and of one that is sealed.
        var tokenLengths: (signed: Int, sealed: Int)
    }

    /// Takes a client's token.
    func accept(_ token: [UInt8], with credential: GSSCredential) throws(SecurityError) -> Step {
        try withContext { context throws(SecurityError) in try context.accept(token, with: credential) }
    }

    /// Makes a client's next token.
    func initiate(
        _ token: [UInt8]?, with credential: GSSCredential, target: KerberosInitiator.Target
    ) throws(SecurityError) -> Step {
        try withContext { context throws(SecurityError) in
            let name: GSSName
            do throws(KerberosError) {
                name = try target.name()
            } catch {
                throw .kerberos(error)
            }
            return try context.initiate(token ?? [], with: credential, target: name, service: target.text)
        }
    }

    /// Signs a message, and seals its body if wanted. `message` lends its memory for the time of the call.
    func protect(_ message: clusprep_message, seals: Bool) throws(SecurityError) {
        let message = LentMessage(message: message)
        try withContext { context throws(SecurityError) in try context.protect(message.message, seals: seals) }
    }

    /// Verifies a message, and unseals its body if wanted.
    func unprotect(_ message: clusprep_message, seals: Bool) throws(SecurityError) {
        let message = LentMessage(message: message)
        try withContext { context throws(SecurityError) in try context.unprotect(message.message, seals: seals) }
    }

    /// GSS_GetMIC.
    func integrityCode(over octets: [UInt8]) throws(SecurityError) -> [UInt8] {
        try withContext { context throws(SecurityError) in try context.integrityCode(over: octets) }
    }

    /// GSS_VerifyMIC.
    func verify(_ code: [UInt8], over octets: [UInt8]) throws(SecurityError) {
        try withContext { context throws(SecurityError) in try context.verify(code, over: octets) }
    }

    @inline(__always)
    private func withContext<Value: Sendable>(
        _ body: (inout GSSContext) throws(SecurityError) -> Value
    ) throws(SecurityError) -> Value {
        try context.withLock { context throws(SecurityError) in try body(&context) }
    }
}

/// Memory on its way into a lock's closure.
///
/// Unchecked, because pointers are never Sendable by themselves. It is sound: the closure runs at once, on the thread that
/// lends the memory, and nothing in it keeps the pointer.
private struct LentMessage: @unchecked Sendable {
    let message: clusprep_message
}

/// The handle, and how each direction stands.
private struct GSSContext: ~Copyable {
    private var handle: gss_ctx_id_t?
    private var outgoing = Direction()
    private var incoming = Direction()

    /// One direction: whether it works, and how many messages it may still have.
    private struct Direction {
        /// Sequence numbers of RC4 tokens have 32 bits (RFC 4757 section 7.3), and may begin anywhere; after so many messages
        /// none has come round yet. The longer ones of the other types end at the same, which is long enough.
        private var left: UInt32 = .max

        /// Counts a message. Whoever fails on the way leaves the direction closed.
        mutating func begin() throws(SecurityError) -> UInt32 {
            guard left > 0 else { throw .contextUnusable }
            defer { left = 0 }
            return left
        }

        mutating func end(_ before: UInt32) {
            left = before - 1
        }
    }

    deinit {
        var minor: OM_uint32 = 0
        var handle = handle
        gss_delete_sec_context(&minor, &handle, nil)
    }

    // MARK: Tokens

    mutating func accept(_ token: [UInt8], with credential: GSSCredential) throws(SecurityError) -> GSSExchange.Step {
        var minor: OM_uint32 = 0
        var flags: OM_uint32 = 0
        var source: gss_name_t?
        var output = gss_buffer_desc()
        let major = Self.withInput(token) { input in
            gss_accept_sec_context(
                &minor, &handle, credential.handle, input, nil, &source, nil, &output, &flags, nil, nil)
        }
        let reply = Self.take(&output)
        let name = source.map { GSSName($0) }
        let status = GSSStatus(major: major, minor: minor)
        guard !status.isError else { throw .kerberos(KerberosError(status)) }
        guard major == GSS_S_COMPLETE else { return .init(reply: reply) }
        guard let name else { throw .kerberos(.failed("the client has no name")) }
        return .init(
            reply: reply,
            result: try result(
                flags: flags, client: name.text,
                logonInformation: name.verifiedAttribute("urn:mspac:logon-info")))
    }

    mutating func initiate(
        _ token: [UInt8], with credential: GSSCredential, target: borrowing GSSName, service: String
    ) throws(SecurityError) -> GSSExchange.Step {
        var minor: OM_uint32 = 0
        var flags: OM_uint32 = 0
        var output = gss_buffer_desc()
        let major = Self.withInput(token) { input in
            gss_init_sec_context(
                &minor, credential.handle, &handle, target.handle, clusprep_gss_mech_krb5(), clusprep_gss_dce_flags(),
                0, nil,
                input, nil, &output, &flags, nil)
        }
        let reply = Self.take(&output)
        let status = GSSStatus(major: major, minor: minor)
        guard !status.isError else { throw .kerberos(KerberosError(status, service: service)) }
        guard major == GSS_S_COMPLETE else { return .init(reply: reply) }
        var source: gss_name_t?
        gss_inquire_context(&minor, handle, &source, nil, nil, nil, nil, nil, nil)
        let name = source.map { GSSName($0) }
        return .init(
            reply: reply, result: try result(flags: flags, client: name?.text ?? "", logonInformation: nil))
    }

    private mutating func result(
        flags: OM_uint32, client: String, logonInformation: [UInt8]?
    ) throws(SecurityError) -> GSSExchange.Result {
        let type = KerberosEncryptionType(rawValue: clusprep_gss_enctype(handle))
        let sealed = try tokenLength(seals: true)
        // The library's answer for a MIC of RC4 counts the confounder, which only sealed messages have (RFC 4757 7.2, 7.3).
        let signed = type == .rc4 ? sealed - 8 : try tokenLength(seals: false)
        return .init(
            flags: flags, client: client, logonInformation: logonInformation, encryptionType: type,
            tokenLengths: (signed, sealed))
    }

    private func tokenLength(seals: Bool) throws(SecurityError) -> Int {
        var minor: OM_uint32 = 0
        var length = 0
        let major = clusprep_gss_token_length(&minor, handle, seals ? 1 : 0, &length)
        guard major == GSS_S_COMPLETE else {
            throw .kerberos(KerberosError(GSSStatus(major: major, minor: minor)))
        }
        return length
    }

    // MARK: Messages

    mutating func protect(_ message: clusprep_message, seals: Bool) throws(SecurityError) {
        let before = try outgoing.begin()
        var minor: OM_uint32 = 0
        var message = message
        let major = clusprep_gss_protect(&minor, handle, &message, seals ? 1 : 0)
        guard major == GSS_S_COMPLETE else {
            throw .kerberos(KerberosError(GSSStatus(major: major, minor: minor)))
        }
        outgoing.end(before)
    }

    mutating func unprotect(_ message: clusprep_message, seals: Bool) throws(SecurityError) {
        let before = try incoming.begin()
        var minor: OM_uint32 = 0
        var message = message
        // Anything but complete: a wrong signature, or one that is right and out of order (RFC 2744 section 3.9.1).
        guard clusprep_gss_unprotect(&minor, handle, &message, seals ? 1 : 0) == GSS_S_COMPLETE else {
            throw .messageAltered
        }
        incoming.end(before)
    }

    mutating func integrityCode(over octets: [UInt8]) throws(SecurityError) -> [UInt8] {
        let before = try outgoing.begin()
        var minor: OM_uint32 = 0
        var output = gss_buffer_desc()
        let major = Self.withInput(octets) { input in gss_get_mic(&minor, handle, 0, input, &output) }
        let code = Self.take(&output)
        guard major == GSS_S_COMPLETE else {
            throw .kerberos(KerberosError(GSSStatus(major: major, minor: minor)))
        }
        outgoing.end(before)
        return code
    }

    mutating func verify(_ code: [UInt8], over octets: [UInt8]) throws(SecurityError) {
        let before = try incoming.begin()
        var minor: OM_uint32 = 0
        let major = Self.withInput(octets) { octets in
            Self.withInput(code) { code in gss_verify_mic(&minor, handle, octets, code, nil) }
        }
        guard major == GSS_S_COMPLETE else { throw .messageAltered }
        incoming.end(before)
    }

    // MARK: Buffers

    private static func withInput<Value>(_ octets: [UInt8], _ body: (gss_buffer_t) -> Value) -> Value {
        octets.withUnsafeBytes { octets in
            // The library reads input buffers only, though its type does not say so.
            var buffer = gss_buffer_desc(
                length: octets.count, value: UnsafeMutableRawPointer(mutating: octets.baseAddress))
            return body(&buffer)
        }
    }

    private static func take(_ buffer: inout gss_buffer_desc) -> [UInt8] {
        var minor: OM_uint32 = 0
        defer { gss_release_buffer(&minor, &buffer) }
        return Array(UnsafeRawBufferPointer(start: buffer.value, count: buffer.length))
    }
}
