import NDR
import Volumes

/// What the protocol does with a volume.
struct VolumeFiles: Sendable {
    private let volume: Volume

    init(_ volume: Volume) {
        self.volume = volume
    }

    /// "NTFS", "FAT" …, or "RAW" where nothing is recognised ([MS-CSVP] 3.2.4.27).
    var fileSystemName: String {
        volume.fileSystemName ?? "RAW"
    }

    func write(_ path: WideString, _ octets: [UInt8]) throws {
        try volume.writeFile(path: VolumePath(utf16: path.units), data: octets)
    }

    func verify(_ path: WideString, _ octets: [UInt8]) throws {
        try volume.verifyFile(path: VolumePath(utf16: path.units), data: octets)
    }

    func delete(_ path: WideString) throws {
        try volume.deleteFile(path: VolumePath(utf16: path.units))
    }
}
