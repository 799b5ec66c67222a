import ErrorCodes
import Testing

@testable import Volumes

@Suite struct VolumePathTests {
    @Test(arguments: [
        "a", "\\a", "test.dat", "folder\\file", "\\a\\b\\c.txt", "ディスク\\ファイル.dat", "ÅÄÖ", "😀.bin", "con1", "COM10",
        "COM0",
        "xcon", ".hidden", "a..b", "a b", "$file", "CONSOLE.txt",
    ])
    func accepts(path: String) throws {
        #expect(try VolumePath(path).description == (path.hasPrefix("\\") ? String(path.dropFirst()) : path))
    }

    /// ERROR_INVALID_NAME for all of them.
    @Test(arguments: [
        "", "\\", "\\\\a", "a\\", "a\\\\b", ".", "..", "a\\..\\b", "..\\a", "a\\.", "a/b", "a?", "a*b", "a<", "a>",
        "a|b",
        "a\"b", "a\u{1}", "a\0", "a.", "a ", "folder.\\a", "CON", "con", "nul.txt", "a\\AUX", "Prn .x", "COM1",
        "lpt9.log",
        "COM¹", "C:", "C:\\a", "a:stream", "a::$DATA", "a\\b:c:$DATA", "CONIN$", "\\\\?\\C:\\a",
    ])
    func refuses(path: String) {
        let error = #expect(throws: VolumeError.self) { try VolumePath(path) }
        #expect(error?.hresult.rawValue == 0x8007_007B)
    }

    @Test func tellsStreamsFromDrives() {
        let stream = #expect(throws: VolumeError.self) { try VolumePath("file:stream") }
        #expect(stream?.description == "\"file:stream\" names an alternate stream")
        let drive = #expect(throws: VolumeError.self) { try VolumePath("c:\\file") }
        #expect(drive?.description == "\"c:\\\\file\" is not a path: it begins with a drive letter")
    }

    @Test func limits() throws {
        let name = String(repeating: "n", count: 255)
        #expect(try VolumePath(name).description == name)
        for long in [name + "n", "a\\" + name + "n"] {
            let error = #expect(throws: VolumeError.self) { try VolumePath(long) }
            #expect(error?.hresult.rawValue == 0x8007_00CE)
        }
        // 128 names of 255 units and their separators are 32767 units.
        let longest = Array(repeating: name, count: 128).joined(separator: "\\")
        #expect(longest.utf16.count == 32767)
        #expect(try VolumePath(longest).description == longest)
        let error = #expect(throws: VolumeError.self) { try VolumePath("\\" + longest) }
        #expect(error?.hresult.rawValue == 0x8007_00CE)
    }

    @Test func refusesWhatIsNotUnicode() throws {
        for units in [[0xD800], [0x61, 0xDC00], [0xDC00, 0xD800], [0xD83D, 0xDE00, 0xD83D]] as [[UInt16]] {
            let error = #expect(throws: VolumeError.self) { try VolumePath(utf16: units) }
            #expect(error?.hresult.rawValue == 0x8007_007B)
        }
        #expect(try VolumePath(utf16: [0xD83D, 0xDE00] as [UInt16]).description == "😀")
    }
}
