import ClusterProtocols
import NDR

extension CPREP_DISKID {
    /// The name that this identifier gives a disk.
    var name: StorageState.DiskName {
        switch DiskId {
        case .DiskSignature(let signature): .signature(signature)
        case .DiskGuid(let guid): .guid(guid)
        case .DeviceNumber(let number): .number(number)
        case .Junk: .unknown
        }
    }

    /// CprepIdNumber.
    static func number(_ number: UInt32) -> CPREP_DISKID {
        CPREP_DISKID(DiskIdType: .CprepIdNumber, DiskId: .DeviceNumber(number))
    }
}

extension DiskDescription {
    /// The identifier a client names the disk by from now on: that of its partition table, which is the same on every node; the
    /// number where it has none.
    var diskID: CPREP_DISKID {
        if let guid = identity.guid { return CPREP_DISKID(DiskIdType: .CprepIdGuid, DiskId: .DiskGuid(guid)) }
        if let signature = identity.signature {
            return CPREP_DISKID(DiskIdType: .CprepIdSignature, DiskId: .DiskSignature(signature))
        }
        return .number(number)
    }

    /// DISK_PROPS (2.2.5).
    ///
    /// An image file is what Windows calls a file-backed virtual disk, and attaches through a StorPort miniport. It has one
    /// path. Its SCSI address is made up (port and bus 0, the disk's number as the target): clients never read it (2.2.4).
    var properties: DISK_PROPS {
        DISK_PROPS(
            DiskNumber: number,
            DiskId: diskID,
            DiskBusType: Self.fileBackedVirtual,
            StackType: .DiskStackStorPort,
            ScsiAddress: CPREP_SCSI_ADDRESS(
                Length: 8, PortNumber: 0, PathId: 0, TargetId: UInt8(truncatingIfNeeded: number), Lun: 0),
            DiskIsClusterable: isClusterable ? 1 : 0,
            AdapterDesc: [UInt16](wide: adapterDescription, count: 260),
            NumPaths: flags.contains(.missing) ? 0 : 1,
            Flags: flags.rawValue)
    }

    private var adapterDescription: String {
        product.isEmpty ? "ClusPrep emulated SCSI target" : "ClusPrep emulated SCSI target (\(product))"
    }

    /// BusTypeFileBackedVirtual.
    private static let fileBackedVirtual: UInt32 = 0x0F
}
