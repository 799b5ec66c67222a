import Foundation
import Synchronization
import Testing

@testable import Security

@Suite struct KerberosKeytabTests {
    @Test func entries() throws {
        let realm = try KerberosRealm()
        let entries = try realm.keytab().entries
        #expect(Set(entries.map(\.type)) == [.aes128SHA1, .aes256SHA1, .aes128SHA2, .aes256SHA2])
        #expect(entries.contains { $0.principal == "host/pac.clusprep.test@CLUSPREP.TEST" })
        #expect(try realm.keytab(allowsRC4: true).entries.count == entries.count + 1)
    }

    @Test func missing() throws {
        let realm = try KerberosRealm()
        let path = realm.path("none.keytab")
        let error = #expect(throws: KerberosError.keytabMissing(path: path)) { try KerberosKeytab(path: path) }
        #expect("\(try #require(error))".contains("clusprep setup keytab"))
    }

    @Test func exposed() throws {
        let realm = try KerberosRealm()
        try realm.permit(0o640, "services.keytab")
        _ = try realm.keytab()
        try realm.permit(0o644, "services.keytab")
        #expect(throws: KerberosError.keytabExposed(path: realm.path("services.keytab"))) { try realm.keytab() }
    }

    @Test(arguments: [[], [5, 1, 9], [5, 2, 0, 0, 0, 9, 1], Array("[libdefaults]\n".utf8)] as [[UInt8]])
    func unreadable(octets: [UInt8]) throws {
        let realm = try KerberosRealm()
        try Data(octets).write(to: realm.folder.appendingPathComponent("services.keytab"))
        try realm.permit(0o600, "services.keytab")
        #expect(throws: KerberosError.self) { try realm.keytab() }
    }

    @Test func aFolder() throws {
        let realm = try KerberosRealm()
        try realm.permit(0o700, "")
        #expect(throws: KerberosError.keytabUnreadable(path: realm.folder.path, reason: "not a regular file")) {
            try KerberosKeytab(path: realm.folder.path)
        }
    }

    @Test func empty() throws {
        let realm = try KerberosRealm()
        // The file format's version, and no entries.
        try Data([5, 2]).write(to: realm.folder.appendingPathComponent("services.keytab"))
        try realm.permit(0o600, "services.keytab")
        #expect(throws: KerberosError.keytabWithoutKeys(path: realm.path("services.keytab"), found: [])) {
            try realm.keytab()
        }
    }

    /// The domain's administrator replaces the file while we serve; a broken one in its place changes nothing, and is told of
    /// once.
    @Test func reloaded() async throws {
        let realm = try KerberosRealm()
        let path = realm.folder.appendingPathComponent("services.keytab")
        let whole = try Data(contentsOf: path)
        let problems = Mutex<[KerberosError]>([])
        let provider = try realm.provider(observer: { event in
            if case .keytabUnusable(let problem) = event { problems.withLock { $0.append(problem) } }
        })
        for _ in 0..<2 { _ = try await realm.exchange(.aes256SHA1, provider: provider) }
        #expect(problems.withLock { $0 }.isEmpty)

        try Data([5, 2]).write(to: path)
        try realm.permit(0o600, "services.keytab")
        for _ in 0..<2 { _ = try await realm.exchange(.aes256SHA1, provider: provider) }
        #expect(problems.withLock { $0 } == [.keytabWithoutKeys(path: path.path, found: [])])

        try FileManager.default.removeItem(at: path)
        for _ in 0..<2 { _ = try await realm.exchange(.aes256SHA1, provider: provider) }
        #expect(problems.withLock { $0 }.count == 1, "still unusable, whatever for")

        // Other keys: the first entry is cut away (the file's version, then the entry's length and the entry).
        let length = whole[2..<6].reduce(0) { $0 << 8 | Int($1) }
        try (whole.prefix(2) + whole.dropFirst(6 + length)).write(to: path)
        try realm.permit(0o600, "services.keytab")
        _ = try await realm.exchange(.aes256SHA1, provider: provider)
        await #expect(throws: SecurityError.self) { try await realm.exchange(.aes128SHA1, provider: provider) }
        #expect(problems.withLock { $0 }.count == 1)
    }
}
