import ClusPrepClient
import ClusterProtocols
import ErrorCodes

/// Finds out what nodes there are and which disks they have; changes nothing.
struct NodeDiscovery: Sendable {
    let callLimit: Duration

    /// What one node says.
    struct Answer: Sendable {
        var node: ValidationReport.Node
        var places: [SharedDisk.Place] = []
        var silent: [UInt32: String] = [:]
    }

    /// Asks a node who it is, and what disks it has.
    func ask(_ node: any ValidatedNode) async -> Answer {
        var answer = Answer(node: .init(node.name))
        do {
            let limit = callLimit
            let setup = try await CallLimit.run(limit) { try await node.setup() }
            // Without a label it is known by the name that the user gave it.
            answer.node.hostLabel = try? await CallLimit.run(limit) { try await setup.hostLabel() }
            await CallLimit.giveBack(setup, within: limit)
            let storage = try await CallLimit.run(limit) { try await node.storage() }
            do {
                let version = try await CallLimit.run(limit) { try await storage.prepareNode() }
                answer.node.version = "\(version.major).\(version.minor)"
                let count = try await CallLimit.run(limit) { try await storage.prepareNodePhase2(flags: 0) }
                for number in 0..<min(count, Self.mostDisks) {
                    do {
                        answer.places.append(
                            try await CallLimit.run(limit) {
                                var place = try await Self.place(number, storage)
                                if place.isClusterable { place.isInUse = try await Self.isInUse(number, storage) }
                                return place
                            })
                    } catch {
                        guard !Self.isLoss(error) else { throw error }
                        answer.silent[number] = "\(error)"
                    }
                }
                await CallLimit.giveBack(storage, within: limit)
            } catch {
                await CallLimit.giveBack(storage, within: limit)
                throw error
            }
        } catch {
            answer.node.failure = "\(error)"
        }
        return answer
    }

    /// More than any node has, and few enough to ask for one by one.
    private static let mostDisks: UInt32 = 4096

    private static func isLoss(_ error: any Error) -> Bool {
        NodeFailure(error, node: "", method: .getProps3)?.isLoss ?? true
    }

    /// Describes one disk: by IClusterStorage3 where the node has it, else by IClusterStorage2.
    private static func place(_ number: UInt32, _ storage: any StorageCalls) async throws -> SharedDisk.Place {
        let disk = DiskID.number(number)
        var identifiers: [UnitIdentifier] = []
        do {
            identifiers = UnitIdentifier.ordered(try await storage.identifiers(of: disk))
        } catch  where !isLoss(error) {
            // A disk without that page; the flags say so, too.
        }
        do {
            let properties = try await storage.extendedProperties(of: disk)
            return SharedDisk.Place(
                number: number, id: DiskID(properties.DiskId), flags: .init(rawValue: properties.Flags),
                isClusterable: properties.DiskIsClusterable != 0, bus: BusNames.name(properties.DiskBusType),
                paths: properties.NumPaths,
                label: properties.pwszFriendlyName?.string ?? properties.AdapterDesc.wideString,
                serialNumber: properties.pwszSerialNumber?.string, identifiers: identifiers)
        } catch  where !isLoss(error) {
            let properties = try await storage.properties(of: disk)
            return SharedDisk.Place(
                number: number, id: DiskID(properties.DiskId), flags: .init(rawValue: properties.Flags),
                isClusterable: properties.DiskIsClusterable != 0, bus: BusNames.name(properties.DiskBusType),
                paths: properties.NumPaths, label: properties.AdapterDesc.wideString, serialNumber: nil,
                identifiers: identifiers)
        }
    }

    /// Whether anybody is registered with a disk, or holds its reservation. Attaching only makes sure that it answers ([MS-CSVP]
    /// 3.2.4.14).
    private static func isInUse(_ number: UInt32, _ storage: any StorageCalls) async throws -> Bool {
        let disk = DiskID.number(number)
        try await storage.attach(disk)
        do {
            return try await storage.isRegistered(0, on: disk)
        } catch  where !isLoss(error) {
            // A node without IClusterStorage3 tells of the reservation only.
            return try await storage.reservation(of: disk) != .absent
        }
    }

