import Reservations

extension ReservationType {
    /// The type's name in SPC-3 table 108.
    var standardName: String {
        switch self {
        case .writeExclusive: "Write Exclusive"
        case .exclusiveAccess: "Exclusive Access"
        case .writeExclusiveRegistrantsOnly: "Write Exclusive - Registrants Only"
        case .exclusiveAccessRegistrantsOnly: "Exclusive Access - Registrants Only"
        case .writeExclusiveAllRegistrants: "Write Exclusive - All Registrants"
        case .exclusiveAccessAllRegistrants: "Exclusive Access - All Registrants"
        }
    }
}
