/// What a logical unit has to say about a command that did not end well (SPC-3 4.5).
public struct SenseData: Hashable, Sendable {
    /// The general kind of what happened.
    public var key: SenseKey
    /// The additional sense code and its qualifier.
    public var code: AdditionalSenseCode
    /// Command-specific: the logical block address of the error for a direct-access device; nil where the target gave none.
    public var information: UInt64?
    /// Which octet of the CDB or of the parameter list is wrong (SPC-3 4.5.2.4.2); nil where the target did not say.
    public var fieldPointer: FieldPointer?
    /// Whether the sense data is about an earlier command (response codes 71h and 73h).
    public var isDeferred: Bool

    /// Sense data of these parts.
    public init(
        key: SenseKey, code: AdditionalSenseCode, information: UInt64? = nil, fieldPointer: FieldPointer? = nil,
        isDeferred: Bool = false
    ) {
        self.key = key
        self.code = code
        self.information = information
        self.fieldPointer = fieldPointer
        self.isDeferred = isDeferred
    }

    /// The place of an invalid field (SPC-3 4.5.2.4.2).
    public struct FieldPointer: Hashable, Sendable {
        /// Whether the octet is one of the CDB, else of the parameter list.
        public var isInCDB: Bool
        /// The first octet of the field.
        public var octet: UInt16
        /// The most significant bit of the field, where the target names one.
        public var bit: UInt8?

        /// A place of these parts.
        public init(isInCDB: Bool, octet: UInt16, bit: UInt8? = nil) {
            self.isInCDB = isInCDB
            self.octet = octet
            self.bit = bit
        }
    }
}

/// A sense key (SPC-3 4.5.6).
public enum SenseKey: UInt8, Sendable, CaseIterable {
    case noSense = 0x0
    case recoveredError = 0x1
    case notReady = 0x2
    case mediumError = 0x3
    case hardwareError = 0x4
    case illegalRequest = 0x5
    case unitAttention = 0x6
    case dataProtect = 0x7
    case blankCheck = 0x8
    case vendorSpecific = 0x9
    case copyAborted = 0xA
    case abortedCommand = 0xB
    case obsolete = 0xC
    case volumeOverflow = 0xD
    case miscompare = 0xE
    case reserved = 0xF

    /// The name in SPC-3.
    public var name: String {
        switch self {
        case .noSense: "NO SENSE"
        case .recoveredError: "RECOVERED ERROR"
        case .notReady: "NOT READY"
        case .mediumError: "MEDIUM ERROR"
        case .hardwareError: "HARDWARE ERROR"
        case .illegalRequest: "ILLEGAL REQUEST"
        case .unitAttention: "UNIT ATTENTION"
        case .dataProtect: "DATA PROTECT"
        case .blankCheck: "BLANK CHECK"
        case .vendorSpecific: "VENDOR SPECIFIC"
        case .copyAborted: "COPY ABORTED"
        case .abortedCommand: "ABORTED COMMAND"
        case .obsolete: "OBSOLETE"
        case .volumeOverflow: "VOLUME OVERFLOW"
        case .miscompare: "MISCOMPARE"
        case .reserved: "RESERVED"
        }
    }
}

