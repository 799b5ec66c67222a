import Reservations

/// The modules of a Linux host that join several paths to a disk into one device.
public struct MultipathModules: Sendable {
    private let files: HostFiles
    private let targets: @Sendable () throws -> [DeviceMapper.Target]

    /// The modules of this host, or of one that a test has made.
    ///
    /// - Parameters:
    ///   - root: the folder that stands for `/`.
    ///   - targets: the target types of the device mapper.
    public init(
        root: String = "/", targets: @escaping @Sendable () throws -> [DeviceMapper.Target] = DeviceMapper.targets
    ) {
        files = HostFiles(root: root)
        self.targets = targets
    }

    /// The modules that are there: dm-multipath and the native multipath of NVM Express, as loaded at present. Most hosts
    /// with one path to each disk have neither.
    ///
    /// The version of dm-multipath is that of its target type, where the device mapper can be asked; otherwise it is the kernel's
    /// release, of which both modules are parts.
    public func list() -> [DeviceSpecificModule] {
        var modules: [DeviceSpecificModule] = []
        let target = (try? targets())?.first { $0.name == "multipath" }
        if target != nil || files.exists("/sys/module/dm_multipath") {
            modules.append(module("dm-multipath", version: target?.version ?? kernelRelease))
        }
        if files.text("/sys/module/nvme_core/parameters/multipath") == "Y" {
            let version = files.text("/sys/module/nvme_core/version").map(Self.numbers) ?? kernelRelease
            modules.append(module("nvme-multipath", version: version))
        }
        return modules
    }

    private func module(_ name: String, version: [UInt32]) -> DeviceSpecificModule {
        DeviceSpecificModule(
            name: name, majorVersion: version.first ?? 0, minorVersion: version.dropFirst().first ?? 0,
            build: version.dropFirst(2).first ?? 0)
    }

    private var kernelRelease: [UInt32] {
        Self.numbers(files.text("/proc/sys/kernel/osrelease") ?? "")
    }

    /// The numbers at the start of a version: 6, 1 and 0 of `6.1.0-13-amd64`.
    static func numbers(_ text: String) -> [UInt32] {
        text.prefix { $0.isNumber || $0 == "." }.split(separator: ".").compactMap { UInt32($0) }
    }
}
