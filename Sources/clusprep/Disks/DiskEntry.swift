import Foundation
import Reservations
import Volumes

/// One disk of `clusprep disks --json`. A field that is missing is not known, or there is nothing to say.
struct DiskEntry: Encodable, Equatable {
    /// The target, as `--disk` and `clusprep reservations` take it.
    var disk: String
    /// Vendor and product, or what else to call it.
    var name: String
    /// The octets of the medium.
    var size: UInt64?
    /// The octets of a logical block.
    var blockSize: Int?
    /// The kind of bus, in words.
    var bus: String
    /// The kind of bus, as the number in DISK_PROPS ([MS-CSVP] 2.2.5).
    var busType: UInt32
    /// The adapter.
    var adapter: String?
    /// `mbr`, `gpt` or `raw`.
    var style: String?
    /// The disk's signature (eight hexadecimal digits) or GUID.
    var identity: String?
    /// The Flags of DISK_PROPS, each by its name without DISK_, in lower case.
    var flags: [String]
    /// The Flags of DISK_PROPS as a number in hexadecimal.
    var flagBits: String
    /// Whether it could become a disk of a failover cluster.
    var clusterable: Bool
    /// Why it could not, in words.
    var obstacles: [String]
    /// The number of paths.
    var paths: UInt32
    /// The medium is write protected.
    var readOnly: Bool
    /// This host lives on it: what would change it is refused.
    var protected: Bool
    /// The identifier of page 83h that counts.
    var page83: String?
    /// The serial number (page 80h).
    var serialNumber: String?
    /// What is registered and reserved; missing where the disk knows no persistent reservations.
    var reservations: ReservationState?
    /// What is wrong.
    var problem: String?

    /// From what was found.
    init(_ description: DiskDescription, reservations: ReservationState? = nil) {
        disk = description.path
        name = description.friendlyName
        size = description.size
        blockSize = description.blockSize
        bus = description.attachment.bus.name
        busType = description.attachment.bus.rawValue
        adapter = description.attachment.adapter.isEmpty ? nil : description.attachment.adapter
        style = Self.style(of: description.flags)
        identity =
            description.diskID?.description
            ?? description.signature.map { hexadecimal(UInt64($0), digits: 8) }
        flags = description.flags.names
        flagBits = "0x" + hexadecimal(UInt64(description.flags.rawValue), digits: 8)
        clusterable = description.isClusterable
        obstacles = description.obstacles
        paths = description.pathCount
        readOnly = description.isReadOnly
        protected = description.attachment.roles.isProtected
        page83 = description.page83ID
        serialNumber = description.serialNumber.flatMap { $0.isEmpty ? nil : $0 }
        self.reservations = reservations
        problem = description.problem
    }

    private static func style(of flags: DiskFlags) -> String? {
        if flags.contains(.styleGPT) { return "gpt" }
        if flags.contains(.styleMBR) { return "mbr" }
        return flags.contains(.styleRaw) ? "raw" : nil
    }
}

/// A number with leading zeros.
func hexadecimal(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// What `clusprep disks --json` prints.
struct DiskListing: Encodable, Equatable {
    /// Grows when a field changes its meaning or goes; new fields do not change it.
    var schema = 1
    /// The disks: this host's, then those named, then those found.
    var disks: [DiskEntry]

    /// For people: a line for each disk, and behind it what else there is to say.
    func lines(on terminal: Terminal) -> [String] {
        guard !disks.isEmpty else { return ["No disks."] }
        var table = TextTable("DISK", "SIZE", "BUS", "STYLE", "PATHS", "CLUSTERABLE", "KEYS", "RESERVATION")
        for disk in disks { table.add(Self.cells(of: disk)) }
        let lines = table.lines
        var result = [terminal.styled(lines[0], .bold)]
        for (disk, line) in zip(disks, lines.dropFirst()) {
            result.append(disk.clusterable ? line : terminal.styled(line, .dim))
            result += Self.details(of: disk).map { "    " + terminal.styled($0, .dim) }
        }
        return result
    }

    private static func cells(of disk: DiskEntry) -> [String] {
        let holder = disk.reservations.map { state in
            state.reservation.map { ReservationType(rawValue: $0.type)?.shortName ?? "\($0.type)" } ?? "none"
        }
        return [
            disk.disk, disk.size.map(readableSize) ?? "-", disk.bus, disk.style?.uppercased() ?? "-", "\(disk.paths)",
            disk.clusterable ? "yes" : "no", disk.reservations.map { "\($0.keys.count)" } ?? "-", holder ?? "-",
        ]
    }

    private static func details(of disk: DiskEntry) -> [String] {
        // Without an answer there is no name but a number.
        var identity = disk.size == nil ? [] : [disk.name]
        if let serialNumber = disk.serialNumber { identity.append("serial \(serialNumber)") }
        if let page83 = disk.page83 { identity.append("page 83h \(page83)") }
        if let id = disk.identity { identity.append("identity \(id)") }
        var lines = identity.isEmpty ? [] : [identity.joined(separator: ", ")]
        if let adapter = disk.adapter { lines.append("adapter: \(adapter)") }
        lines.append("flags: " + disk.flags.joined(separator: " "))
        if !disk.obstacles.isEmpty { lines.append("not clusterable: " + disk.obstacles.joined(separator: "; ")) }
        if let state = disk.reservations, !state.keys.isEmpty {
            lines.append("keys: " + state.keys.joined(separator: " "))
            if let reservation = state.reservation {
                lines.append("held: \(reservation.typeName)" + (reservation.key.map { " with \($0)" } ?? ""))
            }
        }
        if let problem = disk.problem { lines.append("problem: \(problem)") }
        return lines
    }
}

/// A size as disks are sold and read: in the largest binary unit that it has at least one of.
func readableSize(_ octets: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var unit = 0
    while unit < units.count - 1, octets >> (10 * UInt64(unit + 1)) > 0 { unit += 1 }
    guard unit > 0 else { return "\(octets) B" }
    // Tenths, rounded down: a disk is not larger than it is.
    let tenths = ((octets >> (10 * UInt64(unit - 1))) * 10) >> 10
    return tenths % 10 == 0 ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
}
