import Synchronization

/// A logical unit seen through one transport: the commands of SPC-3 and SBC-2 this project needs, typed.
///
/// The same code serves emulated, iSCSI and local units. Everything here blocks; call it through ``BlockingExecutor``.
/// A command that ends with UNIT ATTENTION is sent once more for each condition told, because a condition tells of the past
/// and is gone once told; what it told is to be learnt by asking (``readReservation()``), never by having been listening at
/// the right time. The one exception is a write that is told that another nexus has ended this one's registration: it fails with
/// ``SCSIError/reservationConflict``, also where nobody holds the unit any more, and the next one passes. A unit that is busy, that aborted the command for somebody else's sake or that is becoming ready is asked a
/// bounded number of times (``CommandRetries``). RECOVERED ERROR is success.
///
/// **Another unit.** After a reset, a changed inventory or a path that failed, the unit's identity is asked for before
/// anything else is sent. Where it is not the one that was opened, every command fails with
/// ``SCSIError/identityChanged(name:expected:found:)``, for as long as the value lives: nothing that was known of the disk holds for
/// the other one.
public final class Disk: Sendable, BlockDevice {
    /// The path to the unit.
    public let transport: any SCSITransport
    /// The unit's standard inquiry data, as it was when the disk was opened.
    public let inquiry: InquiryData
    /// The octets of a logical block, as they were when the disk was opened.
    public let blockSize: Int
    /// The number of logical blocks, as it was when the disk was opened.
    public let blockCount: UInt64
    /// Whether the medium was write protected when the disk was opened (WP of MODE SENSE, SBC-2 6.3.1).
    ///
    /// False where the unit does not say, be it that MODE SENSE is not supported or that a reservation forbids it: the
    /// first write then tells.
    public let isReadOnly: Bool
    /// Who the unit was when the disk was opened.
    public let identity: DiskIdentity

    let retries: CommandRetries
    let trust = Mutex(IdentityTrust.trusted)

    /// The most octets that one READ or WRITE moves; larger requests are cut into several commands.
    public static let maximumTransfer = 1 << 20

    /// Opens the unit behind the transport: inquiry, readiness, capacity, write protection, identity.
    ///
    /// - Parameters:
    ///   - transport: the path to the unit.
    ///   - retries: how often a busy unit is asked again.
    /// - Throws: ``SCSIError``; NOT READY where the unit has no medium or its state is damaged.
    public init(transport: any SCSITransport, retries: CommandRetries = .standard) throws {
        self.transport = transport
        self.retries = retries
        let sender = CommandSender(transport: transport, retries: retries)
        let standard = try sender.execute(.inquiry(page: nil, allocationLength: 96), dataIn: 96)
        guard let inquiry = InquiryData(standard) else {
            throw SCSIError.malformedResponse(command: "INQUIRY", reason: "\(standard.count) octets instead of 36")
        }
        self.inquiry = inquiry
        try sender.execute(.testUnitReady)
        let capacity = try Self.capacity(sender)
        blockSize = capacity.blockSize
        blockCount = capacity.blockCount
        isReadOnly = Self.isWriteProtected(sender)
        identity = try DiskIdentity(sender, inquiry: inquiry)
    }

    /// What READ CAPACITY says.
    public struct Capacity: Sendable, Equatable {
        /// The number of logical blocks.
        public var blockCount: UInt64
        /// The octets of one.
        public var blockSize: Int

        /// A capacity of these numbers.
        public init(blockCount: UInt64, blockSize: Int) {
            self.blockCount = blockCount
            self.blockSize = blockSize
        }
    }

    /// Asks for the capacity anew; it differs from ``blockCount`` where the unit has grown or shrunk since.
    public func readCapacity() throws -> Capacity {
        try Self.capacity(trustedSender())
    }

    /// Asks anew whether the medium is write protected; it differs from ``isReadOnly`` where that has changed since.
    ///
    /// - Returns: false where the unit does not say.
    /// - Throws: what keeps the unit from answering at all.
    public func readWriteProtection() throws -> Bool {
        try testUnitReady()
        return Self.isWriteProtected(try trustedSender())
    }

    /// TEST UNIT READY: throws what keeps the unit from working.
    public func testUnitReady() throws {
        try execute(.testUnitReady)
    }

    /// Reads a vital product data page: its content without the header.
    public func vitalProductData(page: UInt8) throws -> [UInt8] {
        try trustedSender().vitalProductData(page: page)
    }

    /// The pages the unit has (page 00h).
    public func supportedPages() throws -> [UInt8] {
        try vitalProductData(page: VitalProductData.supportedPages)
    }

    /// The unit's serial number (page 80h) without its padding; may be empty.
    public func serialNumber() throws -> String {
        let text = paddedText(try vitalProductData(page: VitalProductData.unitSerialNumber)[...])
        return String(text.drop { $0 == " " })
    }

