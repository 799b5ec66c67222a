/// Why octets are not a PDU of this protocol.
public enum PDUError: Error, Sendable, Hashable {
    /// The protocol version is not 5.0 or 5.1.
    case version(major: UInt8, minor: UInt8, callID: UInt32, type: PDUType)
    /// No connection-oriented PDU has this type.
    case type(UInt8)
    /// The data representation label names formats that do not exist.
    case representation
    /// The PDU's length cannot be: shorter than its header, or longer than what was agreed on.
    case fragmentLength(Int, callID: UInt32, type: PDUType)
    /// The authentication value does not fit into the PDU.
    case authLength(Int, callID: UInt32, type: PDUType)
    /// The authentication padding does not fit into the PDU's body.
    case authPadding(Int)
    /// A field lies beyond the PDU's end.
    case truncated
    /// A field has a value that it cannot have; the text names it.
    case malformed(String)
}

extension PDUError: CustomStringConvertible {
    /// One line for a log.
    public var description: String {
        switch self {
        case .version(let major, let minor, _, _): "unknown protocol version \(major).\(minor)"
        case .type(let type): "unknown PDU type \(type)"
        case .representation: "unknown data representation"
        case .fragmentLength(let length, _, let type): "a \(type) PDU cannot have \(length) octets"
        case .authLength(let length, _, let type): "a \(type) PDU has no room for \(length) octets of authentication"
        case .authPadding(let length): "the body has no room for \(length) octets of authentication padding"
        case .truncated: "the PDU ends within a field"
        case .malformed(let field): "the field \(field) is wrong"
        }
    }
}
