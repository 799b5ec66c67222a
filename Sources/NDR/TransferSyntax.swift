/// How values are laid out in a stub: what a presentation context agrees on.
public enum TransferSyntax: UInt8, Hashable, Sendable, CaseIterable {
    /// NDR, version 2.0 (C706 chapter 14, [MS-RPCE] 2.2.4.12).
    case ndr20
    /// NDR64, version 1.0 ([MS-RPCE] 2.2.5): pointers and counts of eight octets, enumerations of four, structures padded
    /// to their alignment; always little endian.
    case ndr64

    /// What names it in a bind.
    public var identifier: SyntaxIdentifier {
        switch self {
        case .ndr20: .ndr20
        case .ndr64: .ndr64
        }
    }

    /// The transfer syntax of this name.
    ///
    /// - Returns: nil if it is none that is spoken here.
    public init?(_ identifier: SyntaxIdentifier) {
        switch identifier {
        case .ndr20: self = .ndr20
        case .ndr64: self = .ndr64
        default: return nil
        }
    }
}

extension TransferSyntax: CustomStringConvertible {
    /// Its name.
    public var description: String {
        switch self {
        case .ndr20: "NDR 2.0"
        case .ndr64: "NDR64"
        }
    }
}
