import ErrorCodes
import NDR

/// The identifiers that [MS-DCOM] assigns (1.9, "Standards Assignments").
public enum DCOMIdentifier {
    /// IID_IUnknown.
    public static let unknown: GUID = "00000000-0000-0000-c000-000000000046"
    /// IID_IClassFactory.
    public static let classFactory: GUID = "00000001-0000-0000-c000-000000000046"
    /// IID_IRemUnknown.
    public static let remoteUnknown: GUID = "00000131-0000-0000-c000-000000000046"
    /// IID_IRemUnknown2.
    public static let remoteUnknown2: GUID = "00000143-0000-0000-c000-000000000046"
    /// IID_IContext.
    public static let context: GUID = "000001c0-0000-0000-c000-000000000046"
    /// CLSID_ContextMarshaler.
    public static let contextMarshaler: GUID = "0000033b-0000-0000-c000-000000000046"
    /// IID_IActivationPropertiesIn.
    public static let activationPropertiesIn: GUID = "000001a2-0000-0000-c000-000000000046"
    /// IID_IActivationPropertiesOut.
    public static let activationPropertiesOut: GUID = "000001a3-0000-0000-c000-000000000046"
    /// CLSID_ActivationPropertiesIn, the unmarshaler of the request's blob.
    public static let activationPropertiesInMarshaler: GUID = "00000338-0000-0000-c000-000000000046"
    /// CLSID_ActivationPropertiesOut, the unmarshaler of the reply's blob.
    public static let activationPropertiesOutMarshaler: GUID = "00000339-0000-0000-c000-000000000046"
    /// CLSID_InstantiationInfo: an ``InstantiationInfoData`` follows.
    public static let instantiationInfo: GUID = "000001ab-0000-0000-c000-000000000046"
    /// CLSID_SpecialSystemProperties: a ``SpecialPropertiesData`` follows, in either of its definitions.
    public static let specialSystemProperties: GUID = "000001b9-0000-0000-c000-000000000046"
    /// CLSID_InstanceInfo: an ``InstanceInfoData`` follows.
    public static let instanceInfo: GUID = "000001ad-0000-0000-c000-000000000046"
    /// CLSID_ScmRequestInfo: a ``ScmRequestInfoData`` follows.
    public static let scmRequestInfo: GUID = "000001aa-0000-0000-c000-000000000046"
    /// CLSID_ActivationContextInfo: an ``ActivationContextInfoData`` follows.
    public static let activationContextInfo: GUID = "000001a5-0000-0000-c000-000000000046"
    /// CLSID_ServerLocationInfo: a ``LocationInfoData`` follows.
    public static let serverLocationInfo: GUID = "000001a4-0000-0000-c000-000000000046"
    /// CLSID_SecurityInfo: a ``SecurityInfoData`` follows.
    public static let securityInfo: GUID = "000001a6-0000-0000-c000-000000000046"
    /// CLSID_ERROR_EXTENSION: an ORPC extension with an ``ErrorInformation``.
    public static let errorExtension: GUID = "0000031c-0000-0000-c000-000000000046"
    /// CLSID_ErrorObject, the unmarshaler of error information.
    public static let errorObject: GUID = "0000031b-0000-0000-c000-000000000046"
    /// IID_IErrorInfo (Windows' oaidl.h), for which error information is marshaled (note 15 of [MS-DCOM] 2.2.21.1).
    public static let errorInfo: GUID = "1cf2b120-547d-101b-8e65-08002b2bd119"
    /// CLSID_ScmReplyInfo: a ``ScmReplyInfoData`` follows.
    public static let scmReplyInfo: GUID = "000001b6-0000-0000-c000-000000000046"
    /// CLSID_PropsOutInfo: a ``PropsOutInfo`` follows.
    public static let propsOutInfo: GUID = "00000339-0000-0000-c000-000000000046"
}

/// Numbers of the protocol that have no place in the IDL.
enum DCOMConstant {
    /// The protocol identifier of ncacn_ip_tcp in a binding (C706 appendix I, table I-2).
    static let tcp: UInt16 = 0x07
    /// The mode of IActivation::RemoteActivation that asks for the class object (3.1.2.5.2.3.1).
    static let classObjectMode: UInt32 = 0xFFFF_FFFF
    /// How many public references a marshaled interface carries; 3.1.1.5.1 recommends five.
    static let initialReferences: UInt32 = 5
    /// SORF_NOPING: the client need not ping for the object (2.2.18.2).
    static let noPing: UInt32 = 0x0000_1000
    /// MSHCTX_DIFFERENTMACHINE, what Windows sends as a blob's `destCtx` (2.2.22.1).
    static let differentMachine: UInt32 = 2
    /// `dwSessionId` of a client that accepts any logon session (2.2.22.2.2).
    static let anySession: UInt32 = 0xFFFF_FFFF
    /// SPD_FLAG_USE_CONSOLE_SESSION (2.2.22.2.2).
    static let useConsoleSession: UInt32 = 0x1
    /// ACTVFLAGS_ACTIVATE_32_BIT_SERVER (2.2.22.2.1).
    static let activate32BitServer: UInt32 = 0x4
    /// Win32 RPC_X_BAD_STUB_DATA.
    static let badStubData = Win32Error(rawValue: 1783)
    /// Win32 RPC_S_PROTSEQ_NOT_SUPPORTED.
    static let protocolSequenceNotSupported = Win32Error(rawValue: 1703)
}

extension HRESULT {
    /// RPC_E_INVALID_OBJREF.
    public static let invalidObjectReference = HRESULT(rawValue: 0x8001_011D)
    /// CO_E_OBJNOTREG: RemAddRef for an IPID that is not there.
    public static let objectNotRegistered = HRESULT(rawValue: 0x8004_01FB)
    /// CO_E_RUNAS_LOGON_FAILURE: the logon session that an activation asked for cannot be had.
    public static let runAsLogonFailure = HRESULT(rawValue: 0x8000_401A)
}
