import Glibc

/// How often a command is sent again that the unit could not take, or aborted.
public struct CommandRetries: Sendable {
    /// The most times it is sent again.
    public let limit: Int
    /// Waits before it is sent again; told how often that has happened before.
    let pause: @Sendable (Int) -> Void

    /// Up to six more times, after 10, 20, 40 … milliseconds: 0.63 seconds in all, a fraction of the interval in which an owner
    /// has to look at its disk.
    public static let standard = CommandRetries(limit: 6) { usleep(10_000 << UInt32($0)) }

    /// Another number of times, and another way to wait.
    public init(limit: Int, pause: @escaping @Sendable (Int) -> Void) {
        self.limit = limit
        self.pause = pause
    }
}

/// Sends commands and makes errors of what is no success.
struct CommandSender {
    let transport: any SCSITransport
    let retries: CommandRetries
    /// Told of unit attentions and failures of the path; what it throws ends the command.
    var onSuspicion: () throws -> Void = {}

    /// The unit attentions a unit may have in store for us: more of them in a row are an error.
    private static let unitAttentionLimit = 8

    @discardableResult
    func execute(_ command: SCSICommand, dataOut: [UInt8] = [], dataIn: Int = 0) throws -> [UInt8] {
        var attentions = 0
        var repeats = 0
        while true {
            do {
                return try executeOnce(command, dataOut: dataOut, dataIn: dataIn)
            } catch SCSIError.checkCondition(let sense)
                where sense.key == .unitAttention && attentions < Self.unitAttentionLimit
            {
                attentions += 1
                if sense.code.castsDoubtOnIdentity { try onSuspicion() }
                // What is to be written is from before another node took the disk, which may be free again by now.
                if command.access == .write, sense.code.endsRegistration { throw SCSIError.reservationConflict }
            } catch let error as SCSIError where error.isPassing && repeats < retries.limit {
                retries.pause(repeats)
                repeats += 1
            }
        }
    }

    private func executeOnce(_ command: SCSICommand, dataOut: [UInt8], dataIn: Int) throws -> [UInt8] {
        let result: SCSIResult
        do {
            result = try transport.execute(cdb: command.cdb, dataOut: dataOut, dataInLength: dataIn)
        } catch let error as SCSIError {
            throw error
        } catch {
            throw SCSIError.transport(name: transport.name, cause: error)
        }
        switch result.status {
        case .good, .conditionMet: return result.data
        case .reservationConflict: throw SCSIError.reservationConflict
        case .busy, .taskSetFull: throw SCSIError.busy
        case .checkCondition:
            guard let sense = result.sense else { throw SCSIError.status(.checkCondition) }
            if sense.key == .recoveredError { return result.data }
            throw SCSIError.checkCondition(sense)
        default: throw SCSIError.status(result.status)
        }
    }

    /// Reads a vital product data page: its content without the header.
    func vitalProductData(page: UInt8) throws -> [UInt8] {
        // 252 octets reach every page that old devices have; asking some of them for more at once makes them refuse.
        let octets = try execute(.inquiry(page: page, allocationLength: 252), dataIn: 252)
        let promised = octets.count >= 4 ? 4 + Int(octets.field16(2)) : 0
        guard promised > 252 else { return Array(try VitalProductData.content(of: octets, page: page)) }
        let length = UInt16(min(promised, Int(UInt16.max)))
        let whole = try execute(.inquiry(page: page, allocationLength: length), dataIn: Int(length))
        return Array(try VitalProductData.content(of: whole, page: page))
    }
}

extension SCSIError {
    /// Whether the same command may well succeed in a moment: BUSY and TASK SET FULL, TASK ABORTED (another nexus' PREEMPT AND
    /// ABORT or reset, SAM-3 5.3.1), ABORTED COMMAND (SPC-3 4.5.6: "the application client may be able to recover by trying
    /// the command again"), and a unit that is becoming ready (04h/01h).
    fileprivate var isPassing: Bool {
        switch self {
        case .busy, .status(.taskAborted): true
        case .checkCondition(let sense):
            sense.key == .abortedCommand || sense.key == .notReady && sense.code.rawValue == 0x0401
        default: false
        }
    }
}

extension AdditionalSenseCode {
    /// Whether the nexus is registered no longer, by another one's doing: CLEAR (RESERVATIONS PREEMPTED, SPC-3 5.6.10.6) or
    /// PREEMPT (REGISTRATIONS PREEMPTED, 5.6.10.4).
    fileprivate var endsRegistration: Bool {
        self == .reservationsPreempted || self == .registrationsPreempted
    }

    /// Whether another unit may answer from now on: NOT READY TO READY CHANGE (28h), the resets (29h), and the changes of
    /// operating conditions (3Fh), among them INQUIRY DATA HAS CHANGED and REPORTED LUNS DATA HAS CHANGED.
    var castsDoubtOnIdentity: Bool {
        [0x28, 0x29, 0x3F].contains(code)
    }
}
