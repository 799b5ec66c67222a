import NDR

/// What an interface definition says of an interface, as the run-time needs it: who it is and which operations it has.
///
/// The IDL compiler emits one value of it for each interface.
public struct RPCInterface: Sendable {
    /// The interface's UUID and version: the abstract syntax of a bind ([C706] 12.6.3.1).
    public let syntax: SyntaxIdentifier
    /// The interface's name in its IDL text, for logs and dissection.
    public let name: String
    /// Whether the interface is an object interface of DCOM, whose calls carry ORPCTHIS and ORPCTHAT.
    public let isObject: Bool
    /// The operations that exist on the wire, in the order of their numbers.
    public let operations: [RPCOperation]

    /// Describes an interface.
    public init(syntax: SyntaxIdentifier, name: String, isObject: Bool, operations: [RPCOperation]) {
        self.syntax = syntax
        self.name = name
        self.isObject = isObject
        self.operations = operations
    }

    /// The transfer syntaxes that suit it, the preferred one first.
    public var transferSyntaxes: [TransferSyntax] { [.ndr20] }

    /// The operation with this number, or nil if there is none on the wire.
    public func operation(_ opnum: UInt16) -> RPCOperation? {
        let index = Int(opnum)
        if index < operations.count, operations[index].opnum == opnum { return operations[index] }
        return operations.first { $0.opnum == opnum }
    }
}

/// One operation of an interface: its number, its name, and how to print what is on the wire.
public struct RPCOperation: Sendable {
    /// Decodes a request's stub and prints it.
    public typealias RequestDump = @Sendable (inout NDRDecoder) throws -> String
    /// Decodes a response's stub, which needs the request it answers (array sizes, union arms), and prints it.
    public typealias ResponseDump =
        @Sendable (_ response: inout NDRDecoder, _ request: inout NDRDecoder) throws -> String

    /// The operation's number.
    public let opnum: UInt16
    /// The operation's name in the IDL text.
    public let name: String
    /// Prints a request.
    public let requestDump: RequestDump
    /// Prints a response.
    public let responseDump: ResponseDump

    /// Describes an operation.
    public init(
        opnum: UInt16, name: String, requestDump: @escaping RequestDump, responseDump: @escaping ResponseDump
    ) {
        self.opnum = opnum
        self.name = name
        self.requestDump = requestDump
        self.responseDump = responseDump
    }
}

/// The namespace of one operation, as the IDL compiler emits it.
public protocol RPCMethod {
    /// The operation's number.
    static var opnum: UInt16 { get }
    /// The operation's name in the IDL text.
    static var name: String { get }
}

/// Answers one operation: decodes the request, does the work, encodes the response.
///
/// It throws ``RPCFault`` to answer a fault of its choice, and `NDRError` for a request that does not decode.
public typealias RPCHandler = @Sendable (inout NDRDecoder, inout NDREncoder, CallContext) async throws -> Void
