import ClusPrepClient

/// A logical unit, and where each node has it.
public struct SharedDisk: Sendable, Hashable {
    /// What one node says of it.
    public struct Place: Sendable, Hashable {
        /// The unit's number on the node.
        public var number: UInt32
        /// How the node tells it from others: the disk GUID or the signature of its partition table, or only the number.
        public var id: DiskID?
        /// What the node says about the unit (DISK_PROPS.Flags, [MS-CSVP] 2.2.5).
        public var flags: DiskFlagNames
        /// Whether the node says that a cluster can use it.
        public var isClusterable: Bool
        /// The kind of its bus, by its name in 2.2.6.
        public var bus: String
        /// How many paths lead to it.
        public var paths: UInt32
        /// What the unit is called: vendor and product, or the adapter where no more is known.
        public var label: String
        /// Its serial number; nil where the node tells none.
        public var serialNumber: String?
        /// The identifiers of VPD page 83h that name the unit itself (SPC-3 7.6.3, association 0), the best first.
        public var identifiers: [UnitIdentifier]
        /// Whether the node saw somebody registered with it.
        public var isInUse = false
    }

    /// The place among the disks of the validation, from zero.
    public var index: Int
    /// What the nodes recognise it by; nil for a unit without an identifier, which is known on one node alone.
    public var identifier: UnitIdentifier?
    /// What each node says, by the node's name.
    public var places: [String: Place]
    /// Why it is not tested; nil where it is.
    public var exclusion: String?
    /// Whether somebody is registered with it.
    public var isInUse = false

    /// What reports call it.
    public var name: String { "disk \(index)" }

    /// What the unit is called by the first node that knows.
    public var label: String {
        places.sorted { $0.key < $1.key }.map(\.value.label).first { !$0.isEmpty } ?? ""
    }

    /// What a user may name it by: its number in the report, its identifier, or what its partition table says.
    func goes(by text: String) -> Bool {
        let wanted = text.lowercased()
        if wanted == "\(index)" || wanted == name { return true }
        if let identifier, identifier.text.lowercased() == wanted { return true }
        return places.values.contains { place in
            switch place.id {
            case .guid(let guid): "\(guid)".lowercased() == wanted.trimmingBraces
            case .signature(let signature): hexadecimal(signature) == wanted || "0x" + wanted == hexadecimal(signature)
            case .number, nil: false
            }
        }
    }
}

extension String {
    fileprivate var trimmingBraces: String {
        hasPrefix("{") && hasSuffix("}") ? String(dropFirst().dropLast()) : self
    }
}

func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}
