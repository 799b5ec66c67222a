import ErrorCodes
import Testing

@Suite struct ErrorCodesTests {
    /// The codes of [MS-CSVP] 3.2.4's return tables, number beside name.
    @Test(
        arguments: [
            (Win32Error.fileNotFound, 0x8007_0002, "ERROR_FILE_NOT_FOUND"),
            (.readFault, 0x8007_001E, "ERROR_READ_FAULT"),
            (.writeFault, 0x8007_001D, "ERROR_WRITE_FAULT"),
            (.busy, 0x8007_00AA, "ERROR_BUSY"),
            (.writeProtect, 0x8007_0013, "ERROR_WRITE_PROTECT"),
            (.unrecognizedVolume, 0x8007_03ED, "ERROR_UNRECOGNIZED_VOLUME"),
            (.notFound, 0x8007_0490, "ERROR_NOT_FOUND"),
            (.invalidServerState, 0x8007_0548, "ERROR_INVALID_SERVER_STATE"),
            (.invalidState, 0x8007_139F, "ERROR_INVALID_STATE"),
        ] as [(Win32Error, UInt32, String)])
    func win32CodesBecomeTheHRESULTsOfTheReturnTables(error: Win32Error, expected: UInt32, name: String) {
        #expect(error.hresult.rawValue == expected)
        #expect(error.name == name)
        #expect(error.hresult.name == name)
        #expect(error.hresult.win32 == error)
        #expect(error.hresult.isFailure)
    }

    /// HRESULT_FROM_WIN32 leaves success and failing HRESULTs alone ([MS-ERREF] 2.1.2).
    @Test func conversionKeepsWhatIsNoWin32Code() {
        #expect(HRESULT(win32: .success) == .ok)
        #expect(HRESULT(win32: Win32Error(rawValue: 0x8000_4001)) == .notImplemented)
        #expect(!HRESULT.ok.isFailure && !HRESULT.false.isFailure)
    }

    @Test func everyNamedConstantHasItsNameInTheTable() {
        let named: [(HRESULT, String)] = [
            (.ok, "S_OK"), (.notImplemented, "E_NOTIMPL"), (.noInterface, "E_NOINTERFACE"),
            (.unexpected, "E_UNEXPECTED"), (.disconnected, "RPC_E_DISCONNECTED"),
            (.versionMismatch, "RPC_E_VERSION_MISMATCH"), (.invalidIPID, "RPC_E_INVALID_IPID"),
            (.invalidObject, "RPC_E_INVALID_OBJECT"), (.classNotRegistered, "REGDB_E_CLASSNOTREG"),
            (.noAggregation, "CLASS_E_NOAGGREGATION"), (.notAllInterfaces, "CO_S_NOTALLINTERFACES"),
        ]
        for (code, name) in named {
            #expect(code.name == name)
        }
        #expect(NTStatus(rawValue: 0xC000_006D).name == "STATUS_LOGON_FAILURE")
        #expect(Win32Error(rawValue: 0xFFFF_FFFF).name == nil)
        #expect(HRESULT.invalidState.description == "0x8007139F ERROR_INVALID_STATE")
    }
}

extension HRESULT {
    fileprivate static let invalidState = Win32Error.invalidState.hresult
}
