import Foundation
import Security
import Testing

@testable import ClusterEngine

@Suite struct ClusterCertificateTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    static let sample = ClusterCertificate(
        certificate: Array("a certificate in a form of its own".utf8),
        privateKey: SecretBytes(Array("a private key that must not be found".utf8)),
        clusterSecret: SecretBytes(Array("a cluster secret of a length".utf8)))

    @Test func eachKindIsKeptByItself() async throws {
        let engine = try NodeState.open(folder: folder.state, as: .daemon).engine
        for kind in ClusterCertificateKind.allCases { #expect(try await engine.certificate(kind) == nil) }
        for (index, kind) in ClusterCertificateKind.allCases.enumerated() {
            try await engine.configureCertificate(Self.numbered(index), for: kind)
        }
        let reopened = try NodeState.open(folder: folder.state, as: .tool).engine
        for (index, kind) in ClusterCertificateKind.allCases.enumerated() {
            #expect(try await reopened.certificate(kind) == Self.numbered(index))
        }
        try await reopened.removeCertificate(.clusterPKU2U)
        #expect(try await engine.certificate(.clusterPKU2U) == nil)
        #expect(try await engine.certificate(.clusterSetPKU2U) != nil)
    }

    @Test func nothingOfItIsInAnyFile() async throws {
        let engine = try NodeState.open(folder: folder.state, as: .daemon).engine
        try await engine.configureCertificate(Self.sample, for: .clusterSChannel)
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.state) {
            let contents = Data(try folder.bytes("\(folder.state)/\(name)"))
            for part in [Self.sample.certificate, Self.sample.privateKey.bytes, Self.sample.clusterSecret.bytes] {
                #expect(contents.range(of: Data(part)) == nil, "\(name)")
            }
        }
    }

    @Test func oneCannotTakeAnothersPlace() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        try await state.engine.configureCertificate(Self.sample, for: .clusterSChannel)
        let entry = try #require(
            try await state.store.entry(StoreKey(.cluster, "certificate/cluster-schannel")))
        try await state.store.apply([.put(StoreKey(.cluster, "certificate/cluster-pku2u"), entry.value)])
        await #expect(throws: ClusterStoreError.self) { try await state.engine.certificate(.clusterPKU2U) }
    }

    @Test func names() async throws {
        let engine = try NodeState.open(folder: folder.state, as: .daemon).engine
        // 2026-07-01 00:00:00 UTC.
        let now: Int64 = 1_782_864_000
        func summary(_ kind: ClusterCertificateKind) async throws -> CertificateSummary {
            let made = try await engine.makeCertificate(for: kind, now: now)
            #expect(made.belongsTogether == true)
            return try #require(CertificateSummary(certificate: made.certificate))
        }
        #expect(try await summary(.clusterPKU2U).commonName == "CLIUSR")
        #expect(try await summary(.clusterSetPKU2U).commonName == "CSUSR")
        let before = try await summary(.untyped)
        #expect(before.commonName == "node1.cluster.test")
        #expect(before.notBefore == now - 86_400)
        #expect(before.notAfter == now + 3652 * 86_400)
        try await engine.join(ClusterMembership(clusterName: "blue", clusterID: UUID(), since: now))
        #expect(try await summary(.clusterSChannel).commonName == "blue")
        #expect(try await engine.certificate(.clusterSChannel) == nil, "what is generated is not kept")
    }

    @Test func damagedDocuments() {
        let stored = Self.sample.stored.bytes
        #expect(ClusterCertificate(stored: SecretBytes(stored)) == Self.sample)
        for octets in [[], Array(stored.dropLast()), stored + [0], [UInt8](repeating: 0xFF, count: 12)] as [[UInt8]] {
            #expect(ClusterCertificate(stored: SecretBytes(octets)) == nil)
        }
    }

    private static func numbered(_ number: Int) -> ClusterCertificate {
        ClusterCertificate(
            certificate: [UInt8](repeating: UInt8(number), count: number * 1000),
            privateKey: SecretBytes([UInt8](repeating: UInt8(number + 1), count: number * 2000)),
            clusterSecret: SecretBytes([UInt8](repeating: UInt8(number + 2), count: number)))
    }
}
