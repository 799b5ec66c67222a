import CLinuxStorage
import Glibc

/// A block device that takes no SCSI commands: virtio, loop, MMC and the like. It has no reservations.
///
/// Reads and writes go past the page cache (O_DIRECT) where the driver can do so, as another host may use the same disk; where it
/// cannot, the cache is written out and forgotten when the device is opened and with every flush.
final class BlockUnit: TranslatedUnit {
    let identity: UnitIdentity
    private let file: OpenFile
    private let isDirect: Bool
    private let timeout: Duration

    init(file: OpenFile, identity: UnitIdentity, isDirect: Bool, timeout: Duration) {
        self.file = file
        self.identity = identity
        self.isDirect = isDirect
        self.timeout = timeout
    }

    /// Opens the device.
    static func open(_ node: BlockNode, readOnly: Bool, timeout: Duration) throws(FileError) -> BlockUnit {
        let access = readOnly || node.isReadOnly ? O_RDONLY : O_RDWR
        let path = node.files.root + node.device
        let identity = UnitIdentity(node)
        do throws(FileError) {
            let file = try OpenFile(path, flags: access | cls_direct_access_flag())
            return BlockUnit(file: file, identity: identity, isDirect: true, timeout: timeout)
        } catch {
            guard error.number == EINVAL else { throw error }
        }
        let file = try OpenFile(path, flags: access)
        _ = cls_flush_buffers(file.descriptor)
        return BlockUnit(file: file, identity: identity, isDirect: false, timeout: timeout)
    }

    func capacity() throws -> Disk.Capacity {
        var octets: UInt64 = 0
        var blockSize: UInt32 = 0
        for result in [
            cls_block_size(file.descriptor, &octets), cls_logical_block_size(file.descriptor, &blockSize),
        ] where result < 0 {
            throw failure(FileError("BLKGETSIZE64", file.path, -result), at: 0, isWrite: false)
        }
        guard blockSize > 0, octets >= UInt64(blockSize) else {
            throw TranslatedFailure(SenseData(key: .notReady, code: .mediumNotPresent))
        }
        return .init(blockCount: octets / UInt64(blockSize), blockSize: Int(blockSize))
    }

    func isWriteProtected() throws -> Bool {
        var isReadOnly: Int32 = 0
        return cls_is_read_only(file.descriptor, &isReadOnly) == 0 && isReadOnly != 0
    }

    func read(_ range: SCSICommand.BlockRange, octets: Int) throws -> [UInt8] {
        let offset = range.first * UInt64(octets / Int(range.count))
        return try withPages(octets, at: range.first, isWrite: false) { pages throws(FileError) in
            try transfer(octets, at: offset, "read") { done, offset in
                pread(file.descriptor, pages + done, octets - done, offset)
            }
            return Array(UnsafeRawBufferPointer(start: pages, count: octets))
        }
    }

    func write(_ range: SCSICommand.BlockRange, _ data: [UInt8], forceUnitAccess: Bool) throws {
        if try isWriteProtected() { throw TranslatedFailure(SenseData(key: .dataProtect, code: .writeProtected)) }
        let offset = range.first * UInt64(data.count / Int(range.count))
        try withPages(data.count, at: range.first, isWrite: true) { pages throws(FileError) in
            UnsafeMutableRawBufferPointer(start: pages, count: data.count).copyBytes(from: data)
            try transfer(data.count, at: offset, "write") { done, offset in
                pwrite(file.descriptor, pages + done, data.count - done, offset)
            }
            if forceUnitAccess { try file.synchronize() }
        }
    }

    func flush() throws {
        do {
            try file.synchronize()
            if !isDirect { _ = cls_flush_buffers(file.descriptor) }
        } catch {
            throw failure(error, at: 0, isWrite: true)
        }
    }

    /// Calls the body with memory that O_DIRECT accepts.
    private func withPages<Result>(
        _ octets: Int, at block: UInt64, isWrite: Bool, _ body: (UnsafeMutableRawPointer) throws(FileError) -> Result
    ) throws -> Result {
        guard let pages = cls_allocate_pages(octets) else {
            throw SCSIError.transport(name: file.path, cause: FileError("allocate", file.path, ENOMEM))
        }
        defer { free(pages) }
        do {
            return try body(pages)
        } catch {
            throw failure(error, at: block, isWrite: isWrite)
        }
    }

