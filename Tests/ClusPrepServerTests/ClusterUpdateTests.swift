import ClusterProtocols
import ErrorCodes
import Foundation
import HostInventory
import Logging
import NDR
import Reservations
import TestSupport
import Testing

@testable import ClusPrepServer

@Suite(.offThePool)
struct ClusterUpdateTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func client(_ environment: ClusterUpdate.Environment) -> IClusterUpdateClient {
        let object = ClusterUpdate(environment: environment)
        return IClusterUpdateClient(LocalCaller(object.handlers(for: IClusterUpdate.interface.syntax.uuid)))
    }

    private func client(_ updates: [HostUpdate]) -> IClusterUpdateClient {
        client(.init(count: { updates.count }, updates: { updates }, logger: Self.logger))
    }

    private static let openSSL = HostUpdate(
        id: "openssl:amd64=3", title: "openssl 3", description: "a & b", supportURL: "https://openssl.example",
        articleIDs: ["CVE-2024-0001"], bulletinIDs: ["DSA-1-1"], supersededIDs: ["openssl:amd64=2"])

    @Test func updates() async throws {
        let none = try await client([]).getUpdates(.init())
        #expect(none.returnValue == .ok && none.UpdateCount == 0)
        #expect(try BSTRValue(none.updates) == BSTRValue(#"<updates version="1.0"></updates>"#))
        #expect(try await client([]).count(.init()).Count == 0)

        let updates = [Self.openSSL, HostUpdate(id: "x", title: "y")]
        let answer = try await client(updates).getUpdates(.init())
        #expect(answer.returnValue == .ok && answer.UpdateCount == 2)
        let document = try #require(try BSTRValue(answer.updates).text)
        #expect(try NodeUpdatesXML.updates(in: document) == updates.map(NodeUpdate.init))
        let count = try await client(updates).count(.init())
        #expect(count.returnValue == .ok && count.Count == 2)
    }

    @Test func failures() async throws {
        struct Nameless: Error {}
        let failures: [(any Error & Sendable, UInt32)] = [
            (HostUpdatesError.noPackageManager(root: ""), 0x8007_0032),
            (HostUpdatesError.unreadable(path: "/x", code: EACCES), 0x8007_0005),
            (HostUpdatesError.unreadable(path: "/x", code: EIO), 0x8007_001E),
            (HostUpdatesError.malformed(source: "/x", reason: "y"), 0x8007_0570),
            (HostUpdatesError.tooLarge(path: "/x", limit: 1), 0x8007_0570),
            (HostUpdatesError.notStarted(program: "rpm", code: ENOENT), 0x8007_0002),
            (HostUpdatesError.failed(program: "rpm", reason: "y"), 0x8007_001F),
            (Nameless(), 0x8007_054F),
        ]
        for (failure, code) in failures {
            let client = client(
                .init(count: { throw failure }, updates: { throw failure }, logger: Self.logger))
            let answer = try await client.getUpdates(.init())
            #expect(answer.returnValue.rawValue == code, "\(failure)")
            #expect(answer.UpdateCount == 0)
            #expect(try await client.count(.init()).returnValue.rawValue == code, "\(failure)")
        }
    }

    /// More text than a response takes: descriptions go.
    @Test func manyUpdates() async throws {
        let long = String(repeating: "x", count: 1024)
        let updates = (0..<20_000).map { HostUpdate(id: "\($0)", title: "t", description: long) }
        let answer = try await client(updates).getUpdates(.init())
        #expect(answer.returnValue == .ok && answer.UpdateCount == 20_000)
        #expect(try #require(answer.updates).asData.count <= NodeUpdatesXML.lengthLimit)
    }

    /// A host's files, read off the threads of callers.
    @Test func host() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("host-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let dpkg = folder.appendingPathComponent("var/lib/dpkg")
        try FileManager.default.createDirectory(at: dpkg, withIntermediateDirectories: true)
        let status = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
        try Data(status.utf8).write(to: dpkg.appendingPathComponent("status"))
        let client = client(
            .init(
                host: HostUpdates(root: folder.path), executor: BlockingExecutor(threads: 2), logger: Self.logger))
        let answers = try await withThrowingTaskGroup(of: UInt32.self) { group in
            for _ in 0..<8 { group.addTask { try await client.getUpdates(.init()).UpdateCount } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == [UInt32](repeating: 1, count: 8))
        #expect(try await client.count(.init()).Count == 1)
        try FileManager.default.removeItem(at: dpkg)
        #expect(try await client.count(.init()).returnValue.rawValue == 0x8007_0032)
    }
}