    /// Leaves out whoever calls itself what a node before it does: one node that was named twice, which would seem to share every
    /// disk with itself, or two that no cluster could tell from each other.
    static func refuseTwins(_ answers: inout [Answer]) {
        var known: [String: String] = [:]
        for index in answers.indices {
            guard let label = answers[index].node.hostLabel?.lowercased(), !label.isEmpty else { continue }
            if let first = known[label] {
                answers[index].node.failure = "it calls itself \(label), as \(first) does: name each node once"
                answers[index].places = []
            } else {
                known[label] = answers[index].node.name
            }
        }
    }

    // MARK: The same unit on several nodes

    /// Puts together what the nodes say of the same unit, which they recognise by an identifier of VPD page 83h.
    ///
    /// - Parameter answers: what each node said, in the nodes' order.
    static func recognise(_ answers: [Answer]) -> [SharedDisk] {
        var disks: [SharedDisk] = []
        for answer in answers where answer.node.failure == nil {
            for place in answer.places {
                let known = disks.firstIndex { disk in
                    // A node that has a unit twice has two disks, until something combines the paths.
                    disk.places[answer.node.name] == nil
                        && disk.places.values.contains { !Set($0.identifiers).isDisjoint(with: place.identifiers) }
                }
                if let known {
                    disks[known].places[answer.node.name] = place
                } else {
                    disks.append(
                        SharedDisk(
                            index: disks.count, identifier: place.identifiers.first, places: [answer.node.name: place]))
                }
            }
        }
        for index in disks.indices { disks[index].isInUse = disks[index].places.values.contains(where: \.isInUse) }
        // What all of its nodes know it by, for each of them is asked for it again.
        for index in disks.indices {
            let sets = disks[index].places.values.map(\.identifiers)
            disks[index].identifier = sets.first?.first { one in sets.allSatisfy { $0.contains(one) } }
        }
        return disks
    }

    /// Why a disk is not tested; nil where it is.
    ///
    /// - Parameters:
    ///   - nodes: how many nodes were named.
    ///   - present: how many of them answered.
    ///   - wanted: what the user called the disks to test; nil where all are.
    static func exclusion(of disk: SharedDisk, nodes: Int, present: Int, wanted: [String]?) -> String? {
        if let wanted, !wanted.contains(where: disk.goes) { return "it was not asked for" }
        for (node, place) in disk.places.sorted(by: { $0.key < $1.key }) where !place.isClusterable {
            let reasons = place.flags.reasons
            return "\(node) says that a cluster cannot use it"
                + (reasons.isEmpty ? "" : ": " + reasons.joined(separator: ", "))
        }
        // Its arbitration sectors, and what lies on it, are known by its partition table alone.
        if disk.places.values.contains(where: { $0.flags.style == "RAW" }) {
            return "it has no partition table: initialise it, with GPT or MBR"
        }
        if disk.identifier == nil { return "it has no identifier (VPD page 83h) by which nodes could recognise it" }
        // Where no other node answers nobody knows whether they share it, and what one node has for itself is not to be touched.
        if nodes > 1, disk.places.count == 1, let only = disk.places.keys.first {
            return present > 1 ? "only \(only) has it" : "no other node answered that could have it, too"
        }
        return nil
    }
}

/// The kinds of buses, by their names in [MS-CSVP] 2.2.6.
enum BusNames {
    private static let names = [
        "Unknown", "SCSI", "ATAPI", "ATA", "IEEE 1394", "SSA", "Fibre Channel", "USB", "RAID", "iSCSI", "SAS", "SATA",
        "SD",
        "MMC", "Virtual", "File backed virtual", "Spaces",
    ]

    /// The name, or the number where it has none.
    static func name(_ type: UInt32) -> String {
        type < UInt32(names.count) ? names[Int(type)] : "type \(type)"
    }
}
