import DCERPC
import Foundation
import NDR

/// Answers the interface of `hostload.idl`: what the kernel says in /proc.
struct HostLoad: hostloadServer {
    /// ERROR_INVALID_PARAMETER.
    private static let invalidParameter: UInt32 = 87

    func readLoad(
        _ request: hostload.ReadLoad.Request, context: CallContext
    ) async throws -> hostload.ReadLoad.Response {
        let words = try String(contentsOfFile: "/proc/loadavg", encoding: .utf8).split(separator: " ")
        return .init(load: words.prefix(3).map { UInt32((Double($0) ?? 0) * 1000) })
    }

    func listMounts(
        _ request: hostload.ListMounts.Request, context: CallContext
    ) async throws -> hostload.ListMounts.Response {
        let wanted = request.fileSystem.string
        guard wanted.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "." }) else {
            return .init(returnValue: Self.invalidParameter)
        }
        let lines = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n")
        let mounts = lines.compactMap { line -> MOUNT? in
            let words = line.split(separator: " ").map { WideString(String($0)) }
            guard words.count > 2, wanted.isEmpty || words[2].string == wanted else { return nil }
            return MOUNT(Device: words[0], Place: words[1], FileSystem: words[2])
        }
        return .init(count: UInt32(mounts.count), mounts: mounts)
    }
}
