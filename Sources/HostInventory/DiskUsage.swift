import Reservations

/// What a host does with its block devices: mounts, page files, arrays and volume groups, followed down to the disks.
struct DiskUsage: Sendable {
    private let files: HostFiles
    /// What is done with a block device, by its name in sysfs, partitions and maps included.
    private var uses: [String: DiskAttachment.Roles] = [:]
    /// The adapters of the disks with the root file system.
    private var systemAdapters: Set<String> = []
    private let mounts: [Mount]
    /// The name in sysfs of each device number.
    private let names: [String: String]

    /// - Throws: ``HostInventoryError/unavailable(path:)`` where the mounts cannot be told: then every disk may be one of them.
    init(files: HostFiles) throws(HostInventoryError) {
        self.files = files
        mounts = try Mount.list(files)
        var names: [String: String] = [:]
        for name in files.names("/sys/class/block") {
            if let number = files.text("/sys/class/block/\(name)/dev") { names[number] = name }
        }
        self.names = names
        noteMounts()
        notePaging()
        noteKernelParameters()
        noteCrashDumps()
        noteHolders()
        let systems = uses.filter { $0.value.contains(.system) }.keys
        systemAdapters = Set(systems.compactMap { BlockNode(name: $0, files: files) }.flatMap(\.adapterFolders))
    }

    /// What the host does with a disk.
    func roles(of disk: BlockNode) -> DiskAttachment.Roles {
        var roles = uses[disk.name] ?? []
        if !systemAdapters.isDisjoint(with: disk.adapterFolders) { roles.insert(.systemBus) }
        return roles
    }

    // MARK: Sources

    private mutating func noteMounts() {
        var hasBootFolder = false
        for mount in mounts {
            var roles: DiskAttachment.Roles = .inUse
            switch mount.folder {
            case "/": roles = .system
            case "/boot", "/boot/efi", "/efi", "/boot/firmware":
                roles = .boot
                if mount.folder == "/boot" { hasBootFolder = true }
            default: break
            }
            for device in devices(of: mount) { note(roles, for: device) }
        }
        // Without a file system of its own `/boot` is a folder of the root file system.
        guard !hasBootFolder, let root = mounts.last(where: { $0.folder == "/" }) else { return }
        for device in devices(of: root) { note(.boot, for: device) }
    }

