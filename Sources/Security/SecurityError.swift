/// Why an authentication exchange or the protection of a message failed.
///
/// The cases are for logs and for our own users. A peer must learn nothing from them: every refusal of a logon, whatever its
/// reason, is answered with the same fault.
public enum SecurityError: Error, Sendable, Equatable {
    /// A token does not have the form that its protocol prescribes. The text says what, and at which offset.
    case malformedToken(String)
    /// A well-formed token at the wrong time: out of order, or after the exchange has ended.
    case unexpectedToken(String)
    /// The peer did not offer, or did not agree to, something that this side insists on.
    case unacceptable(String)
    /// The exchange was well-formed, but proved no identity that may log on.
    case logonDenied(LogonRefusal)
    /// The user directory could not answer. The logon is refused; nothing is known about the user.
    case directoryUnavailable(String)
    /// A message's signature does not fit its octets, its place in the order, or its key.
    case messageAltered
    /// A message cannot be protected or verified at this level by this provider.
    case unsupportedLevel(AuthenticationLevel)
    /// This direction of the context failed before, or has used up its sequence numbers; the association has to be closed.
    case contextUnusable
    /// libcrypto refused a primitive.
    case cryptography(CryptographyError)
    /// Kerberos did not work; the cause says what to do.
    case kerberos(KerberosError)

    /// Why a logon was refused; for the log of the machine that refused it, never for the wire.
    public enum LogonRefusal: Sendable, Equatable {
        /// No such user in the directory, or of a domain that we do not hold.
        case unknownUser
        /// A domain that was asked does not know the user, or does not take the proof.
        case refusedByDomain
        /// The user exists, but the proof was not made with its password.
        case wrongPassword
        /// The user exists, but may not log on.
        case disabledUser
        /// The client asked to be nobody.
        case anonymous
        /// The client used LM or NTLMv1, which prove too little.
        case obsoleteResponse
        /// The message integrity code that protects the exchange itself is not there.
        case missingIntegrityCode
        /// The message integrity code does not fit: somebody altered the exchange.
        case wrongIntegrityCode
        /// What the client says it answers to is not what we sent (names, timestamp, flags).
        case foreignChallenge
        /// What the client proves was meant for another server, or for another channel than this one has.
        case foreignTarget(String)
        /// Too many attempts failed of late, of this user or from this address; this one was not looked at.
        case tooManyFailures
        /// The client's clock and ours are too far apart for the response to be fresh.
        case staleResponse
    }
}

extension SecurityError: CustomStringConvertible {
    /// One line for a log; holds no secret.
    public var description: String {
        switch self {
        case .malformedToken(let what): "malformed token: \(what)"
        case .unexpectedToken(let what): "unexpected token: \(what)"
        case .unacceptable(let what): "unacceptable peer: \(what)"
        case .logonDenied(let reason): "logon denied: \(reason)"
        case .directoryUnavailable(let cause): "the user directory did not answer: \(cause)"
        case .messageAltered: "the message's signature is wrong"
        case .unsupportedLevel(let level): "the level \(level) is not supported by this provider"
        case .contextUnusable: "the security context cannot be used any more"
        case .cryptography(let cause): "\(cause)"
        case .kerberos(let cause): "\(cause)"
        }
    }
}

/// A failure of libcrypto or of what it was asked to do.
public enum CryptographyError: Error, Sendable, Equatable {
    /// One of OpenSSL's providers cannot be loaded. Without "legacy" there is no MD4 and no RC4, so no NTLM.
    case providerMissing(name: String, cause: String)
    /// A primitive cannot be fetched, or refused its input.
    case primitiveFailed(name: String, cause: String)
    /// Authenticated decryption found that the ciphertext, its key or its context are not those it was made with.
    case authenticationFailed
}

extension CryptographyError: CustomStringConvertible {
    /// One line that says what to do about it.
    public var description: String {
        switch self {
        case .providerMissing(let name, let cause):
            "OpenSSL's \"\(name)\" provider cannot be loaded (\(cause)). "
                + "NTLM needs MD4 and RC4 from the legacy provider: install the package that holds ossl-modules/legacy.so "
                + "(libssl3 on Debian), or point OPENSSL_MODULES at it."
        case .primitiveFailed(let name, let cause): "OpenSSL failed at \(name): \(cause)"
        case .authenticationFailed: "the sealed data was altered, or belongs to another key or place"
        }
    }
}

/// Runs something that only libcrypto can make fail, and wraps the failure.
func cryptographic<Result>(_ body: () throws(CryptographyError) -> Result) throws(SecurityError) -> Result {
    do throws(CryptographyError) {
        return try body()
    } catch {
        throw .cryptography(error)
    }
}
