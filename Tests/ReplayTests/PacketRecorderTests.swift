import Foundation
import Testing

@testable import Replay

/// Whether this user may see packets.
private let mayRecord: Bool = {
    #if os(Linux)
        let descriptor = socket(AF_PACKET, Int32(SOCK_RAW.rawValue), 0)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    #else
        return false
    #endif
}()

/// Recording, where this user may see packets.
@Suite(
    .enabled(if: mayRecord, "seeing packets takes root, or a program with cap_net_raw"))
struct PacketRecorderTests {
    /// Records until it has begun.
    private func record(to path: String) async throws {
        let began = AsyncStream.makeStream(of: Void.self)
        // Of a type of Ethernet that nobody uses: what other tests send meanwhile is none of ours.
        let recorder = PacketRecorder(interface: "lo", filter: "ether proto 0x88b5")
        let work = Task { try await recorder.record(to: path) { began.continuation.finish() } }
        let watch = Task { for await _ in began.stream {} }
        await watch.value
        work.cancel()
        _ = try await work.value
    }

    @Test func theFileIsItsOwnersAlone() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).pcap").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        // Also if it was there, and others could read it.
        #expect(FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o644]))
        try await record(to: path)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        _ = try CaptureReader().read(path: path)
    }

    @Test func aFullDiskIsTold() async throws {
        await #expect {
            try await record(to: "/dev/full")
        } throws: { error in
            guard case .file("/dev/full", let reason)? = error as? RecordingError else { return false }
            return reason == "No space left on device"
        }
    }

    @Test func anInterfaceThatIsNotThereIsNamed() async throws {
        await #expect {
            try await PacketRecorder(interface: "nosuch0").record(to: "/dev/null")
        } throws: { error in
            guard case .interface("nosuch0", _)? = error as? RecordingError else { return false }
            return true
        }
    }

    @Test func aFolderIsNoFile() async throws {
        await #expect(throws: RecordingError.file("/", reason: "Is a directory")) {
            try await PacketRecorder(interface: "lo").record(to: "/")
        }
    }
}
