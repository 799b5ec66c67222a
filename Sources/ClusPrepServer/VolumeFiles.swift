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
        try checkFileSystem()
        try volume.writeFile(path: VolumePath(utf16: path.units), data: octets)
    }

    func verify(_ path: WideString, _ octets: [UInt8]) throws {
        try checkFileSystem()
        try volume.verifyFile(path: VolumePath(utf16: path.units), data: octets)
    }

    func delete(_ path: WideString) throws {
        try checkFileSystem()
        try volume.deleteFile(path: VolumePath(utf16: path.units))
    }

    /// "Verify that the volume contains a file system" comes before everything that can be wrong with the name (3.2.4.9 to
    /// 3.2.4.11).
    private func checkFileSystem() throws {
        if let failure = volume.mountFailure { throw failure }
    }
}
