/// How a block device hangs on the host.
extension BlockNode {
    /// The parts of the folder, each with its own folder, the nearest to the device first.
    private var ancestors: [(name: Substring, folder: String)] {
        var ancestors: [(Substring, String)] = []
        var path = ""
        for part in folder.split(separator: "/") {
            path += "/" + part
            ancestors.append((part, path))
        }
        return ancestors.reversed()
    }

    private func ancestor(_ prefix: String) -> (name: Substring, folder: String)? {
        ancestors.first { $0.name.hasPrefix(prefix) && $0.name.dropFirst(prefix.count).first?.isNumber == true }
    }

    /// The number of the SCSI host, where the device is one of the SCSI layer.
    var scsiHost: String? {
        ancestor("host").map { String($0.name) }
    }

    /// The driver of the SCSI host by its own name.
    private var hostDriver: String? {
        scsiHost.flatMap { files.text("/sys/class/scsi_host/\($0)/proc_name") }.flatMap { $0 == "(null)" ? nil : $0 }
    }

    /// The bus the device is on.
    public var bus: DiskAttachment.Bus {
        switch kind {
        case .nvme: return .nvme
        case .array: return .raid
        case .loop: return .fileBackedVirtual
        case .deviceMapper, .memory: return .unknown
        case .multipathMap: return members.lazy.compactMap { BlockNode(name: $0, files: files)?.bus }.first ?? .unknown
        case .scsi, .removableDrive: return scsiBus
        case .other: break
        }
        if ancestor("mmc") != nil { return files.text(folder + "/device/type") == "SD" ? .sd : .mmc }
        let isVirtual = ancestor("virtio") != nil || ancestor("vbd-") != nil
        return isVirtual ? .virtual : .unknown
    }

    private var scsiBus: DiskAttachment.Bus {
        let driver = hostDriver ?? ""
        let host = scsiHost ?? ""
        if ancestor("usb") != nil { return .usb }
        if ancestor("fw") != nil { return .firewire }
        if ancestor("session") != nil { return .iSCSI }
        if ancestor("rport-") != nil || files.exists("/sys/class/fc_host/" + host) { return .fibreChannel }
        if ancestor("ata") != nil { return driver.hasPrefix("pata_") ? .ata : .sata }
        if ancestor("end_device-") != nil { return .sas }
        // The logical drives of these hang on no SAS port: what is behind the controller is its own business.
        if Self.arrayControllers.contains(where: driver.hasPrefix) { return .raid }
        return files.exists("/sys/class/sas_host/" + host) ? .sas : .scsi
    }

    private static let arrayControllers = [
        "megaraid", "hpsa", "smartpqi", "aacraid", "arcmsr", "3w-", "mpi3mr_raid", "cciss", "ips",
    ]

    /// The SCSI address; for an NVMe namespace the controller and the namespace before it, as Windows counts them.
    public var address: DiskAttachment.Address? {
        switch kind {
        case .scsi, .removableDrive:
            guard let device = files.resolved(folder + "/device")?.split(separator: "/").last else { return nil }
            let parts = device.split(separator: ":").compactMap { UInt64($0) }
            guard parts.count == 4 else { return nil }
            let octets = parts.map { UInt8(truncatingIfNeeded: $0) }
            return .init(port: octets[0], bus: octets[1], target: octets[2], unit: octets[3])
        case .nvme:
            let numbers = name.split(whereSeparator: { !$0.isNumber }).compactMap { UInt64($0) }
            guard numbers.count >= 2 else { return nil }
            let identifier = files.number(folder + "/nsid") ?? numbers[numbers.count - 1]
            return .init(
                port: UInt8(truncatingIfNeeded: numbers[0]), unit: UInt8(truncatingIfNeeded: identifier &- 1))
        case .multipathMap:
            return members.lazy.compactMap { BlockNode(name: $0, files: files)?.address }.first
        case .deviceMapper, .array, .loop, .memory, .other:
            return nil
        }
    }

