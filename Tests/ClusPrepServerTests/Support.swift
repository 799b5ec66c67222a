import DCERPC
import Foundation
import Logging
import NDR
import Reservations
import Synchronization
import TestSupport
import Volumes

@testable import ClusPrepServer

/// A node of a test: a name, and the disks it opens images as.
struct TestNode {
    let name: String
    let executor = BlockingExecutor(threads: 4)
    let clock = ManualClock()
    /// What the disks do wrong; of all disks of this node.
    let faults = Faults()
    /// What this node's host uses its disks for.
    var roles: DiskAttachment.Roles = []
    /// What this host calls its disks where they are devices of it; else nil.
    var device: String?
    /// What the limits of calls go by.
    let callClock = ManualClock()
    let key: ReservationKey

    init(name: String, roles: DiskAttachment.Roles = [], device: String? = nil) {
        self.name = name
        self.roles = roles
        self.device = device
        key = .unique(nodeName: name)
    }

    /// Defence every 3 seconds, challenge 7, by the node's own clock.
    func disk(_ path: String, number: UInt32 = 0) -> NodeDisk {
        NodeDisk(number: number, path: path, environment: environment)
    }

    var environment: NodeDisk.Environment {
        let (name, executor, clock, faults, roles, key) = (name, executor, clock, faults, roles, key)
        let device = device
        var environment = NodeDisk.Environment(
            open: { path in
                let unit = try EmulatedLogicalUnit(image: path, initiator: .node(name))
                return try Disk(transport: FaultyTransport(unit: unit, faults: faults, roles: roles, device: device))
            },
            key: key,
            makeOwnership: { disk, lost in
                // Commands' limits go by a clock that stands still: a busy machine is no silent disk.
                DiskOwnership(
                    disk: disk, key: key, executor: executor, clock: clock, commandClock: ManualClock(), onLost: lost)
            },
            executor: executor, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        environment.clock = clock
        environment.callClock = callClock
        return environment
    }

    func storage(_ paths: [String]) -> ClusterStorage {
        ClusterStorage(
            environment: .init(
                disks: paths.enumerated().map { disk($1, number: UInt32($0)) }, majorVersion: 10, minorVersion: 0,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }
}

/// What the commands that a test names are answered with.
final class Faults: Sendable {
    private let failing = Mutex<(codes: Set<UInt8>, sense: SenseData)>(([], hardwareError))
    private let unknown = Mutex<Set<UInt8>>([])
    /// The commands that wait while the disk is to answer nothing; else nil.
    private let silenced = Mutex<[DispatchSemaphore]?>(nil)

    static let hardwareError = SenseData(key: .hardwareError, code: .internalTargetFailure)

    /// Commands with these operation codes end with this, a hardware error unless told otherwise, from now on.
    func fail(_ operationCodes: UInt8..., sense: SenseData = hardwareError) {
        failing.withLock { $0 = (Set(operationCodes), sense) }
    }

    /// Commands with these operation codes are none that the unit knows.
    func forget(_ operationCodes: UInt8...) {
        unknown.withLock { $0 = Set(operationCodes) }
    }

    /// Commands do not end from now on.
    func fallSilent() {
        silenced.withLock { $0 = [] }
    }

    /// Commands end again, those that wait included.
    func speak() {
        let waiting = silenced.withLock { silenced in
            defer { silenced = nil }
            return silenced ?? []
        }
        for semaphore in waiting { semaphore.signal() }
    }

    func waitWhileSilent() {
        let turn = DispatchSemaphore(value: 0)
        let waits = silenced.withLock { silenced in
            silenced?.append(turn)
            return silenced != nil
        }
        if waits { turn.wait() }
    }

    func isUnknown(_ operationCode: UInt8?) -> Bool {
        unknown.withLock { unknown in operationCode.map(unknown.contains) ?? false }
    }

    /// How a command with this operation code fails; nil where it does not.
    func failure(of operationCode: UInt8?) -> SenseData? {
        failing.withLock { failing in operationCode.map(failing.codes.contains) == true ? failing.sense : nil }
    }
}

/// A unit with faults.
struct FaultyTransport: SCSITransport {
    let unit: EmulatedLogicalUnit
    let faults: Faults
    var roles: DiskAttachment.Roles = []
    var device: String?

    var name: String { unit.name }

    var attachment: DiskAttachment {
        var attachment = unit.attachment
        attachment.roles.formUnion(roles)
        attachment.device = device
        return attachment
    }

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        faults.waitWhileSilent()
        if faults.isUnknown(cdb.first) {
            return SCSIResult(
                status: .checkCondition, sense: SenseData(key: .illegalRequest, code: .invalidOperationCode))
        }
        if let sense = faults.failure(of: cdb.first) { return SCSIResult(status: .checkCondition, sense: sense) }
        return unit.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
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
