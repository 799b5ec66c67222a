import SwiftASN1
import Synchronization

/// NTLM's GSS_GetMIC is an ordinary signature ([MS-NLMP] 3.4.4.2): number 0 of its direction, under a key stream that starts
/// afresh for the application's first message, which then has number 1.
///
/// Samba does the same: after a `mechListMIC` was checked it resets the key streams and leaves the numbers as they are.
extension NTLMSecurityContext: NegotiableContext {
    /// Throws ``SecurityError/contextUnusable`` where a message was protected already, or the negotiation has ended.
    public func integrityCode(over octets: [UInt8]) throws(SecurityError) -> [UInt8] {
        try countOutgoing()
        return try code(over: octets, isOutgoing: true)
    }

    /// Throws ``SecurityError/contextUnusable`` where a message was unprotected already, or the negotiation has ended.
    public func verify(_ code: [UInt8], over octets: [UInt8]) throws(SecurityError) {
        try countIncoming()
        guard constantTimeEqual(try self.code(over: octets, isOutgoing: false), code) else { throw .messageAltered }
    }

    /// Wipes the session key.
    public func negotiationDidEnd() {
        negotiationKey.withLock { $0 = nil }
    }

    private func code(over octets: [UInt8], isOutgoing: Bool) throws(SecurityError) -> [UInt8] {
        guard supports(.packetIntegrity) else { throw .unsupportedLevel(.packetIntegrity) }
        guard let key = negotiationKey.withLock({ $0 }) else { throw .contextUnusable }
        let direction: NTLMKeys.Direction = isOutgoing == isClient ? .clientToServer : .serverToClient
        return try cryptographic { () throws(CryptographyError) in
            let signer = try HMACMD5(key: NTLMKeys.signingKey(key, direction))
            var cipher = try RC4(key: NTLMKeys.sealingKey(key, direction))
            let number: [UInt8] = [0, 0, 0, 0]
            let checksum = cipher.apply(Array(try signer.authenticate(number, octets).prefix(8)))
            return [1, 0, 0, 0] + checksum + number
        }
    }
}

extension NTLMProvider: NegotiableProvider {
    /// NTLMSSP.
    public var mechanisms: [ASN1ObjectIdentifier] { [.ntlm] }
}

extension NTLMInitiator: NegotiableInitiator {
    /// NTLMSSP.
    public nonisolated var mechanisms: [ASN1ObjectIdentifier] { [.ntlm] }
}
