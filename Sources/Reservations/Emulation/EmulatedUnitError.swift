import ErrorCodes

/// Why an image cannot serve as a disk.
public enum EmulatedUnitError: Error, Sendable, Hashable {
    /// There is no such file, or there is none any more.
    case imageMissing(path: String)
    /// A folder, a pipe, a device: not a regular file.
    case notARegularFile(path: String)
    /// The image could not be opened or read.
    case imageUnreadable(FileError)
    /// The image is in a container format of another program, which is not the disk's own contents.
    case foreignImage(path: String, format: String)
    /// The image is empty, or its length is not a whole number of blocks.
    case truncatedImage(path: String, octets: UInt64, blockSize: Int)
    /// The image's length is not the one it had when it became a disk.
    case imageResized(path: String, recorded: UInt64, actual: UInt64)
    /// Another file took the image's place while it was in use.
    case imageReplaced(path: String)
    /// The block size asked for is not the one the disk was made with.
    case blockSizeChanged(path: String, recorded: Int, requested: Int)
    /// A block size that is no power of two from 512 to 65536.
    case invalidBlockSize(Int)
    /// A limit of space for a unit that has all of its space.
    case notThinProvisioned(path: String)
    /// A target port the unit does not have.
    case invalidTargetPort(UInt16)
    /// The reservation state beside the image is damaged. It is left as it is: whoever holds the disk must not lose it
    /// because a file was repaired by guessing. An operator who knows that no node uses the disk removes the file.
    case stateCorrupted(path: String, reason: String)
    /// The reservation state was written by a later version.
    case stateVersion(path: String, version: UInt32)
    /// The reservation state could not be read or written.
    case stateUnavailable(FileError)
    /// The file was removed or replaced while it was in use.
    case stateReplaced(path: String)
}

extension EmulatedUnitError: HRESULTConvertible {
    /// The nearest Win32 code.
    public var hresult: HRESULT {
        switch self {
        case .imageMissing: Win32Error.fileNotFound.hresult
        case .notARegularFile, .foreignImage: Win32Error(rawValue: 1785).hresult  // ERROR_UNRECOGNIZED_MEDIA
        case .imageUnreadable(let error), .stateUnavailable(let error): error.hresult
        case .truncatedImage, .imageResized: Win32Error.diskCorrupt.hresult
        case .stateCorrupted, .stateReplaced, .imageReplaced: Win32Error.fileCorrupt.hresult
        case .stateVersion: Win32Error(rawValue: 1306).hresult  // ERROR_REVISION_MISMATCH
        case .blockSizeChanged, .invalidBlockSize, .invalidTargetPort, .notThinProvisioned:
            Win32Error.invalidParameter.hresult
        }
    }
}

extension EmulatedUnitError: CustomStringConvertible {
    /// What is the matter, and what to do where that is known.
    public var description: String {
        switch self {
        case .imageMissing(let path): "\(path): no such disk image"
        case .notARegularFile(let path): "\(path): not a regular file"
        case .imageUnreadable(let error), .stateUnavailable(let error): "\(error)"
        case .foreignImage(let path, let format):
            "\(path): a \(format) image; convert it to a raw one first"
        case .truncatedImage(let path, let octets, let blockSize):
            "\(path): \(octets) octets are not a whole number of blocks of \(blockSize)"
        case .imageResized(let path, let recorded, let actual):
            "\(path): \(actual) octets long, but \(recorded) when it became a disk"
        case .blockSizeChanged(let path, let recorded, let requested):
            "\(path): has blocks of \(recorded) octets, not \(requested)"
        case .invalidBlockSize(let size): "\(size) is not a block size (a power of two from 512 to 65536)"
        case .notThinProvisioned(let path):
            "\(path): was not sparse when it became a disk, so its space has no limit to set"
        case .invalidTargetPort(let port): "the unit has no target port \(port)"
        case .stateCorrupted(let path, let reason):
            "\(path): the reservation state is damaged (\(reason)); remove the file once no node uses the disk"
        case .stateVersion(let path, let version): "\(path): written by a later version (format \(version))"
        case .stateReplaced(let path): "\(path): removed or replaced while in use"
        case .imageReplaced(let path): "\(path): replaced while in use"
        }
    }
}
