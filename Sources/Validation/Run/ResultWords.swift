import ErrorCodes

extension HRESULT {
    /// What a result means to whoever reads a report, in a few words behind the code's name: "ERROR_BUSY: somebody else holds the
    /// disk". The name alone for a code that the methods of [MS-CSVP] do not return; nil for one that has no name.
    var words: String? {
        if self == .ok { return "S_OK: done" }
        if rawValue == 1 { return "S_FALSE: done, and the answer is no" }
        guard let name else { return Self.meanings[rawValue] }
        return Self.meanings[rawValue].map { "\(name): \($0)" } ?? name
    }

    /// From the methods' return value tables ([MS-CSVP] 3.2.4 to 3.17.4), and what nodes return besides.
    private static let meanings: [UInt32: String] = [
        0x8000_4001: "the node does not have this method",
        0x8000_4002: "the node does not have this interface",
        0x8000_4005: "the node could not do it, and says no more",
        0x8000_FFFF: "the node did not expect this to happen",
        0x8004_0154: "the node does not have this class",
        0x8007_0002: "there is no such disk, file or setting",
        0x8007_0003: "there is no such path",
        0x8007_0005: "the user may not do this",
        0x8007_000D: "what came is not what it should be",
        0x8007_000E: "the node has no memory left for it",
        0x8007_0013: "the disk is write protected",
        0x8007_0015: "the disk is not ready",
        0x8007_0017: "the disk found its data damaged",
        0x8007_001D: "the disk could not be written",
        0x8007_001E: "the disk could not be read",
        0x8007_001F: "the disk does not do its work",
        0x8007_0022: "the disk is another one than before",
        0x8007_0032: "the node or the disk cannot do this",
        0x8007_0037: "the device is not there any more",
        0x8007_0057: "the node does not accept an argument",
        0x8007_0070: "the disk is full",
        0x8007_0079: "the device did not answer in time",
        0x8007_007A: "there is more than the caller has room for",
        0x8007_00AA: "somebody else holds the disk",
        0x8007_00EA: "there is more than was asked for",
        0x8007_0102: "nothing came in time",
        0x8007_03ED: "the volume has no file system that the node knows",
        0x8007_045D: "the disk answered with an input or output error",
        0x8007_0490: "the node does not have it",
        0x8007_04C7: "it was called off",
        0x8007_0548: "the node's state does not allow this call",
        0x8007_054F: "the node failed in its own workings",
        0x8007_0570: "the file is damaged",
        0x8007_0571: "the file system is damaged",
        0x8007_05B4: "it took too long",
        0x8007_06BA: "the node's service cannot be reached",
        0x8007_139F: "the disk's state does not allow this call",
    ]
}