    /// The unit's identifiers (page 83h); ``DeviceIdentifier/preferred(_:)`` chooses among them.
    public func identifiers() throws -> [DeviceIdentifier] {
        try DeviceIdentifier.list(try vitalProductData(page: VitalProductData.deviceIdentification)[...])
    }

    /// Reads whole blocks.
    public func read(block: UInt64, count: Int) throws -> [UInt8] {
        var data: [UInt8] = []
        for range in try chunks(of: block, count: count) {
            let length = Int(range.count) * blockSize
            let part = try execute(.read(range, form: form(for: range)), dataIn: length)
            guard part.count == length else {
                throw SCSIError.malformedResponse(
                    command: "READ", reason: "\(part.count) octets instead of \(length)")
            }
            data += part
        }
        return data
    }

    /// Writes whole blocks.
    public func write(block: UInt64, _ data: [UInt8]) throws {
        guard data.count.isMultiple(of: blockSize) else {
            throw SCSIError.unalignedTransfer(octets: data.count, blockSize: blockSize)
        }
        var rest = data[...]
        for range in try chunks(of: block, count: data.count / blockSize) {
            let part = rest.prefix(Int(range.count) * blockSize)
            rest.removeFirst(part.count)
            let command = SCSICommand.write(range, form: form(for: range), forceUnitAccess: false)
            try execute(command, dataOut: Array(part))
        }
    }

    /// SYNCHRONIZE CACHE over the whole unit. A unit that does not know the command has no cache to bring down.
    public func flush() throws {
        do {
            try execute(.synchronizeCache(.init(first: 0, count: 0), isSixteenOctets: false))
        } catch SCSIError.checkCondition(let sense) where sense.code == .invalidOperationCode {
            return
        }
    }

    /// Cuts a request into commands.
    ///
    /// A range that does not end with the medium is refused before the first of them, so that nothing is transferred of it.
    private func chunks(of block: UInt64, count: Int) throws -> [SCSICommand.BlockRange] {
        guard block <= blockCount, let blocks = UInt64(exactly: count), blocks <= blockCount - block else {
            let sense = SenseData(
                key: .illegalRequest, code: .blockAddressOutOfRange, information: max(block, blockCount))
            throw SCSIError.checkCondition(sense)
        }
        let most = max(1, Self.maximumTransfer / blockSize)
        return stride(from: 0, to: count, by: most).map { offset in
            SCSICommand.BlockRange(first: block + UInt64(offset), count: UInt32(min(most, count - offset)))
        }
    }

    private func form(for range: SCSICommand.BlockRange) -> SCSICommand.TransferForm {
        range.first <= UInt64(UInt32.max) && range.count <= UInt32(UInt16.max) ? .ten : .sixteen
    }
}

extension Disk {
    /// Executes a command, again after each unit attention and while the unit is busy.
    ///
    /// - Parameters:
    ///   - command: the command.
    ///   - dataOut: what it sends.
    ///   - dataIn: the octets it may answer.
    /// - Returns: the data it answered.
    @discardableResult
    public func execute(_ command: SCSICommand, dataOut: [UInt8] = [], dataIn: Int = 0) throws -> [UInt8] {
        try trustedSender().execute(command, dataOut: dataOut, dataIn: dataIn)
    }

    private static func capacity(_ sender: CommandSender) throws -> Capacity {
        let short = try sender.execute(.readCapacity10, dataIn: 8)
        guard short.count >= 8 else {
            throw SCSIError.malformedResponse(command: "READ CAPACITY (10)", reason: "\(short.count) octets of 8")
        }
        var last = UInt64(short.field32(0))
        var blockSize = short.field32(4)
        if last == UInt64(UInt32.max) {
            let long = try sender.execute(.readCapacity16(allocationLength: 32), dataIn: 32)
            guard long.count >= 12 else {
                throw SCSIError.malformedResponse(command: "READ CAPACITY (16)", reason: "\(long.count) octets of 12")
            }
            last = long.field64(0)
            blockSize = long.field32(8)
        }
        // 64 KiB is beyond every block size in use, and no disk has 2^63 octets: with a target's error we must not compute.
        guard (1...65536).contains(blockSize), last < UInt64(Int64.max) / UInt64(blockSize) else {
            throw SCSIError.malformedResponse(
                command: "READ CAPACITY", reason: "blocks of \(blockSize) octets, the last at \(last)")
        }
        return Capacity(blockCount: last + 1, blockSize: Int(blockSize))
    }

    private static func isWriteProtected(_ sender: CommandSender) -> Bool {
        let command = SCSICommand.modeSense(
            .init(page: 0x3F, disablesBlockDescriptors: true), allocationLength: 192, isTenOctets: false)
        guard let header = try? sender.execute(command, dataIn: 192), header.count >= 4 else { return false }
        return header[2] & 0x80 != 0
    }
}
