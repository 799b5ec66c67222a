import DCERPC
import InterfaceValues
import NDR

/// A call with its names and its values.
public struct DissectedCall: Sendable {
    /// The call as it was captured.
    public let call: CapturedCall
    /// The interface's name, if it is known.
    public let interface: String?
    /// The operation's name, if it is known.
    public let operation: String?
    /// What is known of the object that it is for; nil if it is for none, or nothing is.
    public let object: DissectedObject?
    /// The request; nil if the capture does not have it.
    public let request: DissectedMessage?
    /// The response; nil if there is none.
    public let response: DissectedMessage?

    /// Interface and operation, by their names or by their numbers.
    public var title: String {
        let interface =
            interface ?? call.interface.map { "interface \($0)" } ?? "an interface that is not in the capture"
        let operation = operation ?? call.opnum.map { "operation \($0)" } ?? "an operation that is not in the capture"
        return "\(interface)::\(operation)"
    }
}

/// A stub with its values.
public struct DissectedMessage: Sendable {
    /// The parameters, with all their parts; empty if they cannot be read.
    public let fields: [FieldNode]
    /// Why not all of it can be read; nil if it can. The text is for people.
    public let problem: String?
    /// Octets that no value was made of: a stub that cannot be read as values, or what follows the last of them.
    public let rest: [UInt8]
}

/// What earlier calls of a capture say about an object's interface ([MS-DCOM] 2.2.18).
public struct DissectedObject: Sendable, Hashable {
    /// The interface pointer's identifier.
    public let ipid: GUID
    /// The interface.
    public internal(set) var interface: GUID?
    /// The class, if the pointer came of an activation.
    public internal(set) var classID: GUID?
    /// The object exporter.
    public internal(set) var oxid: UInt64?
    /// The object.
    public internal(set) var oid: UInt64?
    /// The call that the pointer came of.
    public internal(set) var call: Int
}
