/// An HRESULT ([MS-ERREF] 2.1): the status every method of a DCOM interface returns.
public struct HRESULT: RawRepresentable, Error, Hashable, Sendable, CustomStringConvertible {
    /// The code as it stands on the wire.
    public var rawValue: UInt32

    /// Any code, also one without a name.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// HRESULT_FROM_WIN32 ([MS-ERREF] 2.1.2): success stays success, and what already is a failing HRESULT stays as it is.
    public init(win32: Win32Error) {
        if Int32(bitPattern: win32.rawValue) <= 0 {
            rawValue = win32.rawValue
        } else {
            rawValue = (win32.rawValue & 0xFFFF) | 0x8007_0000
        }
    }

    /// Whether the severity bit is set.
    public var isFailure: Bool {
        rawValue & 0x8000_0000 != 0
    }

    /// The Win32 code inside, where the facility is FACILITY_WIN32 or the value is S_OK.
    public var win32: Win32Error? {
        if self == .ok { return .success }
        return rawValue & 0xFFFF_0000 == 0x8007_0000 ? Win32Error(rawValue: rawValue & 0xFFFF) : nil
    }

    /// The name in [MS-ERREF], such as `E_INVALIDARG` or `ERROR_FILE_NOT_FOUND`; nil if the code is not listed there.
    public var name: String? {
        CodeNames.hresult.name(of: rawValue) ?? win32?.name
    }

    /// The number and the name.
    public var description: String {
        name.map { "\(hexadecimal(rawValue)) \($0)" } ?? hexadecimal(rawValue)
    }
}

/// An error that knows what a caller over DCOM is told about it.
///
/// Errors inside the node carry their cause; this is the one code that leaves the machine.
public protocol HRESULTConvertible: Error {
    /// The failing code for the wire; never a success.
    var hresult: HRESULT { get }
}

extension HRESULT: HRESULTConvertible {
    /// Itself.
    public var hresult: HRESULT {
        self
    }
}

extension HRESULT {
    /// S_OK.
    public static let ok = HRESULT(rawValue: 0)
    /// S_FALSE.
    public static let `false` = HRESULT(rawValue: 1)
    /// E_NOTIMPL.
    public static let notImplemented = HRESULT(rawValue: 0x8000_4001)
    /// E_NOINTERFACE.
    public static let noInterface = HRESULT(rawValue: 0x8000_4002)
    /// E_POINTER.
    public static let invalidPointer = HRESULT(rawValue: 0x8000_4003)
    /// E_FAIL.
    public static let unspecifiedFailure = HRESULT(rawValue: 0x8000_4005)
    /// E_UNEXPECTED.
    public static let unexpected = HRESULT(rawValue: 0x8000_FFFF)
    /// RPC_E_SERVERFAULT.
    public static let serverFault = HRESULT(rawValue: 0x8001_0105)
    /// RPC_E_DISCONNECTED.
    public static let disconnected = HRESULT(rawValue: 0x8001_0108)
    /// RPC_E_INVALID_IPID.
    public static let invalidIPID = HRESULT(rawValue: 0x8001_0113)
    /// RPC_E_VERSION_MISMATCH.
    public static let versionMismatch = HRESULT(rawValue: 0x8001_0110)
    /// RPC_E_INVALID_HEADER.
    public static let invalidHeader = HRESULT(rawValue: 0x8001_0111)
    /// RPC_E_INVALID_EXTENSION.
    public static let invalidExtension = HRESULT(rawValue: 0x8001_0112)
    /// RPC_E_INVALID_OBJECT.
    public static let invalidObject = HRESULT(rawValue: 0x8001_0114)
    /// CLASS_E_NOAGGREGATION.
    public static let noAggregation = HRESULT(rawValue: 0x8004_0110)
    /// REGDB_E_CLASSNOTREG.
    public static let classNotRegistered = HRESULT(rawValue: 0x8004_0154)
    /// CO_S_NOTALLINTERFACES.
    public static let notAllInterfaces = HRESULT(rawValue: 0x0008_0012)
    /// E_ACCESSDENIED.
    public static let accessDenied = HRESULT(rawValue: 0x8007_0005)
    /// E_OUTOFMEMORY.
    public static let outOfMemory = HRESULT(rawValue: 0x8007_000E)
    /// E_INVALIDARG.
    public static let invalidArgument = HRESULT(rawValue: 0x8007_0057)
}
