import Glibc

/// Why a disk image could not be made.
public enum DiskImageError: Error, CustomStringConvertible {
    /// Something has the name already; it was left alone.
    case exists(String)
    /// Neither 512 nor 4096.
    case unsupportedBlockSize(Int)
    /// Smaller than ``DiskImage/minimumSize``, or larger than the table can describe.
    case unsupportedSize(UInt64)
    /// Only NTFS can be made.
    case unsupportedFileSystem(FileSystem)
    /// A program is not installed; the second string says which Debian package has it.
    case toolMissing(String, package: String)
    /// A program failed; this is what it printed.
    case toolFailed(String, status: Int32, output: String)
    /// A call of the operating system failed, with its errno.
    case system(String, Int32)

    /// One line for people.
    public var description: String {
        switch self {
        case .exists(let path): "\(path) exists already"
        case .unsupportedBlockSize(let size): "blocks of \(size) octets are not supported, only 512 and 4096"
        case .unsupportedSize(let size): "an image of \(size) octets is not possible"
        case .unsupportedFileSystem(let system): "\(system.name) cannot be made, only NTFS"
        case .toolMissing(let tool, let package): "\(tool) is not installed: apt-get install \(package)"
        case .toolFailed(let tool, let status, let output): "\(tool) failed with status \(status): \(output)"
        case .system(let operation, let error): "\(operation): \(String(cString: strerror(error)))"
        }
    }
}
