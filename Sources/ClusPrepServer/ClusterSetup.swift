import ClusterEngine
import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import Logging
import NDR
import Security

/// An activation of ClusterSetup: IClusterSetup ([MS-CSVP] 3.10). It has no state of its own; the cluster secret is the node's.
public final class ClusterSetup: COMObject, IClusterSetupServer {
    /// 04D55210-B6AC-4248-9E69-2A569D1D2AB6 ([MS-CSVP] 1.9).
    public static let clsid: GUID = "04d55210-b6ac-4248-9e69-2a569d1d2ab6"

    private let engine: ClusterEngine
    private let logger: Logger

    /// An object over the node's engine.
    public init(engine: ClusterEngine, logger: Logger) {
        self.engine = engine
        self.logger = logger
    }

    /// IClusterSetup.
    public func handlers(for iid: GUID) -> [RPCHandler?]? {
        iid == IClusterSetup.interface.syntax.uuid ? IClusterSetup.handlers(self) : nil
    }

    /// ConfigSvcSecret (3.10.4.1): the secret is on stable storage, sealed, before this answers.
    public func configSvcSecret(
        _ request: IClusterSetup.ConfigSvcSecret.Request, context: CallContext
    ) async throws -> IClusterSetup.ConfigSvcSecret.Response {
        let secret = try BSTRValue(request.SecretBLOB)
        return try await answering("ConfigSvcSecret") {
            try await engine.configureServiceSecret(secret.storedForm)
            return IClusterSetup.ConfigSvcSecret.Response(returnValue: .ok, for: request)
        }
    }

    /// RetrieveSvcSecret (3.10.4.2).
    public func retrieveSvcSecret(
        _ request: IClusterSetup.RetrieveSvcSecret.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveSvcSecret.Response {
        try await answering("RetrieveSvcSecret") {
            guard let stored = try await engine.serviceSecret() else { throw Win32Error.fileNotFound }
            var response = IClusterSetup.RetrieveSvcSecret.Response(returnValue: .ok, for: request)
            response.SecretBLOB = try BSTRValue(storedForm: stored).blob
            return response
        }
    }

    /// RetrieveHostLabel (3.10.4.3): the first part of the FQDN, as the parameter's text has it, not all of it.
    public func retrieveHostLabel(
        _ request: IClusterSetup.RetrieveHostLabel.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveHostLabel.Response {
        var response = IClusterSetup.RetrieveHostLabel.Response(returnValue: .ok, for: request)
        response.HostLabel = BSTRValue(engine.hostLabel).blob
        return response
    }

    /// "All methods MUST NOT throw exceptions" (3.10.4): what carries no code of its own becomes ERROR_INTERNAL_ERROR.
    private func answering<T: Sendable>(_ method: String, _ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as any HRESULTConvertible {
            logger.debug("\(method) answers \(error.hresult): \(error)")
            throw error
        } catch {
            logger.error("\(method) failed: \(error)")
            throw Win32Error.internalError
        }
    }
}

extension BSTRValue {
    /// The form in which the node keeps a secret: the protocol's model of it is a BSTR (3.10.1), so NULL stays NULL and the
    /// empty one stays empty. The presented BSTR: a length of four octets, little endian, 0xFFFFFFFF for NULL, then the octets.
    var storedForm: SecretBytes {
        switch self {
        case .null:
            return SecretBytes([0xFF, 0xFF, 0xFF, 0xFF])
        case .octets(let octets):
            return SecretBytes(withUnsafeBytes(of: UInt32(octets.count).littleEndian, Array.init) + octets)
        }
    }

    init(storedForm: SecretBytes) throws(Win32Error) {
        let octets = storedForm.bytes
        guard octets.count >= 4 else { throw .invalidData }
        let length = octets[..<4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        if length == 0xFFFF_FFFF, octets.count == 4 {
            self = .null
        } else if octets.count == 4 + Int(length) {
            self = .octets(Array(octets[4...]))
        } else {
            throw .invalidData
        }
    }
}
