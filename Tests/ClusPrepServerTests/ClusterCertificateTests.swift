import ClusterEngine
import ClusterProtocols
import ErrorCodes
import Foundation
import Logging
import NDR
import Security
import Testing

@testable import ClusPrepServer

struct ClusterCertificateTests {
    static func sample(_ number: UInt8, secret: String = "geheim") -> CLUSTER_CERT {
        var wire = CLUSTER_CERT()
        wire.CbCertData = 3
        wire.CertData.replaceSubrange(0..<3, with: [number, 1, 2])
        wire.CbKeyData = 4
        wire.KeyData.replaceSubrange(0..<4, with: [number, 3, 4, 5])
        wire.ClusterSecret.replaceSubrange(0..<secret.utf16.count, with: secret.utf16)
        return wire
    }

    @Test
    func eachMethodKeepsItsOwn() async throws {
        try await ClusterSetupTests.withSetup { client async throws in
            #expect(try await client.retrieveClusterCert(.init()).returnValue.rawValue == Code.fileNotFound)
            for type: UInt16 in 0...3 {
                let answer = try await client.retrieveClusterCertV2(.init(certType: .init(rawValue: type)))
                #expect(answer.returnValue.rawValue == Code.fileNotFound)
            }
            for type: UInt16 in 0...3 {
                let request = IClusterSetup.ConfigClusterCertV2.Request(
                    ClusterCert: Self.sample(UInt8(type)), certType: .init(rawValue: type))
                #expect(try await client.configClusterCertV2(request).returnValue == .ok)
            }
            #expect(try await client.retrieveClusterCert(.init()).returnValue.rawValue == Code.fileNotFound)
            #expect(try await client.configClusterCert(.init(ClusterCert: Self.sample(9))).returnValue == .ok)
            for type: UInt16 in 0...3 {
                let answer = try await client.retrieveClusterCertV2(.init(certType: .init(rawValue: type)))
                #expect(answer.returnValue == .ok)
                #expect(answer.ClusterCert == Self.sample(UInt8(type)))
            }
            #expect(try await client.retrieveClusterCert(.init()).ClusterCert == Self.sample(9))
            // The secret in a certificate's company is not the one of ConfigSvcSecret.
            #expect(try await client.retrieveSvcSecret(.init()).returnValue.rawValue == Code.fileNotFound)
        }
    }

    @Test
    func lengthsThatLie() async throws {
        try await ClusterSetupTests.withSetup { client async throws in
            func code(_ change: (inout CLUSTER_CERT) -> Void) async throws -> UInt32 {
                var wire = Self.sample(1)
                change(&wire)
                return try await client.configClusterCert(.init(ClusterCert: wire)).returnValue.rawValue
            }
            #expect(try await code { $0.CbCertData = 0 } == Code.invalidParameter)
            #expect(try await code { $0.CbCertData = 5121 } == Code.invalidParameter)
            #expect(try await code { $0.CbCertData = .max } == Code.invalidParameter)
            #expect(try await code { $0.CbKeyData = 0 } == Code.invalidParameter)
            #expect(try await code { $0.CbKeyData = 10241 } == Code.invalidParameter)
            #expect(try await code { $0.CbKeyData = .max } == Code.invalidParameter)
            #expect(try await code { $0.ClusterSecret = [UInt16](repeating: 65, count: 33) } == Code.invalidParameter)
            #expect(try await client.retrieveClusterCert(.init()).returnValue.rawValue == Code.fileNotFound)
            #expect(try await code { $0.CbCertData = 5120 } == Code.ok)
            #expect(try await code { $0.CbKeyData = 10240 } == Code.ok)
            #expect(try await code { $0.ClusterSecret = [UInt16](repeating: 65, count: 32) + [0] } == Code.ok)
            #expect(try await code { $0.ClusterSecret = [UInt16](repeating: 0, count: 33) } == Code.ok)
        }
    }

