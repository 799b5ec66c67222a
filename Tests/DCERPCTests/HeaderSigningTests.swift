import Security
import Synchronization
import Testing

@testable import DCERPC

/// Header signing that is negotiated late ([MS-RPCE] 3.3.1.1.2 and 3.3.1.5.2.2): it is the connection's, and so are all its security
/// contexts'. NTLM would not notice; Kerberos does.
@Suite struct HeaderSigningTests {
    /// Remembers whether it was asked to sign headers.
    private final class Witness: SecurityContext {
        let identity = ClientIdentity(domain: "DOMAIN", user: "user", sid: "", isAdministrator: false)
        private let asked = Mutex<[Bool]>([])

        var seen: [Bool] { asked.withLock { $0 } }

        func supports(_ level: AuthenticationLevel) -> Bool { true }
        func signatureLength(for level: AuthenticationLevel) -> Int { 16 }
        func protect(
            _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
        ) throws(SecurityError) {
            asked.withLock { $0.append(parts.signsHeader) }
        }
        func unprotect(
            _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
        ) throws(SecurityError) {
            asked.withLock { $0.append(parts.signsHeader) }
        }
    }

    private let headerSigning: PDUFlags = [.whole, .supportHeaderSigning]

    private func request(_ callID: UInt32, _ flags: PDUFlags = .whole) throws -> [UInt8] {
        let client = MessageSecurity(
            contextID: 1, type: .ntlm, levelOctet: 5, level: .packetIntegrity, signsHeader: false, context: Witness())
        return Client.request(callID: callID, stub: [1, 2], flags: flags, security: client)
    }

    private func secured(_ witness: Witness, flags: PDUFlags = .whole) -> Association {
        var association = Association.make()
        _ = association.receive(Client.bind(flags: flags, token: Client.token(level: 5)))
        _ = association.authenticated(1, result: .step(.complete(reply: nil, context: witness)))
        return association
    }

    @Test func isOffWithoutTheFlag() throws {
        let witness = Witness()
        var association = secured(witness)
        _ = association.receive(try request(2))
        _ = association.reply(to: 2, stub: [])
        #expect(witness.seen == [false, false])
    }

    @Test func isOnFromTheBind() throws {
        let witness = Witness()
        var association = secured(witness, flags: headerSigning)
        _ = association.receive(try request(2))
        _ = association.reply(to: 2, stub: [])
        #expect(witness.seen == [true, true])
    }

    // test_krb5_hdr_sign_delayed1_ok1
    @Test func comesOnForAContextThatIsFinished() throws {
        let witness = Witness()
        var association = secured(witness)
        _ = association.receive(try request(2))
        _ = association.reply(to: 2, stub: [])
        _ = association.receive(Client.alter(callID: 3, flags: headerSigning))
        _ = association.receive(try request(4))
        _ = association.reply(to: 4, stub: [])
        #expect(witness.seen == [false, false, true, true])
    }

    // test_krb5_hdr_sign_delayed2_ok1
    @Test func comesOnWithTheLastLeg() throws {
        let witness = Witness()
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token(level: 5)))
        _ = association.authenticated(1, result: .step(.continueNeeded(reply: [1])))
        _ = association.receive(Client.alter(flags: headerSigning, token: Client.token(level: 5)))
        _ = association.authenticated(1, result: .step(.complete(reply: nil, context: witness)))
        _ = association.receive(try request(2))
        #expect(witness.seen == [true])
    }

    // test_krb5_hdr_sign_delayed3_fail1
    @Test func anAuth3CannotAskForIt() throws {
        let witness = Witness()
        var association = Association.make()
        _ = association.receive(Client.bind(token: Client.token(level: 5)))
        _ = association.authenticated(1, result: .step(.continueNeeded(reply: [1])))
        var auth3 = Auth3PDU(token: Client.token(level: 5)).encoded(callID: 1)
        auth3[3] = headerSigning.rawValue
        _ = association.receive(auth3)
        _ = association.authenticated(1, result: .step(.complete(reply: nil, context: witness)))
        _ = association.receive(try request(2))
        #expect(witness.seen == [false])
    }

    @Test func comesOnForWhatIsUnderWay() throws {
        let witness = Witness()
        var association = secured(witness)
        _ = association.receive(try request(2))
        _ = association.receive(try request(3, .firstFragment))
        _ = association.receive(Client.alter(callID: 4, flags: headerSigning))
        _ = association.receive(try request(3, .lastFragment))
        _ = association.reply(to: 2, stub: [])
        #expect(witness.seen == [false, false, true, true])
    }
}