    private mutating func notePaging() {
        // Filename, type, size, used, priority behind a line of headings.
        for line in (files.text("/proc/swaps") ?? "").split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard fields.count >= 2 else { continue }
            let path = Mount.unescaped(fields[0])
            let found = fields[1] == "file" ? devices(holding: path) : device(path).map { [$0] } ?? []
            for device in found { note(.pagefile, for: device) }
        }
    }

    private mutating func noteKernelParameters() {
        for parameter in (files.text("/proc/cmdline") ?? "").split(separator: " ") {
            let parts = parameter.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let device = device(specification: String(parts[1])) else { continue }
            if parts[0] == "root" { note(.system, for: device) }
            if parts[0] == "resume" { note(.hibernation, for: device) }
        }
        if let number = files.text("/sys/power/resume"), let name = names[number] { note(.hibernation, for: name) }
    }

    /// Where a crash kernel that is loaded would write: the folder or device that kdump's settings name, or `/var/crash`.
    private mutating func noteCrashDumps() {
        guard files.text("/sys/kernel/kexec_crash_loaded") == "1" else { return }
        var folder = "/var/crash"
        var found: [String] = []
        for line in (files.text("/etc/kdump.conf") ?? "").split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            guard words.count >= 2 else { continue }
            if words[0] == "path" { folder = String(words[1]) }
            if ["raw", "ext4", "ext3", "xfs", "btrfs", "minix"].contains(words[0]) {
                found += device(specification: String(words[1])).map { [$0] } ?? []
            }
        }
        for line in (files.text("/etc/default/kdump-tools") ?? "").split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0] == "KDUMP_COREDIR" else { continue }
            folder = parts[1].filter { $0 != "\"" && $0 != "'" }
        }
        for device in found.isEmpty ? devices(holding: folder) : found { note(.crashDump, for: device) }
    }

    /// Disks and partitions that arrays, volume groups and other maps are made of, whether those are used or not.
    private mutating func noteHolders() {
        for name in files.names("/sys/class/block") {
            guard let node = BlockNode(name: name, files: files) else { continue }
            for holder in node.holders.compactMap({ BlockNode(name: $0, files: files) }) {
                let identifier = files.text(holder.folder + "/dm/uuid") ?? ""
                // A map over the paths is the disk itself, and a map of its partitions is no use of them.
                if holder.kind == .multipathMap || identifier.hasPrefix("part") { continue }
                let isPool = holder.kind == .array || identifier.hasPrefix("LVM-") || holder.name.hasPrefix("bcache")
                note(isPool ? [.pooled, .inUse] : .inUse, for: name)
            }
        }
    }

    // MARK: From a device down to the disks

    /// Notes a use of a device and of everything below it: a partition's disk, the members of a map or an array.
    private mutating func note(_ roles: DiskAttachment.Roles, for name: String) {
        var pending = [name]
        var seen: Set<String> = []
        while let next = pending.popLast() {
            guard seen.insert(next).inserted else { continue }
            uses[next, default: []].formUnion(roles)
            guard let node = BlockNode(name: next, files: files) else { continue }
            if let disk = node.wholeDisk { pending.append(disk) }
            pending += node.members
        }
    }

    /// The devices a file system lives on.
    private func devices(of mount: Mount) -> [String] {
        if let name = names[mount.number] { return [name] }
        // File systems over several devices have a number of their own, and name one of the devices or all of them.
        let named = mount.source.split(separator: ":").compactMap { device(String($0)) }
        guard mount.type == "btrfs" else { return named }
        let pools = files.names("/sys/fs/btrfs").map { files.names("/sys/fs/btrfs/\($0)/devices") }
        return named + pools.filter { !Set($0).isDisjoint(with: named) }.flatMap { $0 }
    }

    /// The devices of the file system a path lies in.
    private func devices(holding path: String) -> [String] {
        let mount = mounts.filter { mount in
            mount.folder == "/" || path == mount.folder || path.hasPrefix(mount.folder + "/")
        }.max { $0.folder.count < $1.folder.count }
        return mount.map(devices) ?? []
    }

    /// The name in sysfs of a device file.
    private func device(_ path: String) -> String? {
        guard let name = BlockNode.name(ofDevice: files.resolved(path) ?? path) else { return nil }
        return BlockNode(name: name, files: files) == nil ? nil : name
    }

    /// The device of `/dev/sda1`, `UUID=…`, `LABEL=…`, `PARTUUID=…`, `PARTLABEL=…` or a device number.
    private func device(specification: String) -> String? {
        let parts = specification.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else { return names[specification] ?? device(specification) }
        let value = parts[1].filter { $0 != "\"" }
        switch parts[0] {
        case "UUID", "LABEL", "PARTUUID", "PARTLABEL":
            return device("/dev/disk/by-\(parts[0].lowercased())/\(value)")
        default: return nil
        }
    }
}

/// One line of `/proc/self/mountinfo` (proc(5)).
struct Mount: Sendable, Hashable {
    /// The file system's device number, `MAJOR:MINOR`.
    var number: String
    /// Where it is mounted.
    var folder: String
    /// The file system's type.
    var type: String
    /// What was mounted.
    var source: String

    private static let path = "/proc/self/mountinfo"

    /// Every mount; a line that cannot be read is left out.
    static func list(_ files: HostFiles) throws(HostInventoryError) -> [Mount] {
        // A host of many containers has megabytes of them.
        guard let text = files.text(path, limit: 64 << 20) else { throw .unavailable(path: files.root + path) }
        return text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            // Optional fields end with a hyphen.
            guard let separator = fields.firstIndex(of: "-"), separator >= 6, fields.count >= separator + 3 else {
                return nil
            }
            return Mount(
                number: String(fields[2]), folder: unescaped(fields[4]), type: String(fields[separator + 1]),
                source: unescaped(fields[separator + 2]))
        }
    }

    /// Spaces, tabs, line ends and backslashes stand as three octal digits behind a backslash.
    static func unescaped(_ text: Substring) -> String {
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.first {
            let digits = rest.dropFirst().prefix(3)
            if octet == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                octets.append(value)
                rest = rest.dropFirst(4)
            } else {
                octets.append(octet)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
