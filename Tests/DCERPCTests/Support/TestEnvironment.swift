import NDR
import Security
import Synchronization

@testable import DCERPC

extension SyntaxIdentifier {
    /// The endpoint mapper, which the recorded binds ask for.
    static let epmapper = SyntaxIdentifier(uuid: "e1af8308-5d1f-11c9-91a4-08002b14a0fa", major: 3)
    static let management = SyntaxIdentifier(uuid: "afa8bd80-7d8a-11c9-bef4-08002b102989", major: 1)
    static let unknown = SyntaxIdentifier(uuid: "11111111-2222-3333-4444-555555555555", major: 1)
    static let zero = SyntaxIdentifier(uuid: .zero, major: 0)
}

/// An endpoint with two interfaces and the providers it is told.
struct TestEnvironment: AssociationEnvironment {
    var interfaces: [SyntaxIdentifier] = [.epmapper, .management]
    var providers: Set<AuthenticationType> = [.ntlm, .spnego]
    var groups = AssociationGroups()
    var client = "192.0.2.1"
    var longRequests = LongRequestPlaces(4)
    var transferSyntaxes: [TransferSyntax] = [.ndr20]

    func interface(serving syntax: SyntaxIdentifier) -> SyntaxIdentifier? {
        interfaces.first { $0.uuid == syntax.uuid && $0.major == syntax.major && $0.minor >= syntax.minor }
    }

    func transferSyntaxes(of interface: SyntaxIdentifier) -> [TransferSyntax] { transferSyntaxes }

    func supports(_ type: AuthenticationType) -> Bool { providers.contains(type) }

    func joinGroup(_ id: UInt32) -> UInt32? { groups.join(id, client: client) }

    func placeForLongRequest() -> LongRequestPlace? { longRequests.take() }
}

/// A security context whose work can be checked by eye: it seals by XOR with a key, numbers messages in each direction, and its
/// signature is a sum over the whole message and the number.
final class TestSecurityContext: SecurityContext {
    private struct Numbers {
        var sent: UInt32 = 0
        var received: UInt32 = 0
    }

    let identity: ClientIdentity
    let key: UInt8
    let highestLevel: AuthenticationLevel
    private let numbers = Mutex(Numbers())

    init(key: UInt8 = 0x5A, highestLevel: AuthenticationLevel = .packetPrivacy, isAdministrator: Bool = true) {
        identity = ClientIdentity(
            domain: "DOMAIN", user: "user", sid: "S-1-5-21-1-2-3-1000", isAdministrator: isAdministrator)
        self.key = key
        self.highestLevel = highestLevel
    }

    func supports(_ level: AuthenticationLevel) -> Bool { level <= highestLevel }

    func signatureLength(for level: AuthenticationLevel) -> Int { level > .connect ? 16 : 0 }

    func protect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {
        let number = numbers.withLock { numbers in
            defer { numbers.sent += 1 }
            return numbers.sent
        }
        UnsafeMutableRawBufferPointer(rebasing: message[parts.authValue]).copyBytes(
            from: signature(message[..<parts.authValue.lowerBound], number))
        if level == .packetPrivacy { for index in parts.body { message[index] ^= key } }
    }

    func unprotect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {
        if level == .packetPrivacy { for index in parts.body { message[index] ^= key } }
        let number = numbers.withLock { numbers in
            defer { numbers.received += 1 }
            return numbers.received
        }
        let signature = signature(message[..<parts.authValue.lowerBound], number)
        guard signature.elementsEqual(message[parts.authValue]) else { throw .messageAltered }
    }

    private func signature(_ message: Slice<UnsafeMutableRawBufferPointer>, _ number: UInt32) -> [UInt8] {
        let sum = message.reduce(UInt32(key)) { $0 &* 31 &+ UInt32($1) }
        var signature = [UInt8](repeating: key, count: 8)
        for value in [sum, number] {
            for index in 0..<4 { signature.append(UInt8(truncatingIfNeeded: value >> (8 * UInt32(index)))) }
        }
        return signature
    }
}
