/// A disk this host itself lives on: only commands that read are let through to it.
///
/// What is let through is a list of commands that are known to change nothing, so that a command nobody has thought of is
/// refused: TEST UNIT READY, REQUEST SENSE, INQUIRY, MODE SENSE, LOG SENSE, READ CAPACITY, READ, REPORT LUNS, PERSISTENT RESERVE
/// IN, GET LBA STATUS, REPORT TARGET PORT GROUPS and REPORT SUPPORTED OPERATION CODES.
public struct GuardedTransport: SCSITransport {
    private let transport: any SCSITransport

    /// A guard before a transport.
    public init(_ transport: any SCSITransport) {
        self.transport = transport
    }

    /// The transport's.
    public var name: String { transport.name }
    /// The transport's.
    public var attachment: DiskAttachment { transport.attachment }

    /// Executes a command that reads; see ``SCSITransport``.
    ///
    /// - Throws: ``SCSIError/protected(name:)`` for every other one, before anything reaches the disk.
    public func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        guard dataOut.isEmpty, Self.reads(cdb) else { throw SCSIError.protected(name: name) }
        return try transport.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
    }

    /// Whether a command is known to change nothing.
    static func reads(_ cdb: [UInt8]) -> Bool {
        guard let code = cdb.first else { return false }
        switch code {
        // TEST UNIT READY, REQUEST SENSE, INQUIRY, MODE SENSE, READ CAPACITY (10), READ, REPORT LUNS, PERSISTENT RESERVE IN
        case 0x00, 0x03, 0x12, 0x1A, 0x5A, 0x25, 0x08, 0x28, 0xA8, 0x88, 0xA0, 0x5E: return true
        // LOG SENSE without SP, which saves parameters (SPC-3 6.6)
        case 0x4D: return cdb.count > 1 && cdb[1] & 0x01 == 0
        // READ CAPACITY (16), GET LBA STATUS
        case 0x9E: return cdb.count > 1 && [0x10, 0x12].contains(cdb[1] & 0x1F)
        // REPORT TARGET PORT GROUPS, REPORT SUPPORTED OPERATION CODES
        case 0xA3: return cdb.count > 1 && [0x0A, 0x0C].contains(cdb[1] & 0x1F)
        default: return false
        }
    }
}