    private func transfer(
        _ octets: Int, at offset: UInt64, _ operation: String, _ call: (Int, off_t) -> Int
    ) throws(FileError) {
        guard let start = off_t(exactly: offset) else { throw FileError(operation, file.path, EINVAL) }
        var done = 0
        while done < octets {
            let result = call(done, start + off_t(done))
            if result < 0, errno == EINTR { continue }
            // Nothing at all is what a device says that has shrunk since.
            guard result > 0 else { throw FileError(operation, file.path, result == 0 ? ENXIO : errno) }
            done += result
        }
    }

    /// What an error number of the block layer is in SCSI; the kernel made most of them from SCSI in the first place.
    private func failure(_ error: FileError, at block: UInt64, isWrite: Bool) -> any Error {
        switch error.number {
        case ENOSPC, EDQUOT:
            TranslatedFailure(SenseData(key: .dataProtect, code: .spaceAllocationFailed))
        case EROFS, EPERM, EACCES, EBADF:
            TranslatedFailure(SenseData(key: .dataProtect, code: .writeProtected))
        case ENOMEDIUM: TranslatedFailure(SenseData(key: .notReady, code: .mediumNotPresent))
        case EBADE: TranslatedFailure(.reservationConflict)
        case ETIMEDOUT: SCSIError.timedOut(name: file.path, limit: timeout)
        case EIO, ENODATA, EILSEQ:
            TranslatedFailure(
                SenseData(
                    key: .mediumError, code: isWrite ? .writeError : .unrecoveredReadError, information: block))
        default: SCSIError.transport(name: file.path, cause: error)
        }
    }
}

extension UnitIdentity {
    /// What sysfs knows of a device that cannot be asked itself.
    init(_ node: BlockNode) {
        let driver = node.adapter.prefix { $0 != " " && $0 != "(" }
        let model = node.model.isEmpty ? String(driver) : node.model
        let serial = node.serial
        vendor = "LINUX"
        product = model.uppercased()
        revision = node.revision
        isRemovable = node.isRemovable
        self.serial = serial
        designators = []
        if let name = node.worldWideIdentifier { designators += DeviceIdentifier.list(wwid: name) }
        if !serial.isEmpty {
            designators.append(
                DeviceIdentifier(
                    codeSet: 2, association: .logicalUnit, kind: .t10Vendor,
                    value: padded(vendor, 8) + Array("\(model) \(serial)".utf8.prefix(200))))
        }
    }
}

extension DeviceIdentifier {
    /// Whether nobody else's unit may have it: an NAA identifier that is assigned locally may (SPC-3 7.6.3.6.4), and one of company
    /// zero, which tgtd makes of a target's and a unit's number alone.
    package var isWorldWide: Bool {
        guard kind == .naa, let format = value.first.map({ $0 >> 4 }) else { return true }
        switch format {
        case 3: return false
        // The company's 24 bits are behind the format's four.
        case 5, 6: return value.count > 3 && (value[0] & 0xF, value[1], value[2], value[3] >> 4) != (0, 0, 0, 0)
        default: return true
        }
    }

    /// The identifiers behind a kernel's `wwid`: `naa.` and `eui.` with hexadecimal digits, `uuid.` with dashes between; none for others.
    package static func list(wwid: String) -> [DeviceIdentifier] {
        let parts = wwid.split(separator: ".", maxSplits: 1)
        guard parts.count == 2 else { return [] }
        let digits = parts[1].filter(\.isHexDigit).compactMap(\.hexDigitValue).map(UInt8.init)
        guard digits.count == parts[1].count(where: { $0 != "-" }), [16, 24, 32].contains(digits.count) else {
            return []
        }
        let value = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        switch parts[0] {
        case "naa":
            return [.init(codeSet: 1, association: .logicalUnit, kind: .naa, value: value), .name("naa", value)]
        case "eui":
            return [.init(codeSet: 1, association: .logicalUnit, kind: .eui64, value: value), .name("eui", value)]
        case "uuid":
            // UUID (SPC-5 7.7.6.13): type 1, a reserved octet, then the sixteen octets.
            return [
                .init(codeSet: 1, association: .logicalUnit, kind: .init(rawValue: 0x0A), value: [0x10, 0] + value)
            ]
        default: return []
        }
    }

    /// A SCSI name string (SPC-3 7.6.3.11): ended by a null and padded to a multiple of four.
    static func name(_ prefix: String, _ value: [UInt8]) -> DeviceIdentifier {
        var text = Array("\(prefix).\(value.map(hexadecimalOctet).joined())".utf8) + [0]
        while !text.count.isMultiple(of: 4) { text.append(0) }
        return .init(codeSet: 3, association: .logicalUnit, kind: .scsiName, value: text)
    }
}
