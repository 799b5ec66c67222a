/// A disk seen as numbered blocks: what partition tables and file systems stand on.
///
/// Blocking; call it on a thread of your own or through ``BlockingExecutor``, never on an event loop or the cooperative pool.
public protocol BlockDevice: Sendable {
    /// The octets of a logical block: 512 or 4096 as a rule.
    var blockSize: Int { get }
    /// The number of logical blocks.
    var blockCount: UInt64 { get }
    /// Whether every write will be refused.
    var isReadOnly: Bool { get }

    /// Reads whole blocks.
    ///
    /// - Throws: ``SCSIError``; LOGICAL BLOCK ADDRESS OUT OF RANGE for a range that reaches beyond ``blockCount``, or a negative
    ///   count, before anything is transferred.
    func read(block: UInt64, count: Int) throws -> [UInt8]

    /// Writes whole blocks; `data` is a multiple of the block size.
    ///
    /// The data is on stable storage only after the next ``flush()``. A range that reaches beyond ``blockCount`` is refused
    /// before anything is transferred.
    func write(block: UInt64, _ data: [UInt8]) throws

    /// Brings everything written before onto stable storage.
    func flush() throws
}
