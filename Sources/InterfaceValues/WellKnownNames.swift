import NDR

/// Identifiers that no declaration in the IDL files names.
enum WellKnownNames {
    /// [MS-DCOM] 1.9, "Standards Assignments".
    static let identifiers: [GUID: String] = [
        "000001a2-0000-0000-c000-000000000046": "IID_IActivationPropertiesIn",
        "000001a3-0000-0000-c000-000000000046": "IID_IActivationPropertiesOut",
        "000001c0-0000-0000-c000-000000000046": "IID_IContext",
        "0000033b-0000-0000-c000-000000000046": "CLSID_ContextMarshaler",
        "00000338-0000-0000-c000-000000000046": "CLSID_ActivationPropertiesIn",
        "00000339-0000-0000-c000-000000000046": "CLSID_ActivationPropertiesOut",
        "0000031c-0000-0000-c000-000000000046": "CLSID_ERROR_EXTENSION",
        "0000031b-0000-0000-c000-000000000046": "CLSID_ErrorObject",
        "8a885d04-1ceb-11c9-9fe8-08002b104860": "NDR",
        "71710533-beba-4937-8319-b5dbef9ccc36": "NDR64",
    ]

    /// The structures of activation properties by their class ([MS-DCOM] 2.2.22.2); the one of two definitions comes twice.
    static let activationProperties: [GUID: [String]] = [
        "000001ab-0000-0000-c000-000000000046": ["InstantiationInfoData"],
        "000001b9-0000-0000-c000-000000000046": ["SpecialPropertiesData", "SpecialPropertiesData_Alternate"],
        "000001ad-0000-0000-c000-000000000046": ["InstanceInfoData"],
        "000001aa-0000-0000-c000-000000000046": ["ScmRequestInfoData"],
        "000001a5-0000-0000-c000-000000000046": ["ActivationContextInfoData"],
        "000001a4-0000-0000-c000-000000000046": ["LocationInfoData"],
        "000001a6-0000-0000-c000-000000000046": ["SecurityInfoData"],
        "000001b6-0000-0000-c000-000000000046": ["ScmReplyInfoData"],
        "00000339-0000-0000-c000-000000000046": ["PropsOutInfo"],
    ]

    /// CLSID_ActivationPropertiesIn and CLSID_ActivationPropertiesOut, whose OBJREF_CUSTOM holds activation properties.
    static let activationMarshalers: Set<GUID> = [
        "00000338-0000-0000-c000-000000000046", "00000339-0000-0000-c000-000000000046",
    ]
}
