import Reservations

/// Whether a unit can be recognised: by each node, as the same one, and as no other (SPC-3 7.6.3).
struct IdentityScenario {
    let bench: TargetBench

    /// Compares what the two initiators are told.
    func run() throws {
        var seen: [(initiator: TargetInitiator, identifiers: [DeviceIdentifier], serial: String)] = []
        for initiator in [bench.first, bench.second] {
            let identifiers = try bench.demand(
                "Read the identification page", by: initiator, .identification,
                rule: "A unit without page 83h cannot be told from another one."
            ) { try $0.identifiers() }
            let (serial, _) = try bench.send(
                "Read the serial number", by: initiator, .serialNumber, expecting: nil
            ) { try $0.serialNumber() }
            guard let identifiers else { return }
            seen.append((initiator, identifiers, serial ?? ""))
        }
        bench.recorder.add(
            TestResult.Table(
                "Identifiers", columns: ["Of the", "Kind", "Identifier"],
                rows: seen[0].identifiers.map { [Self.name($0.association), Self.name($0.kind), $0.text] }))
        let units = seen.map { Set($0.identifiers.filter(Self.names)) }
        try bench.conclude(
            !units[0].isEmpty,
            "The unit has an identifier of its own: \(units[0].map(\.text).sorted().joined(separator: ", "))",
            else: "Page 83h holds no NAA, EUI-64 or SCSI name of the logical unit.", .identification)
        try bench.conclude(
            units[0] == units[1], "Both initiators are told the same",
            else: "The two initiators are told different identifiers: \(texts(units[0])) and \(texts(units[1])). "
                + "A cluster would take one disk for two.", .identification)
        try bench.conclude(
            units[0].allSatisfy { $0.value.contains { $0 != 0 } }, "It is not all zero",
            else: "The unit's identifier is all zero, as that of other units may be.", .identification)
        try bench.conclude(
            seen[0].serial == seen[1].serial, "The serial numbers agree",
            else: "The two initiators are told different serial numbers: \(seen[0].serial) and \(seen[1].serial).",
            .serialNumber)
    }

    /// Whether it names the unit itself, in a way that is unique in the world.
    private static func names(_ identifier: DeviceIdentifier) -> Bool {
        identifier.association == .logicalUnit && [.naa, .eui64, .scsiName].contains(identifier.kind)
    }

    private static func name(_ association: DeviceIdentifier.Association) -> String {
        switch association {
        case .logicalUnit: "logical unit"
        case .targetPort: "target port"
        case .targetDevice: "target device"
        case .reserved: "reserved"
        }
    }

    private static func name(_ kind: DeviceIdentifier.Kind) -> String {
        switch kind {
        case .vendorSpecific: "vendor specific"
        case .t10Vendor: "T10 vendor"
        case .eui64: "EUI-64"
        case .naa: "NAA"
        case .relativeTargetPort: "relative target port"
        case .targetPortGroup: "target port group"
        case .logicalUnitGroup: "logical unit group"
        case .md5: "MD5"
        case .scsiName: "SCSI name"
        default: "type \(kind.rawValue)"
        }
    }

    private func texts(_ identifiers: Set<DeviceIdentifier>) -> String {
        identifiers.isEmpty ? "none" : identifiers.map(\.text).sorted().joined(separator: ", ")
    }
}
