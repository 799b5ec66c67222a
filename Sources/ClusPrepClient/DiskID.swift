import ClusterProtocols
import NDR

/// How a client names a disk ([MS-CSVP] 2.2.2).
public enum DiskID: Sendable, Hashable {
    /// By its place among the server's disks, from zero.
    case number(UInt32)
    /// By the signature of its MBR.
    case signature(UInt32)
    /// By the disk GUID of its GPT.
    case guid(GUID)

    /// From the wire; nil for CprepIdUnknown, which names nothing.
    public init?(_ wire: CPREP_DISKID) {
        switch wire.DiskId {
        case .DeviceNumber(let number): self = .number(number)
        case .DiskSignature(let signature): self = .signature(signature)
        case .DiskGuid(let guid): self = .guid(guid)
        case .Junk: return nil
        }
    }

    /// The form on the wire.
    public var wire: CPREP_DISKID {
        switch self {
        case .number(let number): CPREP_DISKID(DiskIdType: .CprepIdNumber, DiskId: .DeviceNumber(number))
        case .signature(let signature):
            CPREP_DISKID(DiskIdType: .CprepIdSignature, DiskId: .DiskSignature(signature))
        case .guid(let guid): CPREP_DISKID(DiskIdType: .CprepIdGuid, DiskId: .DiskGuid(guid))
        }
    }
}

extension DiskID: CustomStringConvertible {
    /// What kind, and the value.
    public var description: String {
        switch self {
        case .number(let number): "number \(number)"
        case .signature(let signature): "signature " + hexadecimal(signature)
        case .guid(let guid): "GUID \(guid)"
        }
    }
}

func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}
