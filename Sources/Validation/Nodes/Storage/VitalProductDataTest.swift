import ClusterProtocols
import ErrorCodes

/// Validate SCSI device Vital Product Data.
struct VitalProductDataTest: NodeTest {
    let description = TestDescription(
        "vital-product-data", "Validate SCSI device Vital Product Data", .storage,
        "Each node has to recognise each disk as the same one, and as no other (VPD page 83h).")
    let success = "Every disk can be recognised."

    func run(_ context: NodeTestContext) async throws {
        try await context.forEachNode { node in
            let storage = try await context.storage(on: node)
            // Who is silent is not asked for each of many disks.
            for disk in context.run.plan.disks where context.run.lost[node.name] == nil {
                guard let place = disk.places[node.name] else { continue }
                _ = try await context.tolerating(disk.name) { try await Self.ask(disk, place, node, storage, context) }
            }
            for disk in context.disks where disk.places[node.name] != nil && context.run.lost[node.name] == nil {
                _ = try await context.tolerating(disk.name) {
                    let seat = try await context.seat(disk, on: node)
                    let isUnique = try await seat.call(
                        "Ask whether it is the only disk of this name", .verifyUnique,
                        detail: { $0 ? "it is" : "another one has the same" }
                    ) { try await $0.isUnique($1) }
                    if !isUnique {
                        context.recorder.add(
                            Finding(
                                .error, "\(disk.name) on \(node.name)",
                                "The node has another disk with the same signature or disk GUID.",
                                advice: "Give the copy a signature of its own (a snapshot, or a clone?).",
                                command: NodeMethod.verifyUnique.name))
                    }
                }
            }
        }
        compare(context)
    }

    /// What one node says of one disk.
    private static func ask(
        _ disk: SharedDisk, _ place: SharedDisk.Place, _ node: any ValidatedNode, _ storage: any StorageCalls,
        _ context: NodeTestContext
    ) async throws {
        let result = try await context.ask(
            "Read the identifiers", on: node, .getUniqueIds, disk: disk,
            judging: { (result: Result<STORAGE_DEVICE_ID_DESCRIPTOR, HRESULT>) in
                guard case .success(let page) = result else { return (place.isClusterable ? .bad : .note, nil) }
                let usable = UnitIdentifier.ordered(page)
                return (
                    usable.isEmpty && place.isClusterable ? .bad : .good,
                    usable.isEmpty ? "none that names the unit" : usable.map(\.text).joined(separator: ", ")
                )
            }
        ) { try await storage.identifiers(of: .number(place.number)) }
        let isNamed = if case .success(let page) = result { !UnitIdentifier.ordered(page).isEmpty } else { false }
        guard !isNamed else { return }
        // A disk that no cluster would use anyway does not keep one from being made.
        context.recorder.add(
            Finding(
                place.isClusterable ? .error : .information, "\(disk.name) on \(node.name)",
                "It has no identifier of type NAA, EUI-64 or SCSI name string for the unit itself, or one that is all zero.",
                advice: place.isClusterable
                    ? "Configure the storage to give each unit a name of its own; nodes cannot recognise it otherwise."
                    : nil,
                command: NodeMethod.getUniqueIds.name))
    }

    /// What the nodes say of the same disk, and one node of several.
    private func compare(_ context: NodeTestContext) {
        let disks = context.run.plan.disks
        for disk in disks where disk.places.count > 1 {
            let serials = Set(disk.places.values.compactMap(\.serialNumber))
            context.conclude(
                serials.count <= 1, "The nodes read the same serial number", disk: disk,
                detail: serials.sorted().joined(separator: ", "))
            if serials.count > 1 {
                context.blame(
                    disk, nil, .getProps3,
                    "The nodes read different serial numbers of it: \(serials.sorted().joined(separator: ", ")).")
            }
            let pages = Set(disk.places.values.map { Set($0.identifiers) })
            context.conclude(pages.count <= 1, "The nodes read the same identifiers", disk: disk)
            if pages.count > 1 {
                context.blame(disk, nil, .getUniqueIds, "The nodes read different identifiers of it (VPD page 83h).")
            }
        }
        // Two that only one node has each, and that a partition table or a serial number calls one.
        for (index, one) in disks.enumerated() {
            for other in disks.dropFirst(index + 1) where Set(one.places.keys).isDisjoint(with: other.places.keys) {
                guard let what = Self.sameness(one, other) else { continue }
                let names = Set(one.places.keys).union(other.places.keys).sorted().joined(separator: " and ")
                context.conclude(false, "\(one.name) and \(other.name) have the same \(what)", disk: one)
                context.recorder.add(
                    Finding(
                        .error, "\(one.name) and \(other.name)",
                        "They have the same \(what), but \(names) read different identifiers of them: one unit that calls itself "
                            + "differently towards each node, or a copy.",
                        advice: "Look at VPD page 83h of the unit from each node (sg_vpd -p di).",
                        command: NodeMethod.getUniqueIds.name))
            }
        }
        // Two that one node has, and that name themselves the same.
        for node in context.run.plan.presentNodes {
            let named = Dictionary(
                grouping: disks.filter { $0.places[node.name]?.identifiers.isEmpty == false },
                by: { $0.places[node.name]?.identifiers.first })
            for (identifier, same) in named where same.count > 1 {
                let isMultipath = same.allSatisfy { $0.places[node.name]?.flags.contains(.redundant) == true }
                context.conclude(
                    false, "\(same.map(\.name).joined(separator: ", ")) have the same identifier on \(node.name)")
                context.recorder.add(
                    Finding(
                        .error, node.name,
                        "\(same.map(\.name).joined(separator: " and ")) have the same identifier, \(identifier?.text ?? "")"
                            + (isMultipath ? ": one unit over paths that nothing combines." : "."),
                        advice: isMultipath
                            ? "Have multipathd combine the paths."
                            : "Have the storage give each unit a name of its own.",
                        command: NodeMethod.getUniqueIds.name))
            }
        }
    }

    /// What two disks have in common that two units never have.
    private static func sameness(_ one: SharedDisk, _ other: SharedDisk) -> String? {
        for place in one.places.values {
            for second in other.places.values {
                if case .guid(let guid) = place.id, second.id == .guid(guid) { return "disk GUID" }
                if let serial = place.serialNumber, !serial.isEmpty, second.serialNumber == serial,
                    second.label == place.label
                {
                    return "serial number"
                }
            }
        }
        return nil
    }
}
