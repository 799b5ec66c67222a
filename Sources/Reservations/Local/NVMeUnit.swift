import CLinuxStorage
import Glibc

/// A namespace of NVM Express, through the kernel's pass-through requests.
final class NVMeUnit: TranslatedUnit {
    typealias Execute = @Sendable (NVMeCommand) throws(FileError) -> NVMeCommand.Completion

    let name: String
    let identity: UnitIdentity
    let reservations: NVMeReservationCapabilities
    private let maximumTransfer: Int
    private let send: Execute

    /// - Parameters:
    ///   - maximumTransfer: the octets one command may carry.
    ///   - send: the kernel's pass-through, or what a test has instead.
    /// - Throws: ``SCSIError`` where the device does not say who it is.
    init(name: String, namespace: UInt32, maximumTransfer: Int, send: @escaping Execute) throws {
        self.name = name
        self.maximumTransfer = maximumTransfer
        self.send = send
        let controller = try Self.answer(to: .identify(1), name: name, send)
        let structure = try Self.answer(to: .identify(0), name: name, send)
        identity = UnitIdentity(controller: controller, namespace: structure, number: namespace)
        reservations = NVMeReservationCapabilities(controller: controller, namespace: structure)
    }

    /// Opens the device.
    static func open(_ node: BlockNode, readOnly: Bool, timeout: Duration) throws -> NVMeUnit {
        let path = node.files.root + node.device
        let file: OpenFile
        let number: Int32
        do {
            file = try OpenFile(path, flags: readOnly ? O_RDONLY : O_RDWR)
            number = cls_nvme_namespace(file.descriptor)
            guard number > 0 else { throw FileError("NVME_IOCTL_ID", path, number < 0 ? -number : EINVAL) }
        } catch {
            throw SCSIError.transport(name: path, cause: error)
        }
        let namespace = UInt32(number)
        return try NVMeUnit(
            name: path, namespace: namespace, maximumTransfer: node.maximumTransfer
        ) { command throws(FileError) in
            try command.execute(on: file, namespace: namespace, timeout: timeout)
        }
    }

    /// Executes a command to its success.
    ///
    /// - Throws: ``TranslatedFailure`` with the SCSI status of any other end, ``SCSIError/transport(name:cause:)`` where there is none.
    @discardableResult
    func execute(_ command: NVMeCommand, block: UInt64? = nil) throws -> [UInt8] {
        try Self.answer(to: command, name: name, block: block, send)
    }

    /// Executes a command whose status its sender looks at.
    func complete(_ command: NVMeCommand) throws -> NVMeCommand.Completion {
        try Self.completion(of: command, name: name, send)
    }

    private static func completion(
        of command: NVMeCommand, name: String, _ send: Execute
    ) throws -> NVMeCommand.Completion {
        let completion: NVMeCommand.Completion
        do {
            completion = try send(command)
        } catch {
            throw SCSIError.transport(name: name, cause: error)
        }
        if completion.status.isPathFailure {
            throw SCSIError.transport(name: name, cause: NVMePathError(status: completion.status))
        }
        return completion
    }

    private static func answer(
        to command: NVMeCommand, name: String, block: UInt64? = nil, _ send: Execute
    ) throws -> [UInt8] {
        let completion = try completion(of: command, name: name, send)
        guard completion.status == .success else {
            throw TranslatedFailure(completion.status.result(block: block))
        }
        guard completion.data.count >= command.dataInLength else {
            throw SCSIError.malformedResponse(
                command: "NVMe command \(hexadecimalOctet(command.opcode))h",
                reason: "\(completion.data.count) octets of \(command.dataInLength)")
        }
        return completion.data
    }

    // MARK: Blocks

