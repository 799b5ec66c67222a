import CLinuxStorage
import Glibc

/// A SCSI device of this host, through the kernel's SG_IO request.
///
/// READ and WRITE commands that carry more than the adapter takes at once are cut into several; every other command goes to
/// the device as it is.
final class SCSIGenericTransport: SCSITransport {
    /// What the kernel is asked to send.
    struct Command: Sendable {
        var cdb: [UInt8]
        var dataOut: [UInt8]
        var dataInLength: Int
        var timeout: Duration
    }

    /// What the kernel says became of it (`struct sg_io_hdr`).
    struct Answer: Sendable {
        var status: UInt8 = 0
        var hostStatus: UInt16 = 0
        var driverStatus: UInt16 = 0
        /// The octets announced that were not transferred.
        var residual = 0
        var sense: [UInt8] = []
        /// All that the device may have filled, the residual included.
        var data: [UInt8] = []
    }

    typealias Execute = @Sendable (Command) throws(FileError) -> Answer

    let name: String
    let attachment: DiskAttachment
    private let maximumTransfer: Int
    private let timeout: Duration
    private let send: Execute

    /// How often a command is sent again that the kernel gave back before the device had it.
    private static let retries = 5

    /// - Parameters:
    ///   - maximumTransfer: the octets one command may carry.
    ///   - timeout: what a command is given; what has to write a cache out is given twice as much.
    ///   - send: SG_IO, or what a test has instead.
    init(
        name: String, attachment: DiskAttachment, maximumTransfer: Int, timeout: Duration,
        send: @escaping Execute
    ) {
        self.name = name
        self.attachment = attachment
        self.maximumTransfer = maximumTransfer
        self.timeout = timeout
        self.send = send
    }

    /// A device file that takes SG_IO: a SCSI disk's, or a generic one's.
    convenience init(
        file: OpenFile, attachment: DiskAttachment, maximumTransfer: Int, timeout: Duration
    ) throws(FileError) {
        let version = cls_scsi_generic_version(file.descriptor)
        // Version 3 brought SG_IO.
        guard version >= 30000 else {
            throw FileError("SG_GET_VERSION_NUM", file.path, version < 0 ? -version : ENOTTY)
        }
        self.init(
            name: file.path, attachment: attachment, maximumTransfer: maximumTransfer, timeout: timeout
        ) { command throws(FileError) in
            try Self.execute(command, on: file)
        }
    }

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        guard max(dataOut.count, dataInLength) > maximumTransfer, let command = try? SCSICommand(cdb: cdb) else {
            return try executeOnce(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        }
        switch command {
        case .read(let range, _) where range.count > 1 && dataInLength.isMultiple(of: Int(range.count)):
            var data: [UInt8] = []
            for part in parts(of: range, octets: dataInLength) {
                let result = try executeOnce(
                    cdb: SCSICommand.read(part.range, form: .sixteen).cdb, dataOut: [], dataInLength: part.octets)
                guard result.isSuccess else { return result }
                data += result.data
            }
            return SCSIResult(status: .good, data: data)
        case .write(let range, _, let forceUnitAccess)
        where range.count > 1 && dataOut.count.isMultiple(of: Int(range.count)):
            var rest = dataOut[...]
            for part in parts(of: range, octets: dataOut.count) {
                let command = SCSICommand.write(part.range, form: .sixteen, forceUnitAccess: forceUnitAccess)
                let result = try executeOnce(
                    cdb: command.cdb, dataOut: Array(rest.prefix(part.octets)), dataInLength: 0)
                guard result.isSuccess else { return result }
                rest = rest.dropFirst(part.octets)
            }
            return SCSIResult(status: .good)
        default:
            return try executeOnce(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        }
    }

    private func parts(
        of range: SCSICommand.BlockRange, octets: Int
    ) -> [(range: SCSICommand.BlockRange, octets: Int)] {
        let blockSize = octets / Int(range.count)
        let most = UInt32(max(1, maximumTransfer / blockSize))
        return stride(from: 0, to: range.count, by: Int(most)).map { offset in
            let count = min(most, range.count - offset)
            return (.init(first: range.first + UInt64(offset), count: count), Int(count) * blockSize)
        }
    }

    private func executeOnce(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        let isSynchronization = [0x35, 0x91].contains(cdb.first)
        let limit = isSynchronization ? timeout * 2 : timeout
        let command = Command(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength, timeout: limit)
        var attempts = Self.retries
        while true {
            let answer: Answer
            do {
                answer = try send(command)
            } catch {
                throw SCSIError.transport(name: name, cause: error)
            }
            let host = HostStatus(rawValue: answer.hostStatus)
            if attempts > 0, host == .retryAtOnce || host == .requeue {
                attempts -= 1
                continue
            }
            return try result(of: command, answer)
        }
    }

    private func result(of command: Command, _ answer: Answer) throws -> SCSIResult {
        let host = HostStatus(rawValue: answer.hostStatus)
        // The lower half of the driver's status; the upper was advice for drivers long gone.
        let driver = answer.driverStatus & 0x0F
        // Bits 0, 6 and 7 are vendor's or reserved in what the kernel hands through.
        var status = SCSIStatus(rawValue: answer.status & 0x7E)
        let sense = SenseData(answer.sense)
        if host == .timedOut || driver == DriverStatus.timedOut {
            throw SCSIError.timedOut(name: name, limit: command.timeout)
        }
        if status == .good, !host.reachedDevice || ![DriverStatus.good, DriverStatus.sense].contains(driver) {
            throw SCSIError.transport(
                name: name, cause: HostAdapterError(hostStatus: answer.hostStatus, driverStatus: answer.driverStatus))
        }
        if status == .good, driver == DriverStatus.sense, let sense, ![.noSense, .recoveredError].contains(sense.key) {
            // Some adapters bring the sense data without the status it belongs to.
            status = .checkCondition
        }
        let transferred = max(0, max(command.dataOut.count, command.dataInLength) - max(0, answer.residual))
        guard command.dataOut.isEmpty else {
            if status == .good, transferred < command.dataOut.count {
                throw SCSIError.malformedResponse(
                    command: "command \(hexadecimalOctet(command.cdb.first ?? 0))h",
                    reason: "the device took \(transferred) octets of \(command.dataOut.count)")
            }
            return SCSIResult(status: status, sense: sense)
        }
        return SCSIResult(status: status, sense: sense, data: Array(answer.data.prefix(transferred)))
    }

    // MARK: The kernel

    private static func execute(_ command: Command, on file: OpenFile) throws(FileError) -> Answer {
        var outcome = cls_scsi_outcome()
        var sense = [UInt8](repeating: 0, count: 252)
        var data = command.dataOut.isEmpty ? [UInt8](repeating: 0, count: command.dataInLength) : command.dataOut
        let direction =
            data.isEmpty ? CLS_NO_DATA : command.dataOut.isEmpty ? CLS_FROM_DEVICE : CLS_TO_DEVICE
        guard let length = UInt32(exactly: data.count), command.cdb.count <= 16 else {
            throw FileError("SG_IO", file.path, EINVAL)
        }
        let result = data.withUnsafeMutableBytes { data in
            sense.withUnsafeMutableBufferPointer { sense in
                command.cdb.withUnsafeBufferPointer { cdb in
                    OpenFile.interruptible {
                        cls_scsi_execute(
                            file.descriptor, direction, cdb.baseAddress, UInt8(cdb.count), data.baseAddress, length,
                            sense.baseAddress, UInt8(sense.count), command.timeout.milliseconds, &outcome)
                    }
                }
            }
        }
        guard result == 0 else { throw FileError("SG_IO", file.path, -result) }
        return Answer(
            status: outcome.status, hostStatus: outcome.host_status, driverStatus: outcome.driver_status,
            residual: Int(outcome.residual), sense: Array(sense.prefix(Int(outcome.sense_length))),
            data: command.dataOut.isEmpty ? data : [])
    }
}

extension SCSIResult {
    /// Whether the command did all it was to do: also after an error that the device recovered from (SPC-3 4.5.6), which must
    /// not end a series half way, as whoever asked for the whole takes it for the success it is.
    fileprivate var isSuccess: Bool {
        status == .good || status == .checkCondition && sense?.key == .recoveredError
    }
}

/// What the adapter's driver says of a command: the kernel's DID_ numbers.
struct HostStatus: RawRepresentable, Hashable, Sendable {
    var rawValue: UInt16

