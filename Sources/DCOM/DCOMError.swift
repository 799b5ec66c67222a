import ErrorCodes
import NDR

/// What can be wrong with DCOM's own data, or with what a peer made of a request.
public enum DCOMError: Error, Sendable, Equatable {
    /// An OBJREF ([MS-DCOM] 2.2.18) breaks its format; the text says where.
    case malformedReference(String)
    /// A DUALSTRINGARRAY (2.2.19) breaks its format; the text says where.
    case malformedBindings(String)
    /// An activation properties blob (2.2.22) breaks its format, or lacks a property that it must have.
    case malformedActivationProperties(String)
    /// A context (2.2.20) breaks its format.
    case malformedContext(String)
    /// The server refused the activation.
    case activationFailed(HRESULT)
    /// The object was activated, but the server does not hand out this interface.
    case interfaceUnavailable(GUID, HRESULT)
    /// The server speaks another major version of the protocol.
    case incompatibleVersion(major: UInt16, minor: UInt16)
    /// None of the bindings that the server named can be used from here.
    case noUsableBinding([String])
    /// A method of the object resolver answered with an error.
    case resolverFailed(Win32Error)
    /// A method of the remote unknown answered with an error.
    case remoteUnknownFailed(HRESULT)
    /// The reference was released; it cannot be used any more.
    case released
}

extension DCOMError: HRESULTConvertible {
    /// What a caller over DCOM is told.
    public var hresult: HRESULT {
        switch self {
        case .malformedReference, .malformedBindings, .malformedContext: .invalidObjectReference
        case .malformedActivationProperties: HRESULT(win32: DCOMConstant.badStubData)
        case .activationFailed(let result), .interfaceUnavailable(_, let result), .remoteUnknownFailed(let result):
            result
        case .incompatibleVersion: .versionMismatch
        case .noUsableBinding: HRESULT(win32: Win32Error(rawValue: 1722))
        case .resolverFailed(let error): error.hresult
        case .released: .disconnected
        }
    }
}

extension DCOMError: CustomStringConvertible {
    /// One line for a log or for a person.
    public var description: String {
        switch self {
        case .malformedReference(let what): "malformed object reference: \(what)"
        case .malformedBindings(let what): "malformed bindings: \(what)"
        case .malformedActivationProperties(let what): "malformed activation properties: \(what)"
        case .malformedContext(let what): "malformed context: \(what)"
        case .activationFailed(let result): "the activation failed: \(result)"
        case .interfaceUnavailable(let iid, let result): "the object does not offer interface \(iid): \(result)"
        case .incompatibleVersion(let major, let minor): "the server speaks DCOM \(major).\(minor), not 5.x"
        case .noUsableBinding(let bindings): "none of the server's bindings can be used: \(bindings)"
        case .resolverFailed(let error): "the object resolver answered \(error)"
        case .remoteUnknownFailed(let result): "the remote unknown answered \(result)"
        case .released: "the object reference was released"
        }
    }
}
