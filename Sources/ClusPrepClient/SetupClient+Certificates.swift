import ClusterProtocols
import ErrorCodes

/// The levels and the certificates ([MS-CSVP] 3.10.4.4 and the following).
extension SetupClient {
    /// GetFunctionalLevel (opnum 6): the highest functional level of a cluster that the node supports.
    public func functionalLevel() async throws -> UInt16 {
        let response = try await setup.getFunctionalLevel(.init())
        try response.returnValue.throwIfFailed()
        return response.FunctionalLevel
    }

    /// GetUpgradeVersion (opnum 12): the highest upgrade version within that level.
    public func upgradeVersion() async throws -> UInt16 {
        let response = try await setup.getUpgradeVersion(.init())
        try response.returnValue.throwIfFailed()
        return response.UpgradeVersion
    }

    /// ConfigClusterCert (opnum 9), or ConfigClusterCertV2 (opnum 14) where there is a type: durable when this returns.
    public func configureCertificate(
        _ certificate: ClusterCertificateOctets, type: CLUSTER_CERTTYPE? = nil
    ) async throws {
        let wire = try certificate.wire
        if let type {
            try await setup.configClusterCertV2(.init(ClusterCert: wire, certType: type)).returnValue.throwIfFailed()
        } else {
            try await setup.configClusterCert(.init(ClusterCert: wire)).returnValue.throwIfFailed()
        }
    }

    /// RetrieveClusterCert (opnum 10), or RetrieveClusterCertV2 (opnum 15) where there is a type.
    ///
    /// - Throws: ERROR_FILE_NOT_FOUND as an HRESULT where none was ever configured.
    public func retrieveCertificate(type: CLUSTER_CERTTYPE? = nil) async throws -> ClusterCertificateOctets {
        if let type {
            let response = try await setup.retrieveClusterCertV2(.init(certType: type))
            try response.returnValue.throwIfFailed()
            return try ClusterCertificateOctets(response.ClusterCert)
        }
        let response = try await setup.retrieveClusterCert(.init())
        try response.returnValue.throwIfFailed()
        return try ClusterCertificateOctets(response.ClusterCert)
    }

    /// GenerateClusterCert (opnum 11), or GenerateClusterCertV2 (opnum 16) where there is a type. The node keeps nothing of it.
    public func generateCertificate(type: CLUSTER_CERTTYPE? = nil) async throws -> ClusterCertificateOctets {
        if let type {
            let response = try await setup.generateClusterCertV2(.init(ClusterCert: CLUSTER_CERT(), certType: type))
            try response.returnValue.throwIfFailed()
            return try ClusterCertificateOctets(response.ClusterCert)
        }
        let response = try await setup.generateClusterCert(.init(ClusterCert: CLUSTER_CERT()))
        try response.returnValue.throwIfFailed()
        return try ClusterCertificateOctets(response.ClusterCert)
    }
}
