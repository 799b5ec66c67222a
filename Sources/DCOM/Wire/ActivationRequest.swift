import NDR

/// What a client asks of an activation, whichever of the three methods it calls ([MS-DCOM] 3.1.2.5.2.3).
struct ActivationRequest: Equatable {
    /// Which object of the class is wanted.
    enum Target: Equatable {
        case instance
        case classObject
    }

    /// The class.
    var clsid: GUID
    /// The interfaces, in the client's order.
    var iids: [GUID]
    var target: Target = .instance
    /// The protocols that the client can use; an empty list stands for any.
    var protocolSequences: [UInt16] = [DCOMConstant.tcp]
    /// Whether the object is to be initialized from a file or a storage.
    var isPersistent = false
    /// Whether the server must be a 32-bit process.
    var needs32Bit = false
    /// The logon session in which the object is to run; nil for any.
    var session: Session?

    enum Session: Equatable {
        case console
        case number(UInt32)
    }
}

// MARK: - IRemoteSCMActivator

extension ActivationRequest {
    /// From the properties that RemoteGetClassObject and RemoteCreateInstance take.
    init(_ blob: ActivationBlob, target: Target) throws(DCOMError) {
        guard let instantiation = try blob.decode(InstantiationInfoData.self, DCOMIdentifier.instantiationInfo) else {
            throw .malformedActivationProperties("InstantiationInfoData is missing")
        }
        guard let scm = try blob.decode(ScmRequestInfoData.self, DCOMIdentifier.scmRequestInfo),
            let request = scm.remoteRequest
        else { throw .malformedActivationProperties("ScmRequestInfoData is missing") }
        // LocationInfoData has to be there and is ignored (2.2.22.2.6), so its absence is ignored as well.
        self.init(
            clsid: instantiation.classId, iids: instantiation.pIID ?? [], target: target,
            protocolSequences: request.pRequestedProtseqs ?? [])
        needs32Bit = instantiation.actvflags & DCOMConstant.activate32BitServer != 0
        if let instance = try blob.decode(InstanceInfoData.self, DCOMIdentifier.instanceInfo) {
            try setInitialState(file: instance.fileName, storage: instance.ifdStg)
        }
        if let context = try blob.decode(ActivationContextInfoData.self, DCOMIdentifier.activationContextInfo) {
            for pointer in [context.pIFDClientCtx, context.pIFDPrototypeCtx] {
                if let pointer { try ContextData.check(pointer) }
            }
        }
        if let special = blob.properties.first(where: { $0.clsid == DCOMIdentifier.specialSystemProperties }) {
            session = try Self.session(special.octets)
        }
    }

    /// What an object is to be initialized from. A class object is not an object of the class: it has no initial state, and what
    /// is said of one is passed over.
    ///
    /// - Throws: ``DCOMError`` if the storage is not a reference at all; which kind it is matters to nobody here.
    private mutating func setInitialState(file: WideString?, storage: MInterfacePointer?) throws(DCOMError) {
        if let storage { _ = try OBJREF(storage) }
        isPersistent = target == .instance && (file != nil || storage != nil)
    }

    /// The structure has two definitions, and a server must take both (2.2.22.2.2); what we need of them is the same.
    private static func session(_ octets: [UInt8]) throws(DCOMError) -> Session? {
        let flags: UInt32
        let number: UInt32
        do {
            let data = try ActivationBlob.decode(SpecialPropertiesData.self, octets)
            (flags, number) = (data.dwFlags, data.dwSessionId)
        } catch {
            let data = try ActivationBlob.decode(SpecialPropertiesData_Alternate.self, octets)
            (flags, number) = (data.dwFlags, data.dwSessionId)
        }
        if flags & DCOMConstant.useConsoleSession != 0 { return .console }
        return number == DCOMConstant.anySession ? nil : .number(number)
    }

    /// The properties for RemoteGetClassObject and RemoteCreateInstance, in the order in which Windows sends them.
    func blob(version: COMVERSION) throws(NDRError) -> ActivationBlob {
        var blob = ActivationBlob()
        try blob.append(
            SpecialPropertiesData(
                dwSessionId: DCOMConstant.anySession, dwDefaultAuthnLvl: 6, dwOrigClsctx: 0x10, dwFlags: 0),
            as: DCOMIdentifier.specialSystemProperties)
        var instantiation = InstantiationInfoData(
            classId: clsid, classCtx: 0x10, cIID: UInt32(clamping: iids.count), pIID: iids, clientCOMVersion: version)
        instantiation.thisSize = UInt32(clamping: try NDRTypeSerialization.encode(instantiation).count)
        try blob.append(instantiation, as: DCOMIdentifier.instantiationInfo)
        try blob.append(
            ActivationContextInfoData(pIFDClientCtx: ContextData(id: .random()).reference.interfacePointer),
            as: DCOMIdentifier.activationContextInfo)
        try blob.append(SecurityInfoData(), as: DCOMIdentifier.securityInfo)
        try blob.append(LocationInfoData(), as: DCOMIdentifier.serverLocationInfo)
        try blob.append(
            ScmRequestInfoData(
                remoteRequest: customREMOTE_REQUEST_SCM_INFO(
                    ClientImpLevel: 2, cRequestedProtseqs: UInt16(clamping: protocolSequences.count),
                    pRequestedProtseqs: protocolSequences)),
            as: DCOMIdentifier.scmRequestInfo)
        return blob
    }
}

// MARK: - IActivation

extension ActivationRequest {
    /// From the parameters of RemoteActivation.
    init(_ request: IActivation.RemoteActivation.Request) throws(DCOMError) {
        self.init(
            clsid: request.Clsid, iids: request.pIIDs ?? [],
            target: request.Mode == DCOMConstant.classObjectMode ? .classObject : .instance,
            protocolSequences: request.aRequestedProtseqs)
        try setInitialState(file: request.pwszObjectName, storage: request.pObjectStorage)
    }

    /// The parameters for RemoteActivation.
    func remoteActivation(_ orpc: ORPCTHIS) -> IActivation.RemoteActivation.Request {
        IActivation.RemoteActivation.Request(
            ORPCthis: orpc, Clsid: clsid, ClientImpLevel: 2,
            Mode: target == .classObject ? DCOMConstant.classObjectMode : 0, Interfaces: UInt32(clamping: iids.count),
            pIIDs: iids, cRequestedProtseqs: UInt16(clamping: protocolSequences.count),
            aRequestedProtseqs: protocolSequences)
    }
}
