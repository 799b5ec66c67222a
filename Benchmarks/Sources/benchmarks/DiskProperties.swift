import ClusterProtocols
import NDR

/// Marshalling of DISK_PROPS_EX ([MS-CSVP] 2.2.6), the largest structure that clients ask for in numbers.
enum DiskProperties {
    /// A disk such as a storage array has.
    static let sample = DISK_PROPS_EX(
        DiskNumber: 3,
        DiskId: CPREP_DISKID(
            DiskIdType: .CprepIdGuid, DiskId: .DiskGuid(GUID("6f2d1b04-3c57-4e0a-9b1d-2a7c44d0e915"))),
        DiskBusType: 9, StackType: .DiskStackStorPort,
        ScsiAddress: CPREP_SCSI_ADDRESS(Length: 8, PortNumber: 2, PathId: 0, TargetId: 1, Lun: 7),
        DiskIsClusterable: 1, AdapterDesc: [UInt16](wide: "Microsoft iSCSI Initiator", count: 260),
        pwszFriendlyName: "VENDOR MODEL Multi-Path Disk Device", NumPaths: 2, Flags: 0x2041, ExtendedFlags: 1,
        pwszPoolName: nil, pwszPage83Id: "600508B1001C7E4E0F3D6A9B2C5D8E11", pwszSerialNumber: "PDNLH0BRH9F0ZK")

    /// How many values one look at the clock is shared by.
    private static let batch = 256

    static func encode(for duration: Duration) throws -> Double {
        try rate(duration) {
            var encoder = NDREncoder()
            try encoder.encode(sample)
            return encoder.bytes.count
        }
    }

    static func decode(for duration: Duration) throws -> Double {
        var encoder = NDREncoder()
        try encoder.encode(sample)
        let octets = encoder.bytes
        return try rate(duration) {
            var decoder = NDRDecoder(octets, representation: .littleEndianASCIIIEEE)
            let value = try decoder.decode(DISK_PROPS_EX.self)
            try decoder.finish()
            return Int(value.DiskNumber)
        }
    }

    private static func rate(_ duration: Duration, _ work: () throws -> Int) throws -> Double {
        let begin = ContinuousClock.now
        let end = begin + duration
        var values = 0
        // Kept and looked at, so that nothing is optimised away.
        var sum = 0
        while ContinuousClock.now < end {
            for _ in 0..<batch { sum &+= try work() }
            values += batch
        }
        guard sum != 0 else { throw BenchmarkFailure("nothing was marshalled") }
        return Double(values) / (ContinuousClock.now - begin).seconds
    }
}