    /// What to call the adapter: what its driver says of the board, else the driver and the PCI device.
    public var adapter: String {
        switch kind {
        case .multipathMap:
            return members.lazy.compactMap { BlockNode(name: $0, files: files)?.adapter }.first { !$0.isEmpty } ?? ""
        case .array: return "Linux software RAID (md)"
        case .deviceMapper: return "Linux device mapper"
        case .loop: return "Linux loop device"
        case .memory: return "Linux memory disk"
        case .nvme: return controllerDescription
        case .scsi, .removableDrive, .other: break
        }
        let driver = ancestors.lazy.compactMap { ancestor -> String? in
            // The drivers of the SCSI layer itself (sd, sr) tell nothing of the adapter.
            guard files.linkedName(ancestor.folder + "/subsystem") != "scsi" else { return nil }
            return files.linkedName(ancestor.folder + "/driver")
        }.first
        let name = hostDriver.flatMap { $0.isEmpty ? nil : $0 } ?? driver ?? ""
        if ancestor("session") != nil { return "iSCSI initiator (open-iscsi\(name.isEmpty ? "" : ", " + name))" }
        let board = scsiHost.flatMap { host in
            ["model_desc", "modeldesc", "board_name", "model_name"].lazy
                .compactMap { files.text("/sys/class/scsi_host/\(host)/\($0)") }.first { !$0.isEmpty }
        }
        if let board { return name.isEmpty ? board : "\(board) (\(name))" }
        guard let pci else { return name }
        return name.isEmpty ? "PCI \(pci)" : "\(name) (PCI \(pci))"
    }

    /// The numbers of the vendor and the device of the nearest PCI function, such as `1000:0097`.
    private var pci: String? {
        ancestors.lazy.compactMap { ancestor in
            guard files.linkedName(ancestor.folder + "/subsystem") == "pci",
                let vendor = files.text(ancestor.folder + "/vendor"),
                let device = files.text(ancestor.folder + "/device")
            else { return nil }
            return [vendor, device].map { $0.hasPrefix("0x") ? String($0.dropFirst(2)) : $0 }.joined(separator: ":")
        }.first
    }

    private var controllerDescription: String {
        let transport = controllers.lazy.compactMap { files.text("/sys/class/nvme/\($0)/transport") }.first ?? "pcie"
        let names = ["pcie": "PCI Express", "tcp": "TCP", "rdma": "RDMA", "fc": "Fibre Channel", "loop": "loop"]
        let what = "NVM Express over " + (names[transport] ?? transport)
        return model.isEmpty ? what : "\(model) (\(what))"
    }

    /// The folders of the adapters the device hangs on: the nearest PCI function, else the SCSI host; one for each path.
    public var adapterFolders: Set<String> {
        if kind == .multipathMap {
            return Set(members.flatMap { BlockNode(name: $0, files: files)?.adapterFolders ?? [] })
        }
        let starts = controllers.compactMap { files.resolved("/sys/class/nvme/" + $0) }
        return Set((starts.isEmpty ? [folder] : starts).compactMap(adapterFolder))
    }

    private func adapterFolder(above folder: String) -> String? {
        var path = ""
        var nearest: String?
        for part in folder.split(separator: "/") {
            path += "/" + part
            let isHost = part.hasPrefix("host") && part.dropFirst(4).allSatisfy(\.isNumber)
            let isPCI = files.linkedName(path + "/subsystem") == "pci"
            if isPCI || isHost && nearest == nil { nearest = path }
        }
        return nearest
    }

    /// The NVMe controllers that lead to the namespace.
    public var controllers: [String] {
        guard kind == .nvme, let device = files.resolved(folder + "/device") else { return [] }
        if files.linkedName(folder + "/device/subsystem") == "nvme" {
            return device.split(separator: "/").last.map { [String($0)] } ?? []
        }
        // The head of native multipath belongs to the subsystem, whose links name its controllers.
        return files.names(device).filter { name in
            name.hasPrefix("nvme") && name.dropFirst(4).allSatisfy(\.isNumber) && name.count > 4
        }
    }

    /// The paths to the unit: a multipath map's members, an NVMe namespace's controllers, else 1.
    public var paths: Int {
        switch kind {
        case .multipathMap: max(1, members.count)
        case .nvme: max(1, controllers.count)
        case .scsi, .deviceMapper, .array, .loop, .memory, .removableDrive, .other: 1
        }
    }

    /// All of the above with what the host does with the disk.
    public func attachment(roles: DiskAttachment.Roles) -> DiskAttachment {
        DiskAttachment(
            bus: bus, address: address, adapter: adapter, device: device, paths: paths,
            isMultipath: kind == .multipathMap || paths > 1, roles: roles)
    }
}
