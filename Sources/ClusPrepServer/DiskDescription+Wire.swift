import ClusterProtocols
import NDR
import Reservations
import Volumes

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
    var wireID: CPREP_DISKID {
        if let guid = identity.guid { return CPREP_DISKID(DiskIdType: .CprepIdGuid, DiskId: .DiskGuid(guid)) }
        if let signature { return CPREP_DISKID(DiskIdType: .CprepIdSignature, DiskId: .DiskSignature(signature)) }
        return .number(number)
    }

    /// The address that the host knows; where it knows none of this kind, port and bus 0 and the disk's number as the target.
    /// Clients never read it (2.2.4).
    private var wireAddress: CPREP_SCSI_ADDRESS {
        let address = attachment.address ?? .init(target: UInt8(truncatingIfNeeded: number))
        return CPREP_SCSI_ADDRESS(
            Length: 8, PortNumber: address.port, PathId: address.bus, TargetId: address.target, Lun: address.unit)
    }

    /// What the adapter is called, or else the kind of its bus.
    private var wireAdapter: [UInt16] {
        let adapter = attachment.adapter
        return [UInt16](wide: adapter.isEmpty ? "\(attachment.bus.name) adapter" : adapter, count: 260)
    }

    /// DISK_PROPS (2.2.5). Every driver of a disk on Linux is what Windows calls a StorPort miniport: it serves a queue that the
    /// block layer or the SCSI layer above keeps.
    var properties: DISK_PROPS {
        DISK_PROPS(
            DiskNumber: number, DiskId: wireID, DiskBusType: attachment.bus.rawValue, StackType: .DiskStackStorPort,
            ScsiAddress: wireAddress, DiskIsClusterable: isClusterable ? 1 : 0, AdapterDesc: wireAdapter,
            NumPaths: pathCount, Flags: flags.rawValue)
    }

    /// DISK_PROPS_EX (2.2.6). Linux has no storage pools: no pool's name, a zero GUID, and no extended flag, for both are about
    /// pools.
    var extendedProperties: DISK_PROPS_EX {
        DISK_PROPS_EX(
            DiskNumber: number, DiskId: wireID, DiskBusType: attachment.bus.rawValue, StackType: .DiskStackStorPort,
            ScsiAddress: wireAddress, DiskIsClusterable: isClusterable ? 1 : 0, AdapterDesc: wireAdapter,
            pwszFriendlyName: WideString(friendlyName), NumPaths: pathCount, Flags: flags.rawValue, ExtendedFlags: 0,
            pwszPoolName: nil, pwszPage83Id: page83ID.map { WideString($0) },
            pwszSerialNumber: serialNumber.map { WideString($0) }, guidPoolId: .zero)
    }
}

extension STORAGE_DEVICE_ID_DESCRIPTOR {
    /// A unit's page 83h, identifier by identifier.
    init(_ identifiers: [DeviceIdentifier]) {
        self.init(
            identifiers: identifiers.map {
                STORAGE_IDENTIFIER(
                    codeSet: UInt32($0.codeSet), type: UInt32($0.kind.rawValue),
                    association: UInt32($0.association.rawValue), identifier: $0.value)
            })
    }
}
