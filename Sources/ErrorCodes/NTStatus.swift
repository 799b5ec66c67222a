/// An NTSTATUS ([MS-ERREF] 2.3).
public struct NTStatus: RawRepresentable, Error, Hashable, Sendable, CustomStringConvertible {
    /// The code as it stands on the wire.
    public var rawValue: UInt32

    /// Any code, also one without a name.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The name in [MS-ERREF] 2.3.1, such as `STATUS_LOGON_FAILURE`; nil if the code is not listed there.
    public var name: String? {
        CodeNames.ntStatus.name(of: rawValue)
    }

    /// The number and the name.
    public var description: String {
        name.map { "\(hexadecimal(rawValue)) \($0)" } ?? hexadecimal(rawValue)
    }
}