    static let good = HostStatus(rawValue: 0x00)
    static let timedOut = HostStatus(rawValue: 0x03)
    static let retryAtOnce = HostStatus(rawValue: 0x0C)
    static let requeue = HostStatus(rawValue: 0x0D)
    /// A reservation conflict, beside the status that says so.
    static let nexusFailure = HostStatus(rawValue: 0x11)
    static let targetFailure = HostStatus(rawValue: 0x10)
    static let allocationFailure = HostStatus(rawValue: 0x12)
    static let mediumError = HostStatus(rawValue: 0x13)

    /// Whether the device had the command: these describe a status it gave.
    var reachedDevice: Bool {
        [.good, .targetFailure, .nexusFailure, .allocationFailure, .mediumError].contains(self)
    }
}

/// What the kernel's SCSI layer says of a command: its DRIVER_ numbers.
private enum DriverStatus {
    static let good: UInt16 = 0
    static let timedOut: UInt16 = 6
    static let sense: UInt16 = 8
}

/// The adapter or its driver failed with a command.
public struct HostAdapterError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kernel's DID_ number.
    public var hostStatus: UInt16
    /// The kernel's DRIVER_ number.
    public var driverStatus: UInt16

    /// What the kernel says.
    public var description: String {
        let names: [UInt16: String] = [
            0x01: "no connection to the device", 0x02: "the bus stayed busy", 0x04: "no such target",
            0x05: "the command was aborted", 0x06: "parity error", 0x07: "the adapter failed",
            0x08: "the bus was reset", 0x0B: "the adapter asks for another try", 0x0C: "the command came back unsent",
            0x0D: "the command came back unsent", 0x0E: "the connection was disrupted", 0x0F: "the path has failed",
            0x14: "the path is marginal",
        ]
        let text = names[hostStatus] ?? "the host adapter gave the command back"
        return "\(text) (host status \(hostStatus), driver status \(driverStatus))"
    }
}

extension Duration {
    /// Whole milliseconds, at least one, as many as the kernel can count.
    var milliseconds: UInt32 {
        let (seconds, attoseconds) = components
        let value = Double(seconds) * 1000 + Double(attoseconds) / 1e15
        return UInt32(min(max(value.rounded(.up), 1), Double(UInt32.max - 1)))
    }
}

extension OpenFile {
    /// Repeats a call whose negated error number says that a signal came in between.
    static func interruptible(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result != -EINTR { return result }
        }
    }
}
