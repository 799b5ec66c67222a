import ArgumentParser
import ClusPrepClient
import ClusterEngine
import ClusterProtocols
import ErrorCodes
import Foundation
import Security

/// A node whose set-up is looked at or changed: this host's, through its state folder, or another one, through its daemon.
protocol SetupNode: Sendable {
    /// The node's host label.
    func hostLabel() async throws -> String
    /// The highest functional level of a cluster, and the highest upgrade version within it; nil where the node tells none.
    func levels() async throws -> (functional: UInt16, upgrade: UInt16)?
    /// The cluster secret; nil where none was configured.
    func secret() async throws -> BSTRValue?
    /// Configures the cluster secret.
    func setSecret(_ secret: BSTRValue) async throws
    /// The certificate of this kind; nil where none was configured.
    func certificate(_ kind: ClusterCertificateKind) async throws -> ClusterCertificateOctets?
    /// Configures it.
    func setCertificate(_ certificate: ClusterCertificateOctets, _ kind: ClusterCertificateKind) async throws
    /// Makes one, which the node does not keep.
    func makeCertificate(_ kind: ClusterCertificateKind) async throws -> ClusterCertificateOctets
    /// Ends what was begun with the node.
    func close() async
}

/// Where the set-up is: `--state-folder` for this host, or `--node` and its companions.
struct SetupNodeOptions: ParsableArguments {
    @Option(help: "This host's state folder; not with --node.")
    var stateFolder =
        ProcessInfo.processInfo.environment["CLUSPREPD_STATE_FOLDER"] ?? "/var/lib/clusprep"

    @OptionGroup var node: NodeOptions

    /// Runs the body with the node, and lets go of it.
    func with<T: Sendable>(_ body: (any SetupNode) async throws -> T) async throws -> T {
        let opened: any SetupNode
        if let client = try node.client() {
            opened = RemoteSetupNode(client: try await client.setup())
        } else {
            opened = try LocalSetupNode(stateFolder: stateFolder)
        }
        do {
            let result = try await body(opened)
            await opened.close()
            return result
        } catch {
            await opened.close()
            throw error
        }
    }
}

/// This host: works whether or not its daemon runs.
struct LocalSetupNode: SetupNode {
    let engine: ClusterEngine

    init(stateFolder: String) throws {
        engine = ClusterEngine(state: try NodeState.open(folder: stateFolder, as: .tool), node: .host())
    }

    func hostLabel() -> String { engine.hostLabel }

    func levels() -> (functional: UInt16, upgrade: UInt16)? {
        (ClusterLevels.highest.functional, ClusterLevels.highest.upgrade)
    }

    func secret() async throws -> BSTRValue? {
        guard let stored = try await engine.serviceSecret() else { return nil }
        guard let secret = BSTRValue(storedOctets: stored.bytes) else {
            throw CommandFailure("the stored secret is damaged; configure it anew")
        }
        return secret
    }

    func setSecret(_ secret: BSTRValue) async throws {
        try await engine.configureServiceSecret(SecretBytes(secret.storedOctets))
    }

    func certificate(_ kind: ClusterCertificateKind) async throws -> ClusterCertificateOctets? {
        guard let stored = try await engine.certificate(kind) else { return nil }
        let secret = stored.clusterSecret.bytes
        return ClusterCertificateOctets(
            certificate: stored.certificate, privateKey: stored.privateKey.bytes,
            secret: stride(from: 0, to: secret.count - 1, by: 2).map { index in
                UInt16(secret[index]) | UInt16(secret[index + 1]) << 8
            })
    }

    func setCertificate(_ certificate: ClusterCertificateOctets, _ kind: ClusterCertificateKind) async throws {
        // What a client could not have sent is not kept either.
        _ = try ClusterCertificateOctets(certificate.wire)
        let stored = ClusterCertificate(
            certificate: certificate.certificate, privateKey: SecretBytes(certificate.privateKey),
            clusterSecret: SecretBytes(
                certificate.secret.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }))
        guard stored.belongsTogether != false else {
            throw CommandFailure("the private key is not the certificate's")
        }
        try await engine.configureCertificate(stored, for: kind)
    }

    func makeCertificate(_ kind: ClusterCertificateKind) async throws -> ClusterCertificateOctets {
        let made = try await engine.makeCertificate(for: kind)
        return ClusterCertificateOctets(certificate: made.certificate, privateKey: made.privateKey.bytes, secret: [])
    }

    func close() {}
}

/// Another node, by IClusterSetup.
struct RemoteSetupNode: SetupNode {
    let client: SetupClient

    func hostLabel() async throws -> String { try await client.hostLabel() }

    func levels() async throws -> (functional: UInt16, upgrade: UInt16)? {
        do {
            return (try await client.functionalLevel(), try await client.upgradeVersion())
        } catch let code as HRESULT where code == .notImplemented {
            return nil
        }
    }

    func secret() async throws -> BSTRValue? {
        try await unlessMissing { try await client.retrieveSecret() }
    }

    func setSecret(_ secret: BSTRValue) async throws { try await client.configureSecret(secret) }

    func certificate(_ kind: ClusterCertificateKind) async throws -> ClusterCertificateOctets? {
        try await unlessMissing { try await client.retrieveCertificate(type: kind.type) }
    }

    func setCertificate(_ certificate: ClusterCertificateOctets, _ kind: ClusterCertificateKind) async throws {
        try await client.configureCertificate(certificate, type: kind.type)
    }

    func makeCertificate(_ kind: ClusterCertificateKind) async throws -> ClusterCertificateOctets {
        try await client.generateCertificate(type: kind.type)
    }

    func close() async {
        // The node collects it anyhow.
        try? await client.release()
    }

    private func unlessMissing<T>(_ body: () async throws -> T) async throws -> T? {
        do {
            return try await body()
        } catch let code as HRESULT where code == HRESULT(win32: .fileNotFound) || code == .notImplemented {
            return nil
        }
    }
}

extension ClusterCertificateKind: ExpressibleByArgument {
    /// The type on the wire; nil for the methods without one.
    fileprivate var type: CLUSTER_CERTTYPE? {
        switch self {
        case .untyped: nil
        case .clusterSChannel: .Cluster_SChannel
        case .clusterSetSChannel: .ClusterSet_SChannel
        case .clusterPKU2U: .Cluster_PKU2U
        case .clusterSetPKU2U: .ClusterSet_PKU2U
        }
    }
}
