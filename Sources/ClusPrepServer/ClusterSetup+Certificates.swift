import ClusterEngine
import ClusterProtocols
import DCERPC
import ErrorCodes

/// The cluster's certificates ([MS-CSVP] 3.10.4.5 to 3.10.4.7 and 3.10.4.9 to 3.10.4.11).
///
/// Each kind, and the one without a type, is kept by itself: "does not change, except as part of processing a subsequent"
/// call of the same method.
extension ClusterSetup {
    /// ConfigClusterCert (3.10.4.5): on stable storage, sealed, before this answers.
    public func configClusterCert(
        _ request: IClusterSetup.ConfigClusterCert.Request, context: CallContext
    ) async throws -> IClusterSetup.ConfigClusterCert.Response {
        try await answering("ConfigClusterCert") {
            try requireLevel(ClusterLevels.first)
            try await configure(request.ClusterCert, .untyped)
            return IClusterSetup.ConfigClusterCert.Response(returnValue: .ok, for: request)
        }
    }

    /// RetrieveClusterCert (3.10.4.6).
    public func retrieveClusterCert(
        _ request: IClusterSetup.RetrieveClusterCert.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveClusterCert.Response {
        try await answering("RetrieveClusterCert") {
            try requireLevel(ClusterLevels.first)
            var response = IClusterSetup.RetrieveClusterCert.Response(returnValue: .ok, for: request)
            response.ClusterCert = try await retrieve(.untyped)
            return response
        }
    }

    /// GenerateClusterCert (3.10.4.7). Nothing of it is kept; the client configures it where it wants it.
    public func generateClusterCert(
        _ request: IClusterSetup.GenerateClusterCert.Request, context: CallContext
    ) async throws -> IClusterSetup.GenerateClusterCert.Response {
        try await answering("GenerateClusterCert") {
            try requireLevel(ClusterLevels.first)
            var response = IClusterSetup.GenerateClusterCert.Response(returnValue: .ok, for: request)
            response.ClusterCert = try await generate(.untyped, request.ClusterCert)
            return response
        }
    }

    /// ConfigClusterCertV2 (3.10.4.9).
    public func configClusterCertV2(
        _ request: IClusterSetup.ConfigClusterCertV2.Request, context: CallContext
    ) async throws -> IClusterSetup.ConfigClusterCertV2.Response {
        try await answering("ConfigClusterCertV2") {
            try requireLevel(ClusterLevels.withCertificateTypes)
            try await configure(request.ClusterCert, try request.certType.kind)
            return IClusterSetup.ConfigClusterCertV2.Response(returnValue: .ok, for: request)
        }
    }

    /// RetrieveClusterCertV2 (3.10.4.10).
    public func retrieveClusterCertV2(
        _ request: IClusterSetup.RetrieveClusterCertV2.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveClusterCertV2.Response {
        try await answering("RetrieveClusterCertV2") {
            try requireLevel(ClusterLevels.withCertificateTypes)
            var response = IClusterSetup.RetrieveClusterCertV2.Response(returnValue: .ok, for: request)
            response.ClusterCert = try await retrieve(try request.certType.kind)
            return response
        }
    }

    /// GenerateClusterCertV2 (3.10.4.11).
    public func generateClusterCertV2(
        _ request: IClusterSetup.GenerateClusterCertV2.Request, context: CallContext
    ) async throws -> IClusterSetup.GenerateClusterCertV2.Response {
        try await answering("GenerateClusterCertV2") {
            try requireLevel(ClusterLevels.withCertificateTypes)
            var response = IClusterSetup.GenerateClusterCertV2.Response(returnValue: .ok, for: request)
            response.ClusterCert = try await generate(try request.certType.kind, request.ClusterCert)
            return response
        }
    }

    private func configure(_ wire: CLUSTER_CERT, _ kind: ClusterCertificateKind) async throws {
        let certificate = try ClusterCertificate(wire)
        // "That matches the certificate" (2.2.23), as far as this node can read the two; what it cannot is stored as it came.
        guard certificate.belongsTogether != false else { throw Win32Error.invalidParameter }
        try await engine.configureCertificate(certificate, for: kind)
    }

    private func retrieve(_ kind: ClusterCertificateKind) async throws -> CLUSTER_CERT {
        guard let certificate = try await engine.certificate(kind) else { throw Win32Error.fileNotFound }
        return try certificate.wire
    }

    /// The secret goes back as it came: what is generated is a certificate.
    private func generate(_ kind: ClusterCertificateKind, _ came: CLUSTER_CERT) async throws -> CLUSTER_CERT {
        let made = try await engine.makeCertificate(for: kind)
        var wire = try ClusterCertificate(
            certificate: made.certificate, privateKey: made.privateKey, clusterSecret: .init([UInt8]())
        ).wire
        wire.ClusterSecret = came.ClusterSecret
        return wire
    }
}

extension CLUSTER_CERTTYPE {
    /// What of the node's it means.
    ///
    /// - Throws: ERROR_INVALID_PARAMETER for a value that 2.2.26 does not have.
    fileprivate var kind: ClusterCertificateKind {
        get throws(Win32Error) {
            switch self {
            case .Cluster_SChannel: .clusterSChannel
            case .ClusterSet_SChannel: .clusterSetSChannel
            case .Cluster_PKU2U: .clusterPKU2U
            case .ClusterSet_PKU2U: .clusterSetPKU2U
            default: throw .invalidParameter
            }
        }
    }
}
