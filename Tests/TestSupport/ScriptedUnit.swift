import Reservations
import Synchronization

/// A logical unit in memory that says what a test wants it to say.
public final class ScriptedUnit: SCSITransport {
    /// What it says.
    public struct Script: Sendable {
        /// Standard inquiry data.
        public var inquiry = InquiryData(vendor: "ACME", product: "SCRIPTED DISK", revision: "1.0")
        /// Vital product data pages, without their headers; a page that is not here does not exist.
        public var pages: [UInt8: [UInt8]] = [:]
        /// Log pages, without their headers; a page that is not here does not exist.
        public var logPages: [UInt8: [UInt8]] = [:]
        /// WP of MODE SENSE.
        public var isWriteProtected = false
        /// The medium's blocks of 512 octets that are not all zero.
        public var blocks: [UInt32: [UInt8]] = [:]
        /// The number of blocks.
        public var blockCount: UInt32 = 8192
        /// What commands are answered with, by operation code, instead of being carried out.
        public var answers: [UInt8: SCSIResult] = [:]
        /// How it hangs on the host.
        public var attachment = DiskAttachment(bus: .iSCSI, adapter: "test adapter")

        /// A writable disk without pages, all zero.
        public init() {}

        /// A master boot record with this signature and one partition of this type from block 2048 on.
        public mutating func setMasterBootRecord(signature: UInt32, type: UInt8 = 0x07) {
            var record = [UInt8](repeating: 0, count: 512)
            for index in 0..<4 { record[440 + index] = UInt8(truncatingIfNeeded: signature >> UInt32(8 * index)) }
            record[446 + 4] = type
            // First block 2048 and 2048 blocks, little endian.
            record[446 + 9] = 8
            record[446 + 13] = 8
            record[510] = 0x55
            record[511] = 0xAA
            blocks[0] = record
        }
    }

    /// What it is called.
    public let name: String
    private let script: Mutex<Script>

    /// A unit that says this.
    public init(_ script: Script = Script(), name: String = "scripted") {
        self.name = name
        self.script = Mutex(script)
    }

    /// Lets it say something else from now on.
    public func change(_ body: (inout Script) -> Void) {
        script.withLock { body(&$0) }
    }

    /// How it hangs on the host.
    public var attachment: DiskAttachment {
        script.withLock(\.attachment)
    }

    /// Answers one command.
    public func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) -> SCSIResult {
        let script = script.withLock { $0 }
        var result = script.answers[cdb[0]] ?? Self.answer(cdb, script)
        result.data = Array(result.data.prefix(dataInLength))
        return result
    }

    private static func answer(_ cdb: [UInt8], _ script: Script) -> SCSIResult {
        let invalidField = refusal(.invalidFieldInCDB)
        switch cdb[0] {
        case 0x00:
            return SCSIResult(status: .good)
        case 0x12 where cdb[1] & 1 == 0:
            return SCSIResult(status: .good, data: script.inquiry.octets)
        case 0x12:
            guard let content = cdb[2] == 0 ? [0] + script.pages.keys.sorted() : script.pages[cdb[2]] else {
                return invalidField
            }
            return SCSIResult(status: .good, data: [0, cdb[2]] + field(content.count) + content)
        case 0x1A:
            return SCSIResult(status: .good, data: [3, 0, script.isWriteProtected ? 0x80 : 0, 0])
        case 0x25:
            return SCSIResult(status: .good, data: field32(script.blockCount - 1) + field32(512))
        case 0x28:
            let first = cdb[2..<6].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let count = UInt32(cdb[7]) << 8 | UInt32(cdb[8])
            let blocks = (first..<first + count).flatMap {
                script.blocks[$0] ?? [UInt8](repeating: 0, count: 512)
            }
            return SCSIResult(status: .good, data: blocks)
        case 0x4D:
            guard let content = script.logPages[cdb[2] & 0x3F] else { return invalidField }
            return SCSIResult(status: .good, data: [cdb[2] & 0x3F, 0] + field(content.count) + content)
        case 0x5E:
            // No keys, no reservation.
            return SCSIResult(status: .good, data: [UInt8](repeating: 0, count: 8))
        default:
            return refusal(.invalidOperationCode)
        }
    }

    /// CHECK CONDITION, ILLEGAL REQUEST, and why.
    public static func refusal(_ code: AdditionalSenseCode) -> SCSIResult {
        SCSIResult(status: .checkCondition, sense: SenseData(key: .illegalRequest, code: code))
    }

    private static func field(_ value: Int) -> [UInt8] {
        [UInt8(value >> 8), UInt8(value & 0xFF)]
    }

    private static func field32(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
    }
}
