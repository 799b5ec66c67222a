import ArgumentParser
import Reservations

extension ReservationKey: ExpressibleByArgument {
    /// A key as it is written on the command line: up to sixteen hexadecimal digits, with or without `0x`, as sg_persist
    /// takes them.
    public init?(argument: String) {
        let digits = argument.lowercased().hasPrefix("0x") ? argument.dropFirst(2) : argument[...]
        guard (1...16).contains(digits.utf8.count), digits.utf8.allSatisfy({ Character(.init($0)).isHexDigit }),
            let value = UInt64(digits, radix: 16)
        else { return nil }
        self.init(rawValue: value)
    }
}

extension ReservationType: ExpressibleByArgument {
    /// A type as it is written on the command line: its number, its name or the initials of its name.
    public init?(argument: String) {
        let text = argument.lowercased()
        // There is no type beyond 9, so the base does not matter.
        if let number = UInt8(text.hasPrefix("0x") ? text.dropFirst(2) : text[...]) {
            self.init(rawValue: number)
            return
        }
        guard let type = Self.allCases.first(where: { $0.shortName == text || $0.longName == text }) else { return nil }
        self = type
    }

    /// The values that a help text names.
    public static var allValueStrings: [String] {
        allCases.map { "\($0.rawValue)|\($0.shortName)|\($0.longName)" }
    }

    /// The initials of its name.
    var shortName: String {
        switch self {
        case .writeExclusive: "we"
        case .exclusiveAccess: "ea"
        case .writeExclusiveRegistrantsOnly: "wero"
        case .exclusiveAccessRegistrantsOnly: "earo"
        case .writeExclusiveAllRegistrants: "wear"
        case .exclusiveAccessAllRegistrants: "eaar"
        }
    }

    /// Its name with hyphens.
    var longName: String {
        name.lowercased().replacing(", ", with: "-").replacing(" ", with: "-")
    }

    /// Its name in SPC-3 6.11.3.
    var name: String {
        switch self {
        case .writeExclusive: "Write Exclusive"
        case .exclusiveAccess: "Exclusive Access"
        case .writeExclusiveRegistrantsOnly: "Write Exclusive, Registrants Only"
        case .exclusiveAccessRegistrantsOnly: "Exclusive Access, Registrants Only"
        case .writeExclusiveAllRegistrants: "Write Exclusive, All Registrants"
        case .exclusiveAccessAllRegistrants: "Exclusive Access, All Registrants"
        }
    }
}

/// What `clusprep reservations` does to a disk.
enum ReservationAction: String, CaseIterable, ExpressibleByArgument, Encodable {
    case show, register, reserve, release, preempt, clear
}

/// What `clusprep reservations DISK show` asks the disk: the service actions of PERSISTENT RESERVE IN.
enum ReservationQuestion: String, CaseIterable, ExpressibleByArgument {
    case keys
    case reservation
    case capabilities
    case fullStatus = "full-status"
}
