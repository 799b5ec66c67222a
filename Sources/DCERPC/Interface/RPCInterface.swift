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

    /// The transfer syntaxes that suit it, the preferred one first: NDR64 like Windows, but not for objects, which are to be called
    /// in NDR 2.0 ([MS-DCOM] 2.1 and 2.2.13); a client that knows nothing else may call them in NDR64 all the same.
    public var transferSyntaxes: [TransferSyntax] { isObject ? Self.objectSyntaxes : Self.syntaxes }

    /// The transfer syntaxes of objects and of what finds and activates them.
    public static let objectSyntaxes: [TransferSyntax] = [.ndr20, .ndr64]
    private static let syntaxes: [TransferSyntax] = [.ndr64, .ndr20]

    /// The operation with this number, or nil if there is none on the wire.
    public func operation(_ opnum: UInt16) -> RPCOperation? {
        let index = Int(opnum)
        if index < operations.count, operations[index].opnum == opnum { return operations[index] }
        return operations.first { $0.opnum == opnum }
    }
}

/// One operation of an interface: its number, its name, and what goes in and comes out.
public struct RPCOperation: Sendable {
    /// The operation's number.
    public let opnum: UInt16
    /// The operation's name in the IDL text.
    public let name: String
    /// What goes in and what comes out.
    public let method: any RPCMethod.Type

    /// Describes an operation.
    public init<Method: RPCMethod>(_ method: Method.Type) {
        opnum = Method.opnum
        name = Method.name
        self.method = method
    }
}

/// What goes into an operation, as the IDL compiler emits it: its `[in]` parameters.
public protocol RPCRequest: Sendable, Equatable {
    /// Reads the stub.
    init(from decoder: inout NDRDecoder) throws(NDRError)
    /// Writes the stub.
    func encode(into encoder: inout NDREncoder) throws(NDRError)
}

/// What comes out of an operation, as the IDL compiler emits it: its `[out]` parameters and its return value.
public protocol RPCResponse: Sendable, Equatable {
    /// The request that it answers, which its counts may depend on.
    associatedtype Question: RPCRequest
    /// Reads the stub of the answer to a request.
    init(from decoder: inout NDRDecoder, for request: Question) throws(NDRError)
    /// Writes the stub of the answer to a request.
    func encode(into encoder: inout NDREncoder, for request: Question) throws(NDRError)
}

/// The namespace of one operation, as the IDL compiler emits it.
public protocol RPCMethod: SendableMetatype {
    /// What goes in.
    associatedtype Request: RPCRequest
    /// What comes out.
    associatedtype Response: RPCResponse where Response.Question == Request
    /// The operation's number.
    static var opnum: UInt16 { get }
    /// The operation's name in the IDL text.
    static var name: String { get }
}

/// Answers one operation: decodes the request, does the work, encodes the response.
///
/// It throws ``RPCFault`` to answer a fault of its choice, and `NDRError` for a request that does not decode.
public typealias RPCHandler = @Sendable (inout NDRDecoder, inout NDREncoder, CallContext) async throws -> Void
