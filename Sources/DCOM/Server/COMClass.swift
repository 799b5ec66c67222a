import DCERPC
import ErrorCodes
import NDR
import Security

/// An object that clients activate. It belongs to one activation, and lives until its client has released it or has been
/// silent for too long.
///
/// An actor is the natural form: `handlers(for:)` is then `nonisolated`, and returns what the IDL compiler's
/// `IFoo.handlers(self)` makes.
public protocol COMObject: AnyObject, Sendable {
    /// What answers the methods of an interface, by opnum; nil if the object does not have that interface.
    ///
    /// It is asked once for each interface that a client gets. IUnknown need not be named: every object has it.
    func handlers(for iid: GUID) -> [RPCHandler?]?

    /// The last reference is gone, or the client is. Undoes what the object had done that must not outlive it.
    ///
    /// No call is in progress, and none follows. It is called once.
    func released() async
}

extension COMObject {
    /// Most objects have nothing to undo.
    public func released() async {}
}

/// An interface of a class, and how well calls on it must be protected.
public struct COMInterface: Sendable {
    /// The interface, as the IDL compiler describes it.
    public let interface: RPCInterface
    /// The least authentication level of a call on it.
    public let minimumLevel: AuthenticationLevel

    /// From its parts.
    public init(_ interface: RPCInterface, minimumLevel: AuthenticationLevel = .packetPrivacy) {
        self.interface = interface
        self.minimumLevel = minimumLevel
    }

    /// The interface's identifier.
    public var iid: GUID { interface.syntax.uuid }
}

/// A class of objects that can be activated.
public struct COMClass: Sendable {
    /// Makes an object for a client that was found to be allowed to activate it.
    ///
    /// - Throws: An `HRESULTConvertible` is what the activation answers; anything else is E_FAIL.
    public typealias Factory = @Sendable (CallContext) async throws -> any COMObject

    /// The class identifier.
    public let clsid: GUID
    /// A name for logs.
    public let name: String
    /// The interfaces of its objects. Clients can only ever get these, and IUnknown.
    public let interfaces: [COMInterface]
    let make: Factory?

    /// A class of real objects.
    public init(clsid: GUID, name: String, interfaces: [COMInterface], make: @escaping Factory) {
        self.clsid = clsid
        self.name = name
        self.interfaces = interfaces
        self.make = make
    }

    private init(probe clsid: GUID, name: String) {
        self.clsid = clsid
        self.name = name
        interfaces = []
        make = nil
    }

    /// A class without objects: its activation succeeds for IUnknown and IClassFactory and returns no reference.
    ///
    /// It is for test suites that try whether activation works at all, with a class that every Windows once had:
    /// `smbtorture`'s rpc.remact and rpc.oxidresolve activate `02b01c80-e03d-101a-b294-00dd010f2bf9`, and their client crashes
    /// when it is given a reference. No daemon should offer one unless it is told to.
    public static func activationProbe(clsid: GUID, name: String) -> COMClass {
        COMClass(probe: clsid, name: name)
    }
}