    /// From Identify Namespace: NSZE, and LBADS of the format that FLBAS names.
    func capacity() throws -> Disk.Capacity {
        let structure = try execute(.identify(0))
        let blocks = structure.little(0, octets: 8)
        // Bits 0 to 3 of FLBAS, and above them bits 5 and 6 where there are more than sixteen formats.
        let format = Int(structure[26] & 0x0F) | (structure[25] > 15 ? Int(structure[26] >> 5 & 3) << 4 : 0)
        let exponent = structure[128 + 4 * format + 2]
        guard blocks > 0, (9...16).contains(exponent), blocks <= UInt64(Int64.max) >> UInt64(exponent) else {
            throw TranslatedFailure(SenseData(key: .notReady, code: .mediumNotPresent))
        }
        // MS: with each block the controller would transfer metadata as well, to and from memory that nobody gave it.
        guard structure.little(128 + 4 * format, octets: 2) == 0 else {
            throw TranslatedFailure(SenseData(key: .mediumError, code: .incompatibleMedium))
        }
        return .init(blockCount: blocks, blockSize: 1 << Int(exponent))
    }

    /// Bit 0 of NSATTR: the namespace is write protected.
    func isWriteProtected() throws -> Bool {
        try execute(.identify(0))[99] & 1 != 0
    }

    func read(_ range: SCSICommand.BlockRange, octets: Int) throws -> [UInt8] {
        var data: [UInt8] = []
        for part in parts(of: range, blockSize: octets / Int(range.count)) {
            data += try execute(.transfer(part.range, dataInLength: part.octets), block: part.range.first)
        }
        return data
    }

    func write(_ range: SCSICommand.BlockRange, _ data: [UInt8], forceUnitAccess: Bool) throws {
        var rest = data[...]
        for part in parts(of: range, blockSize: data.count / Int(range.count)) {
            let command = NVMeCommand.transfer(
                part.range, forceUnitAccess: forceUnitAccess, dataOut: Array(rest.prefix(part.octets)))
            try execute(command, block: part.range.first)
            rest = rest.dropFirst(part.octets)
        }
    }

    /// What one command may carry: the controller's limit, and 65,536 blocks.
    private func parts(
        of range: SCSICommand.BlockRange, blockSize: Int
    ) -> [(range: SCSICommand.BlockRange, octets: Int)] {
        let most = min(max(1, maximumTransfer / blockSize), 65536)
        return stride(from: 0, to: Int(range.count), by: most).map { offset in
            let count = min(most, Int(range.count) - offset)
            return (.init(first: range.first + UInt64(offset), count: UInt32(count)), count * blockSize)
        }
    }

    func flush() throws {
        try execute(.flush)
    }
}

extension UnitIdentity {
    /// Who a namespace is, after the NVM Express SCSI Translation Reference: "NVMe" for the vendor, the first sixteen octets of the
    /// model, the last four of the firmware's revision; the serial number and the identifiers from NGUID or else EUI64.
    init(controller: [UInt8], namespace: [UInt8], number: UInt32) {
        vendor = "NVMe"
        product = String(paddedText(controller[24..<64]).prefix(16))
        revision = String(paddedText(controller[64..<72]).suffix(4))
        let guid = Array(namespace[104..<120])
        let eui64 = Array(namespace[120..<128])
        let unique = guid.contains { $0 != 0 } ? guid : eui64.contains { $0 != 0 } ? eui64 : []
        let serial = paddedText(controller[4..<24])
        if unique.isEmpty {
            self.serial = "\(serial)_\(String(number, radix: 16, uppercase: true))"
        } else {
            // Groups of four digits, an underline between them and a dot at the end.
            let digits = unique.map(hexadecimalOctet).joined()
            let groups = stride(from: 0, to: digits.count, by: 4).map { digits.dropFirst($0).prefix(4) }
            self.serial = groups.joined(separator: "_") + "."
        }
        designators = []
        if !unique.isEmpty {
            designators = [
                .name("eui", unique), .init(codeSet: 1, association: .logicalUnit, kind: .eui64, value: unique),
            ]
        }
        designators.append(
            DeviceIdentifier(
                codeSet: 2, association: .logicalUnit, kind: .t10Vendor,
                value: padded("NVMe", 8) + padded(paddedText(controller[24..<64]), 16) + Array(self.serial.utf8)))
    }
}

extension Array where Element == UInt8 {
    /// NVM Express' fields are little endian.
    func little(_ offset: Int, octets: Int) -> UInt64 {
        (0..<octets).reduce(0) { $0 | UInt64(self[offset + $1]) << (8 * UInt64($1)) }
    }
}
