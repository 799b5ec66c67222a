/// Signatures at fixed places, as util-linux's libblkid looks for them.
extension FileSystem {
    private struct Signature {
        var octets: [UInt8]
        var offset: Int

        init(_ text: String, at offset: Int) {
            self.init(Array(text.utf8), at: offset)
        }

        init(_ octets: [UInt8], at offset: Int) {
            self.octets = octets
            self.offset = offset
        }

        func isIn(_ volume: [UInt8]) -> Bool {
            volume.count >= offset + octets.count && volume[offset...].starts(with: octets)
        }
    }

    /// Those of file systems that are only named.
    static func signed(_ octets: [UInt8]) -> FileSystem? {
        signatures.first { $0.1.isIn(octets) }?.0
    }

    private static let signatures: [(FileSystem, Signature)] = [
        (.xfs, Signature("XFSB", at: 0)),
        (.btrfs, Signature("_BHRfS_M", at: 65600)),
        (.f2fs, Signature([0x10, 0x20, 0xF5, 0xF2], at: 1024)),
        (.jfs, Signature("JFS1", at: 32768)),
        (.reiserFS, Signature("ReIsErFs", at: 8192 + 52)),
        (.reiserFS, Signature("ReIsErFs", at: 65536 + 52)),
        (.reiserFS, Signature("ReIsEr2Fs", at: 65536 + 52)),
        (.reiserFS, Signature("ReIsEr3Fs", at: 65536 + 52)),
        (.gfs2, Signature([0x01, 0x16, 0x19, 0x70, 0, 0, 0, 1], at: 65536)),
        (.ocfs2, Signature("OCFSV2", at: 1024)),
        (.ocfs2, Signature("OCFSV2", at: 2048)),
        (.ocfs2, Signature("OCFSV2", at: 4096)),
        (.ocfs2, Signature("OCFSV2", at: 8192)),
        // With its version, for two letters are not enough.
        (.hfsPlus, Signature([0x48, 0x2B, 0, 4], at: 1024)),
        (.hfsPlus, Signature([0x48, 0x58, 0, 5], at: 1024)),
        (.apfs, Signature("NXSB", at: 32)),
    ]

    /// Whether the volume is part of something else: a physical volume of LVM, an encrypted device, a member of a software
    /// RAID, swap space. [MS-CSVP] 3.2.4 has methods on files answer that there is no file system.
    static func isContainer(_ octets: [UInt8]) -> Bool {
        containers.contains { $0.isIn(octets) }
    }

    private static let containers: [Signature] =
        (0..<4).map { Signature("LVM2 001", at: $0 * 512 + 24) } + [
            Signature(Array("LUKS".utf8) + [0xBA, 0xBE], at: 0),
            // Metadata 1.1 and 1.2; what 1.0 and 0.9 put at the end leaves the file system readable as it is.
            Signature([0xFC, 0x4E, 0x2B, 0xA9, 1, 0, 0, 0], at: 0),
            Signature([0xFC, 0x4E, 0x2B, 0xA9, 1, 0, 0, 0], at: 4096),
            Signature("SWAPSPACE2", at: 4096 - 10),
            Signature("SWAPSPACE2", at: 65536 - 10),
        ]
}
