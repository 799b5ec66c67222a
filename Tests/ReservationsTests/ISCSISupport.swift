import Synchronization
import TestSupport

@testable import Reservations

/// The lines a transport has logged.
final class LogLines: Sendable {
    private let collected = Mutex<[String]>([])
    var lines: [String] { collected.withLock { $0 } }
    var sink: @Sendable (String) -> Void { { line in self.collected.withLock { $0.append(line) } } }
}

/// A target's unit at a port of this machine.
func iscsiTarget(port: UInt16, unit: UInt16 = 1, options: String = "") throws -> ISCSITarget {
    try ISCSITarget(
        parsing: "iscsi://127.0.0.1:\(port)/iqn.2024-01.net.example:tests/\(unit)"
            + (options.isEmpty ? "" : "?" + options))
}

extension ISCSITransport {
    /// A node's path to a unit of a target on this machine.
    convenience init(
        node: Int = 1, port: UInt16, unit: UInt16 = 1, options: String = "", secret: ISCSISecret? = nil,
        timeout: Duration = .seconds(20), log: LogLines = LogLines()
    ) throws {
        self.init(
            target: try iscsiTarget(port: port, unit: unit, options: options), path: 0, initiator: .node("node\(node)"),
            secret: secret, timeout: timeout, log: log.sink)
    }

    func send(_ command: SCSICommand, _ dataOut: [UInt8] = [], dataIn: Int = 0) throws -> SCSIResult {
        try execute(cdb: command.cdb, dataOut: dataOut, dataInLength: dataIn)
    }
}

/// Why a body failed to reach an iSCSI target; nil where it did not fail in this way.
func iscsiFailure<T>(_ body: () throws -> T) -> ISCSIError.Reason? {
    do {
        _ = try body()
    } catch let error as ISCSIError {
        return error.reason
    } catch SCSIError.transport(_, let cause as ISCSIError) {
        return cause.reason
    } catch {
        return nil
    }
    return nil
}
