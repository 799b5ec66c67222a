import ErrorCodes
import NDR

/// What an activation returns, whichever of the three methods was called ([MS-DCOM] 3.1.2.5.2.3).
struct ActivationReply: Equatable {
    /// The exporter of the object: all that a client needs to call it.
    struct Exporter: Equatable {
        var oxid: UInt64
        var bindings: DualStringArray
        var remoteUnknown: GUID
        /// The least authentication level at which the exporter can be called (RPC_C_AUTHN_LEVEL).
        var authenticationHint: UInt32
        var version: COMVERSION
    }

    /// One interface that was asked for.
    struct Interface: Equatable {
        var iid: GUID
        var result: HRESULT
        /// The reference; nil where `result` is a failure.
        var reference: MInterfacePointer?
    }

    var exporter: Exporter
    var interfaces: [Interface]
}

// MARK: - IRemoteSCMActivator

extension ActivationReply {
    /// The properties, PropsOutInfo before ScmReplyInfoData: clients read them by their position.
    func blob() throws(NDRError) -> ActivationBlob {
        var blob = ActivationBlob()
        try blob.append(
            PropsOutInfo(
                cIfs: UInt32(clamping: interfaces.count), piid: interfaces.map(\.iid),
                phresults: interfaces.map(\.result), ppIntfData: interfaces.map(\.reference)),
            as: DCOMIdentifier.propsOutInfo)
        try blob.append(
            ScmReplyInfoData(
                remoteReply: customREMOTE_REPLY_SCM_INFO(
                    Oxid: exporter.oxid, pdsaOxidBindings: exporter.bindings.idl,
                    ipidRemUnknown: exporter.remoteUnknown, authnHint: exporter.authenticationHint,
                    serverVersion: exporter.version)),
            as: DCOMIdentifier.scmReplyInfo)
        return blob
    }

    /// From the properties that a server returned, in any order.
    init(_ blob: ActivationBlob) throws(DCOMError) {
        guard let out = try blob.decode(PropsOutInfo.self, DCOMIdentifier.propsOutInfo), let iids = out.piid,
            let results = out.phresults, let references = out.ppIntfData
        else { throw .malformedActivationProperties("PropsOutInfo is missing") }
        guard let scm = try blob.decode(ScmReplyInfoData.self, DCOMIdentifier.scmReplyInfo),
            let reply = scm.remoteReply, let bindings = reply.pdsaOxidBindings
        else { throw .malformedActivationProperties("ScmReplyInfoData is missing") }
        exporter = Exporter(
            oxid: reply.Oxid, bindings: try DualStringArray(bindings), remoteUnknown: reply.ipidRemUnknown,
            authenticationHint: reply.authnHint, version: reply.serverVersion)
        interfaces = zip(zip(iids, results), references).map {
            Interface(iid: $0.0, result: $0.1, reference: $1)
        }
    }
}

// MARK: - IActivation

extension ActivationReply {
    /// The results of RemoteActivation.
    var remoteActivation: IActivation.RemoteActivation.Response {
        IActivation.RemoteActivation.Response(
            pOxid: exporter.oxid, ppdsaOxidBindings: exporter.bindings.idl, pipidRemUnknown: exporter.remoteUnknown,
            pAuthnHint: exporter.authenticationHint, pServerVersion: exporter.version, phr: .ok,
            ppInterfaceData: interfaces.map(\.reference), pResults: interfaces.map(\.result))
    }

    /// From the results of RemoteActivation, whose `phr` has been looked at.
    init(_ response: IActivation.RemoteActivation.Response, iids: [GUID]) throws(DCOMError) {
        guard let bindings = response.ppdsaOxidBindings else { throw .malformedBindings("there are none") }
        exporter = Exporter(
            oxid: response.pOxid, bindings: try DualStringArray(bindings), remoteUnknown: response.pipidRemUnknown,
            authenticationHint: response.pAuthnHint, version: response.pServerVersion)
        interfaces = zip(zip(iids, response.pResults), response.ppInterfaceData).map {
            Interface(iid: $0.0, result: $0.1, reference: $1)
        }
    }
}
