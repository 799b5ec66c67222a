import ErrorCodes
import Testing

@testable import Validation

/// What reports say of results.
@Suite struct ResultWordsTests {
    @Test(arguments: [
        (UInt32(0), "S_OK: done"), (1, "S_FALSE: done, and the answer is no"),
        (0x8007_00AA, "ERROR_BUSY: somebody else holds the disk"),
        (0x8007_139F, "ERROR_INVALID_STATE: the disk's state does not allow this call"),
        // No method of the protocol returns it, but it has a name.
        (0x8007_0006, "ERROR_INVALID_HANDLE"),
    ])
    func knownResults(code: UInt32, words: String) {
        #expect(HRESULT(rawValue: code).words == words)
    }

    @Test func aCodeThatNobodyKnows() {
        #expect(HRESULT(rawValue: 0x8765_4321).words == nil)
    }
}
