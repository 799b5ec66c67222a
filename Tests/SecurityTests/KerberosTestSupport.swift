import Foundation
import Testing

@testable import Security

/// The tickets and keys of Fixtures/kerberos, in a folder of the test's own: keytabs are for their owner's eyes only, and the
/// replay cache is written to.
final class KerberosRealm {
    static let realm = "CLUSPREP.TEST"
    static let alice = "alice@\(realm)"

    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("kerberos-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        for name in ["services.keytab", "alice.ccache", "alice-pac.ccache"] {
            try FileManager.default.copyItem(
                at: Self.fixtures.appendingPathComponent(name), to: folder.appendingPathComponent(name))
            try permit(0o600, name)
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func permit(_ mode: Int, _ name: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
    }

    static let fixtures = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/kerberos")

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func keytab(allowsRC4: Bool = false) throws -> KerberosKeytab {
        try KerberosKeytab(path: path("services.keytab"), allowsRC4: allowsRC4, replayCache: path("replay"))
    }

    func provider(
        allowsRC4: Bool = false, policy: KerberosPolicy = KerberosPolicy(), users: (any UserDirectory)? = nil,
        observer: (@Sendable (KerberosProvider.Event) -> Void)? = nil
    ) throws -> KerberosProvider {
        KerberosProvider(
            keytab: try keytab(allowsRC4: allowsRC4), policy: policy, users: users, observer: observer)
    }

    /// Alice, who wants to reach the service whose key is of this type.
    func initiator(_ service: KerberosService) -> KerberosInitiator {
        KerberosInitiator(
            target: .principal("host/\(service.rawValue).clusprep.test@\(Self.realm)"),
            cache: "FILE:\(path(service == .pac ? "alice-pac.ccache" : "alice.ccache"))",
            encryptionTypes: [service.type])
    }

    /// Both ends of a finished exchange.
    func exchange(
        _ service: KerberosService = .aes256SHA1, provider: KerberosProvider? = nil
    ) async throws -> (client: KerberosSecurityContext, server: KerberosSecurityContext) {
        let provider = try provider ?? self.provider(allowsRC4: service == .rc4)
        return try await Self.exchange(initiator(service), provider.makeAcceptor(for: SecurityPeer(address: "test")))
    }

    static func exchange(
        _ initiator: some SecurityInitiator, _ acceptor: any SecurityAcceptor
    ) async throws -> (client: KerberosSecurityContext, server: KerberosSecurityContext) {
        let request = try await initiator.initiate(nil).token()
        let answer = try await acceptor.accept(request).token()
        let (last, client) = try await initiator.initiate(answer).end()
        let (nothing, server) = try await acceptor.accept(try #require(last)).end()
        #expect(nothing == nil)
        return (client, server)
    }
}

enum KerberosService: String, CaseIterable, Sendable {
    case aes128SHA1 = "aes128-sha1"
    case aes256SHA1 = "aes256-sha1"
    case aes128SHA2 = "aes128-sha2"
    case aes256SHA2 = "aes256-sha2"
    case rc4
    case pac

    var type: KerberosEncryptionType {
        switch self {
        case .aes128SHA1: .aes128SHA1
        case .aes256SHA1, .pac: .aes256SHA1
        case .aes128SHA2: .aes128SHA2
        case .aes256SHA2: .aes256SHA2
        case .rc4: .rc4
        }
    }

    static let types: [KerberosService] = [.aes128SHA1, .aes256SHA1, .aes128SHA2, .aes256SHA2, .rc4]
}

extension SecurityStep {
    func token() throws -> [UInt8] {
        guard case .continueNeeded(let token) = self else {
            Issue.record("the exchange has ended")
            return []
        }
        return token
    }

    func end() throws -> (reply: [UInt8]?, context: KerberosSecurityContext) {
        guard case .complete(let reply, let context) = self else { throw UnexpectedStep() }
        return (reply, try #require(context as? KerberosSecurityContext))
    }

    struct UnexpectedStep: Error {}
}

/// A PDU of a header, a body and a trailer, and room for the authentication value.
struct KerberosPDU {
    var octets: [UInt8]
    let parts: MessageParts

    static let header = 24
    static let trailer = 8

    init(body: [UInt8], signature: Int, signsHeader: Bool = true) {
        octets = [UInt8](repeating: 0xA1, count: Self.header) + body + [UInt8](repeating: 0xB2, count: Self.trailer)
        let start = octets.count
        octets += [UInt8](repeating: 0, count: signature)
        parts = MessageParts(
            body: Self.header..<Self.header + body.count, authValue: start..<start + signature,
            signsHeader: signsHeader)
    }

    var body: [UInt8] { Array(octets[parts.body]) }

    mutating func protect(_ context: some SecurityContext, _ level: AuthenticationLevel) throws {
        let parts = parts
        try octets.withMutableOctets { octets throws(SecurityError) in
            try context.protect(octets, parts, level: level)
        }
    }

    mutating func unprotect(_ context: some SecurityContext, _ level: AuthenticationLevel) throws {
        let parts = parts
        try octets.withMutableOctets { octets throws(SecurityError) in
            try context.unprotect(octets, parts, level: level)
        }
    }
}
