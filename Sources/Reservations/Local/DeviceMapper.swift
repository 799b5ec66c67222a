import CLinuxStorage
import Glibc

/// The kernel's device mapper.
public enum DeviceMapper {
    /// A target type, such as `multipath`.
    public struct Target: Sendable, Hashable {
        /// The name.
        public var name: String
        /// The version: major, minor and patch level.
        public var version: [UInt32]

        /// A target type of this version.
        public init(name: String, version: [UInt32]) {
            self.name = name
            self.version = version
        }
    }

    /// The target types the kernel has at present.
    ///
    /// - Throws: ``FileError`` where the device mapper is not there, or not for this user.
    public static func targets() throws(FileError) -> [Target] {
        final class List { var targets: [Target] = [] }
        let file = try OpenFile("/dev/mapper/control", flags: O_RDWR)
        let list = List()
        let result = withExtendedLifetime(list) {
            cls_list_dm_targets(file.descriptor, Unmanaged.passUnretained(list).toOpaque()) {
                context, name, major, minor, patch in
                guard let context, let name else { return }
                Unmanaged<List>.fromOpaque(context).takeUnretainedValue().targets
                    .append(Target(name: String(cString: name), version: [major, minor, patch]))
            }
        }
        guard result >= 0 else { throw FileError("DM_LIST_VERSIONS", file.path, -result) }
        return list.targets
    }
}
