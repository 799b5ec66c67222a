import ClusterEngine
import ClusterProtocols
import Foundation
import Logging
import NDR
import Testing

@testable import ClusPrepServer

struct ClusterSetupTests {
    /// The object over an engine with a state folder of its own, gone after the body.
    static func withSetup<T>(
        levels: ClusterLevels? = .highest, _ body: (IClusterSetupClient) async throws -> T
    ) async throws -> T {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("state-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let state = try NodeState.open(folder: folder.path, as: .daemon)
        let engine = ClusterEngine(
            state: state, node: NodeIdentity(fqdn: "alpha.example.org", systemVersion: .init(major: 10, minor: 0)))
        let object = ClusterSetup(
            engine: engine, levels: levels, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return try await body(
            IClusterSetupClient(LocalCaller(object.handlers(for: IClusterSetup.interface.syntax.uuid))))
    }

    @Test
    func secrets() async throws {
        try await Self.withSetup { client async throws in
            #expect(try await client.retrieveSvcSecret(.init()).returnValue.rawValue == 0x8007_0002)
            let secrets: [BSTRValue] = [
                .octets([]), .null, .octets([1]), .octets([0, 0, 0]), BSTRValue("geheim"),
                .octets([0xFF, 0xFF, 0xFF, 0xFF]),
            ]
            for secret in secrets {
                let configured = try await client.configSvcSecret(.init(SecretBLOB: secret.blob))
                #expect(configured.returnValue == .ok)
                let answer = try await client.retrieveSvcSecret(.init())
                #expect(answer.returnValue == .ok)
                #expect(try BSTRValue(answer.SecretBLOB) == secret)
            }
            // A null pointer, which C clients send for NULL.
            #expect(try await client.configSvcSecret(.init(SecretBLOB: nil)).returnValue == .ok)
            #expect(try await BSTRValue(client.retrieveSvcSecret(.init()).SecretBLOB) == .null)
        }
    }

    @Test
    func lengthsThatDisagree() async throws {
        try await Self.withSetup { client async throws in
            for (octets, units) in [(UInt32(3), 1), (5, 2), (0, 1), (0xFFFF_FFFF, 1), (4, 3)] {
                let blob = FLAGGED_WORD_BLOB(
                    cBytes: octets, clSize: UInt32(units), asData: [UInt16](repeating: 7, count: units))
                let answer = try await client.configSvcSecret(.init(SecretBLOB: blob))
                #expect(answer.returnValue.rawValue == 0x8007_0057, "\(octets) octets in \(units) units")
            }
            #expect(try await client.retrieveSvcSecret(.init()).returnValue.rawValue == 0x8007_0002)
        }
    }

    /// [MS-OAUT] 2.2.23.3: "ABC" as three octets is two units, the second one's upper half undefined; we send zero.
    @Test
    func oddLengths() {
        #expect(
            BSTRValue.octets([0x41, 0x42, 0x43]).blob
                == FLAGGED_WORD_BLOB(cBytes: 3, clSize: 2, asData: [0x4241, 0x0043]))
        #expect(BSTRValue.null.blob == FLAGGED_WORD_BLOB(cBytes: 0xFFFF_FFFF, clSize: 0, asData: []))
        #expect(BSTRValue("A").blob == FLAGGED_WORD_BLOB(cBytes: 2, clSize: 1, asData: [0x41]))
    }

    @Test
    func hostLabel() async throws {
        try await Self.withSetup { client async throws in
            let answer = try await client.retrieveHostLabel(.init())
            #expect(answer.returnValue == .ok)
            #expect(try BSTRValue(answer.HostLabel) == BSTRValue("alpha"))
        }
    }

    @Test
    func opnumsThatAreReserved() async throws {
        try await Self.withSetup { client async throws in
            #expect(try await client.opnum7Reserved(.init()).returnValue == .notImplemented)
            #expect(try await client.opnum8Reserved(.init()).returnValue == .notImplemented)
            #expect(try await client.opnum13Reserved(.init()).returnValue == .notImplemented)
        }
    }
}
