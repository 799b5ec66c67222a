import ErrorCodes

/// Why a device of this host cannot serve as a disk.
public enum LocalDeviceError: Error, Sendable, Hashable {
    /// There is no such device.
    case missing(device: String)
    /// A file, a folder, a terminal: neither a block device nor a SCSI generic one.
    case notADisk(device: String)
    /// A partition: a cluster's disk is a whole one.
    case partition(device: String, disk: String)
    /// A path that dm-multipath already joins with others; commands have to go to the map.
    case pathOfMap(device: String, map: String)
    /// The device could not be opened.
    case cannotOpen(FileError)
}

extension LocalDeviceError: HRESULTConvertible {
    /// The nearest Win32 code.
    public var hresult: HRESULT {
        switch self {
        case .missing: Win32Error.fileNotFound.hresult
        case .notADisk, .partition, .pathOfMap: Win32Error.invalidParameter.hresult
        case .cannotOpen(let error): error.hresult
        }
    }
}

extension LocalDeviceError: CustomStringConvertible {
    /// What is the matter, and what to do.
    public var description: String {
        switch self {
        case .missing(let device): "\(device): no such device"
        case .notADisk(let device): "\(device): neither a disk nor a SCSI generic device"
        case .partition(let device, let disk): "\(device): a partition; name the whole disk, \(disk)"
        case .pathOfMap(let device, let map):
            "\(device): one of several paths that dm-multipath has joined; name the map, \(map)"
        case .cannotOpen(let error): "\(error); access to disks needs root or the group 'disk'"
        }
    }
}