    @Test
    func typesThatAreNone() async throws {
        try await ClusterSetupTests.withSetup { client async throws in
            for raw: UInt16 in [4, 0x7FFF] {
                let type = CLUSTER_CERTTYPE(rawValue: raw)
                #expect(
                    try await client.configClusterCertV2(.init(ClusterCert: Self.sample(1), certType: type))
                        .returnValue.rawValue == Code.invalidParameter)
                #expect(
                    try await client.retrieveClusterCertV2(.init(certType: type)).returnValue.rawValue
                        == Code.invalidParameter)
                #expect(
                    try await client.generateClusterCertV2(.init(ClusterCert: CLUSTER_CERT(), certType: type))
                        .returnValue.rawValue == Code.invalidParameter)
            }
        }
    }

    @Test
    func generates() async throws {
        try await ClusterSetupTests.withSetup { client async throws in
            var came = Self.sample(1, secret: "bleibt")
            came.CbCertData = .max  // what comes in besides the secret is not looked at
            let answer = try await client.generateClusterCert(.init(ClusterCert: came))
            #expect(answer.returnValue == .ok)
            #expect(answer.ClusterCert.ClusterSecret == came.ClusterSecret)
            let octets = try ClusterCertificateOctets(answer.ClusterCert)
            #expect(CertificateSummary(certificate: octets.certificate)?.commonName == "alpha.example.org")
            #expect(try await client.retrieveClusterCert(.init()).returnValue.rawValue == Code.fileNotFound)
            #expect(try await client.configClusterCert(.init(ClusterCert: answer.ClusterCert)).returnValue == .ok)
            #expect(try await client.retrieveClusterCert(.init()).ClusterCert == answer.ClusterCert)

            for (type, name) in [
                (CLUSTER_CERTTYPE.Cluster_PKU2U, "CLIUSR"), (.ClusterSet_PKU2U, "CSUSR"),
                (.ClusterSet_SChannel, "alpha.example.org"),
            ] {
                let answer = try await client.generateClusterCertV2(.init(ClusterCert: CLUSTER_CERT(), certType: type))
                #expect(answer.returnValue == .ok)
                let made = try ClusterCertificateOctets(answer.ClusterCert)
                #expect(CertificateSummary(certificate: made.certificate)?.commonName == name)
                // A key that is another certificate's.
                var mixed = answer.ClusterCert
                (mixed.CbKeyData, mixed.KeyData) = (UInt32(octets.privateKey.count), answer.ClusterCert.KeyData)
                mixed.KeyData.replaceSubrange(0..<octets.privateKey.count, with: octets.privateKey)
                let refused = try await client.configClusterCertV2(.init(ClusterCert: mixed, certType: type))
                #expect(refused.returnValue.rawValue == Code.invalidParameter)
            }
        }
    }

    @Test
    func levels() async throws {
        for (functional, upgrade) in [(9, 8), (10, 3), (11, 4), (12, 4)] as [(UInt16, UInt16)] {
            let levels = ClusterLevels(functionalLevel: functional)
            try await ClusterSetupTests.withSetup(levels: levels) { client async throws in
                #expect(try await client.getFunctionalLevel(.init()).FunctionalLevel == functional)
                #expect(try await client.getUpgradeVersion(.init()).UpgradeVersion == upgrade)
                let typed = try await client.retrieveClusterCertV2(.init(certType: .Cluster_SChannel)).returnValue
                #expect(typed.rawValue == (functional == 9 ? HRESULT.notImplemented.rawValue : Code.fileNotFound))
                #expect(try await client.retrieveClusterCert(.init()).returnValue.rawValue == Code.fileNotFound)
            }
        }
        try await ClusterSetupTests.withSetup(levels: nil) { client async throws in
            #expect(try await client.getFunctionalLevel(.init()).returnValue == .notImplemented)
            #expect(try await client.getUpgradeVersion(.init()).returnValue == .notImplemented)
            #expect(try await client.retrieveClusterCert(.init()).returnValue == .notImplemented)
            #expect(try await client.retrieveHostLabel(.init()).returnValue == .ok)
        }
    }
}
