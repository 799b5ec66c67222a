/// The seam under which a target is emulated, reached over iSCSI, or a local disk's SG_IO: one command in, one result out.
///
/// A transport belongs to one I_T nexus: every command that goes through it comes from the same initiator port and reaches
/// the same target port, so a persistent reservation registered through it stays its own.
///
/// Blocking; call it on a thread of your own or through ``BlockingExecutor``, never on an event loop or the cooperative pool.
public protocol SCSITransport: Sendable {
    /// Executes one command to its end.
    ///
    /// - Parameters:
    ///   - cdb: the command descriptor block, 6, 10, 12 or 16 octets.
    ///   - dataOut: what the command sends; empty where it sends nothing.
    ///   - dataInLength: the octets the caller is ready to receive; the result holds at most so many.
    /// - Throws: ``SCSIError`` where the command did not reach a status at all. A status other than GOOD is a result, not an error.
    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult

    /// What to call this path in messages, such as the image's path or the portal and the target's name.
    var name: String { get }

    /// How the unit hangs on this host, as far as that is known without a command.
    var attachment: DiskAttachment { get }
}

/// What a target answered to one command (SAM-3 5.1).
public struct SCSIResult: Sendable, Equatable {
    /// The status of the command.
    public var status: SCSIStatus
    /// The sense data that came with it; only with CHECK CONDITION as a rule.
    public var sense: SenseData?
    /// The data the target sent, cut to what the caller was ready to receive.
    public var data: [UInt8]

    /// A result of these parts.
    public init(status: SCSIStatus, sense: SenseData? = nil, data: [UInt8] = []) {
        self.status = status
        self.sense = sense
        self.data = data
    }
}

/// A status code (SAM-3 5.3.1).
public struct SCSIStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The code as it stands in the response.
    public var rawValue: UInt8

    /// Any code, also a reserved one.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The command completed.
    public static let good = SCSIStatus(rawValue: 0x00)
    /// Sense data says what is the matter.
    public static let checkCondition = SCSIStatus(rawValue: 0x02)
    /// The condition that was waited for is met; a success.
    public static let conditionMet = SCSIStatus(rawValue: 0x04)
    /// The logical unit is busy for now.
    public static let busy = SCSIStatus(rawValue: 0x08)
    /// Another I_T nexus' reservation forbids the command.
    public static let reservationConflict = SCSIStatus(rawValue: 0x18)
    /// The logical unit has no room for another task.
    public static let taskSetFull = SCSIStatus(rawValue: 0x28)
    /// An auto contingent allegiance exists.
    public static let acaActive = SCSIStatus(rawValue: 0x30)
    /// Another I_T nexus aborted the command.
    public static let taskAborted = SCSIStatus(rawValue: 0x40)

    /// The name in SAM-3.
    public var description: String {
        switch self {
        case .good: "GOOD"
        case .checkCondition: "CHECK CONDITION"
        case .conditionMet: "CONDITION MET"
        case .busy: "BUSY"
        case .reservationConflict: "RESERVATION CONFLICT"
        case .taskSetFull: "TASK SET FULL"
        case .acaActive: "ACA ACTIVE"
        case .taskAborted: "TASK ABORTED"
        default: "status 0x" + String(rawValue, radix: 16)
        }
    }
}
