import DCERPC
import Foundation
import Logging
import NDR
import Reservations
import Volumes

@testable import ClusPrepServer

/// A node of a test: a name, and the disks it opens images as.
struct TestNode {
    let name: String
    let executor = BlockingExecutor(threads: 4)
    let clock = ManualClock()

    /// Defence every 3 seconds, challenge 7, by the node's own clock.
    func disk(_ path: String, number: UInt32 = 0) -> NodeDisk {
        NodeDisk(number: number, path: path, environment: environment)
    }

    var environment: NodeDisk.Environment {
        let (name, executor, clock) = (name, executor, clock)
        return NodeDisk.Environment(
            open: { path in try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node(name))) },
            makeOwnership: { disk, lost in
                DiskOwnership(
                    disk: disk, key: .unique(nodeName: name), executor: executor, clock: clock, onLost: lost)
            },
            executor: executor, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func storage(_ paths: [String]) -> ClusterStorage {
        ClusterStorage(
            environment: .init(
                disks: paths.enumerated().map { disk($1, number: UInt32($0)) }, majorVersion: 10, minorVersion: 0,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }
}

/// A folder with images, gone after the body.
func withImages<T>(_ styles: [DiskImage.TableStyle], _ body: ([DiskImage]) async throws -> T) async throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("disks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let images = try styles.enumerated().map { index, style in
        try DiskImage.create(
            at: folder.appendingPathComponent("\(index).img").path, size: DiskImage.minimumSize, style: style)
    }
    return try await body(images)
}

/// A call by nobody in particular: whether somebody may call is decided before the objects are reached.
let anyCall = CallContext(
    localAddress: NetworkAddress(ip: "127.0.0.1", port: 1), remoteAddress: NetworkAddress(ip: "127.0.0.1", port: 2),
    interface: .ndr20)

/// Calls an object's handlers as a client would: the request goes through NDR, and so does the response.
struct LocalCaller: RPCCaller {
    private let handlers: [RPCHandler?]

    init(_ handlers: [RPCHandler?]?) {
        self.handlers = handlers ?? []
    }

    func call<Response: Sendable>(
        opnum: UInt16, encode: @Sendable (inout NDREncoder) throws -> Void,
        decode: @Sendable (inout NDRDecoder) throws -> Response
    ) async throws -> Response {
        guard handlers.indices.contains(Int(opnum)), let handler = handlers[Int(opnum)] else {
            throw RPCFault.operationRange
        }
        var request = NDREncoder()
        try encode(&request)
        var requestDecoder = NDRDecoder(request.bytes, representation: .littleEndianASCIIIEEE)
        var response = NDREncoder()
        try await handler(&requestDecoder, &response, anyCall)
        var responseDecoder = NDRDecoder(response.bytes, representation: .littleEndianASCIIIEEE)
        return try decode(&responseDecoder)
    }
}
