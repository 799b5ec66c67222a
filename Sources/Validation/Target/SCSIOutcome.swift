import Reservations

/// How a command to a unit ended, in the words of SAM.
enum SCSIOutcome: Equatable {
    case good
    case conflict
    /// CHECK CONDITION with ILLEGAL REQUEST.
    case illegalRequest(String)
    case other(String)

    init(_ error: any Error) {
        switch error {
        case SCSIError.reservationConflict: self = .conflict
        case SCSIError.checkCondition(let sense) where sense.key == .illegalRequest: self = .illegalRequest("\(sense)")
        case let error: self = .other("\(error)")
        }
    }

    /// As a report shows it.
    var text: String {
        switch self {
        case .good: "GOOD"
        case .conflict: "RESERVATION CONFLICT"
        case .illegalRequest: "CHECK CONDITION, ILLEGAL REQUEST"
        case .other: "no success"
        }
    }

    /// What there is to say besides.
    var detail: String? {
        switch self {
        case .good, .conflict: nil
        case .illegalRequest(let text), .other(let text): text
        }
    }

    /// Whether it is what was expected; what else came with it does not count.
    func isLike(_ other: SCSIOutcome) -> Bool {
        switch (self, other) {
        case (.good, .good), (.conflict, .conflict), (.illegalRequest, .illegalRequest): true
        default: false
        }
    }
}

extension SCSIError {
    /// Whether nothing came back: that alone says nothing about what the unit does with a command.
    var isSilence: Bool {
        switch self {
        case .transport, .timedOut: true
        default: false
        }
    }
}

/// The name of a command, as standards and reports write it, with its operation code.
struct SCSICommandName: Hashable {
    let text: String
    let code: UInt8

    private static func out(_ action: String) -> SCSICommandName {
        SCSICommandName(text: "PERSISTENT RESERVE OUT / " + action, code: 0x5F)
    }

    private static func reserveIn(_ action: String) -> SCSICommandName {
        SCSICommandName(text: "PERSISTENT RESERVE IN / " + action, code: 0x5E)
    }

    static let register = out("REGISTER")
    static let registerAndIgnore = out("REGISTER AND IGNORE EXISTING KEY")
    static let reserve = out("RESERVE")
    static let release = out("RELEASE")
    static let clear = out("CLEAR")
    static let preempt = out("PREEMPT")
    static let preemptAndAbort = out("PREEMPT AND ABORT")
    static let readKeys = reserveIn("READ KEYS")
    static let readReservation = reserveIn("READ RESERVATION")
    static let reportCapabilities = reserveIn("REPORT CAPABILITIES")
    static let inquiry = SCSICommandName(text: "INQUIRY", code: 0x12)
    static let identification = SCSICommandName(text: "INQUIRY / page 83h", code: 0x12)
    static let serialNumber = SCSICommandName(text: "INQUIRY / page 80h", code: 0x12)
    static let read = SCSICommandName(text: "READ", code: 0x28)
    static let write = SCSICommandName(text: "WRITE", code: 0x2A)
    static let readCapacity = SCSICommandName(text: "READ CAPACITY", code: 0x25)
}