/// An additional sense code with its qualifier (SPC-3 annex D), as one number: code in the high octet, qualifier in the low.
public struct AdditionalSenseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The code and the qualifier.
    public var rawValue: UInt16

    /// Any code, also one without a name here.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// The additional sense code alone.
    public var code: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 8) }
    /// The qualifier alone.
    public var qualifier: UInt8 { UInt8(truncatingIfNeeded: rawValue) }

    /// NO ADDITIONAL SENSE INFORMATION.
    public static let none = AdditionalSenseCode(rawValue: 0x0000)
    /// LOGICAL UNIT NOT READY, MANUAL INTERVENTION REQUIRED.
    public static let manualInterventionRequired = AdditionalSenseCode(rawValue: 0x0403)
    /// LOGICAL UNIT COMMUNICATION FAILURE.
    public static let logicalUnitCommunicationFailure = AdditionalSenseCode(rawValue: 0x0800)
    /// WRITE ERROR.
    public static let writeError = AdditionalSenseCode(rawValue: 0x0C00)
    /// UNRECOVERED READ ERROR.
    public static let unrecoveredReadError = AdditionalSenseCode(rawValue: 0x1100)
    /// PARAMETER LIST LENGTH ERROR.
    public static let parameterListLengthError = AdditionalSenseCode(rawValue: 0x1A00)
    /// INVALID COMMAND OPERATION CODE.
    public static let invalidOperationCode = AdditionalSenseCode(rawValue: 0x2000)
    /// LOGICAL BLOCK ADDRESS OUT OF RANGE.
    public static let blockAddressOutOfRange = AdditionalSenseCode(rawValue: 0x2100)
    /// INVALID FIELD IN CDB.
    public static let invalidFieldInCDB = AdditionalSenseCode(rawValue: 0x2400)
    /// LOGICAL UNIT NOT SUPPORTED.
    public static let logicalUnitNotSupported = AdditionalSenseCode(rawValue: 0x2500)
    /// INVALID FIELD IN PARAMETER LIST.
    public static let invalidFieldInParameterList = AdditionalSenseCode(rawValue: 0x2600)
    /// INVALID RELEASE OF PERSISTENT RESERVATION.
    public static let invalidRelease = AdditionalSenseCode(rawValue: 0x2604)
    /// WRITE PROTECTED.
    public static let writeProtected = AdditionalSenseCode(rawValue: 0x2700)
    /// SPACE ALLOCATION FAILED WRITE PROTECT: a thin-provisioned unit is full.
    public static let spaceAllocationFailed = AdditionalSenseCode(rawValue: 0x2707)
    /// POWER ON, RESET, OR BUS DEVICE RESET OCCURRED.
    public static let powerOnOrReset = AdditionalSenseCode(rawValue: 0x2900)
    /// RESERVATIONS PREEMPTED.
    public static let reservationsPreempted = AdditionalSenseCode(rawValue: 0x2A03)
    /// RESERVATIONS RELEASED.
    public static let reservationsReleased = AdditionalSenseCode(rawValue: 0x2A04)
    /// REGISTRATIONS PREEMPTED.
    public static let registrationsPreempted = AdditionalSenseCode(rawValue: 0x2A05)
    /// INCOMPATIBLE MEDIUM INSTALLED.
    public static let incompatibleMedium = AdditionalSenseCode(rawValue: 0x3000)
    /// SAVING PARAMETERS NOT SUPPORTED.
    public static let savingParametersNotSupported = AdditionalSenseCode(rawValue: 0x3900)
    /// MEDIUM NOT PRESENT.
    public static let mediumNotPresent = AdditionalSenseCode(rawValue: 0x3A00)
    /// INTERNAL TARGET FAILURE.
    public static let internalTargetFailure = AdditionalSenseCode(rawValue: 0x4400)
    /// INSUFFICIENT REGISTRATION RESOURCES.
    public static let insufficientRegistrationResources = AdditionalSenseCode(rawValue: 0x5504)

    /// The name where this file knows it, and the two numbers.
    public var description: String {
        let number = "\(hexadecimalOctet(code))h/\(hexadecimalOctet(qualifier))h"
        return AdditionalSenseCode.names[rawValue].map { "\($0) (\(number))" } ?? number
    }

    private static let names: [UInt16: String] = [
        0x0000: "NO ADDITIONAL SENSE INFORMATION",
        0x0403: "LOGICAL UNIT NOT READY, MANUAL INTERVENTION REQUIRED",
        0x0800: "LOGICAL UNIT COMMUNICATION FAILURE",
        0x0C00: "WRITE ERROR",
        0x1100: "UNRECOVERED READ ERROR",
        0x1A00: "PARAMETER LIST LENGTH ERROR",
        0x2000: "INVALID COMMAND OPERATION CODE",
        0x2100: "LOGICAL BLOCK ADDRESS OUT OF RANGE",
        0x2400: "INVALID FIELD IN CDB",
        0x2500: "LOGICAL UNIT NOT SUPPORTED",
        0x2600: "INVALID FIELD IN PARAMETER LIST",
        0x2604: "INVALID RELEASE OF PERSISTENT RESERVATION",
        0x2700: "WRITE PROTECTED",
        0x2707: "SPACE ALLOCATION FAILED WRITE PROTECT",
        0x2900: "POWER ON, RESET, OR BUS DEVICE RESET OCCURRED",
        0x2A03: "RESERVATIONS PREEMPTED",
        0x2A04: "RESERVATIONS RELEASED",
        0x2A05: "REGISTRATIONS PREEMPTED",
        0x3000: "INCOMPATIBLE MEDIUM INSTALLED",
        0x3900: "SAVING PARAMETERS NOT SUPPORTED",
        0x3A00: "MEDIUM NOT PRESENT",
        0x4400: "INTERNAL TARGET FAILURE",
        0x5504: "INSUFFICIENT REGISTRATION RESOURCES",
    ]
}

extension SenseData: CustomStringConvertible {
    /// The sense key's and the additional code's names.
    public var description: String {
        "\(key.name): \(code)"
    }
}

/// Two upper-case hexadecimal digits.
func hexadecimalOctet(_ octet: UInt8) -> String {
    let digits = String(octet, radix: 16, uppercase: true)
    return digits.count == 1 ? "0" + digits : digits
}
