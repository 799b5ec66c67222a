import CLinuxNetwork
import Glibc
import Reservations

/// What a link's driver says beyond what the routing socket tells.
struct AdapterHardware: Sendable, Hashable {
    /// Octets a second; zero where unknown.
    var speed: UInt64 = 0
    /// The driver's name; nil where there is none.
    var driver: String?
    /// Where the hardware is, such as a PCI address; nil for what is nowhere.
    var place: String?
    /// Whether received packets are spread over several queues.
    var spreadsReceived = false
    /// Whether it is a wireless network's.
    var isWireless = false
    /// Whether a device for Remote Direct Memory Access works through it.
    var hasRDMA = false
}

/// Who tells the hardware of a link: the kernel, or a test.
protocol HardwareSource: Sendable {
    /// What is known of a link; what is gone, or does not tell, is left as it is by default.
    func hardware(of links: [LinkRecord]) throws(HostNetworkError) -> [UInt32: AdapterHardware]
}

/// ethtool's requests and sysfs.
struct KernelHardware: HardwareSource {
    let files: HostFiles

    /// In a Mb/s there are so many octets a second.
    private static let octetsOfMegabit: UInt64 = 125_000

    func hardware(of links: [LinkRecord]) throws(HostNetworkError) -> [UInt32: AdapterHardware] {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(operation: "open a socket", code: errno) }
        defer { close(descriptor) }
        let remote = remoteMemoryLinks()
        var result: [UInt32: AdapterHardware] = [:]
        for link in links {
            var hardware = Self.told(by: descriptor, of: link.name)
            // Drivers are asked by name, and a name may have gone to another link since the links were listed.
            if if_nametoindex(link.name) != link.index { hardware = AdapterHardware() }
            if let folder = folder(of: link) {
                hardware.isWireless = files.exists(folder + "/wireless") || files.exists(folder + "/phy80211")
                hardware.hasRDMA = remote.contains(link.name) || files.exists(folder + "/device/infiniband")
            }
            result[link.index] = hardware
        }
        return result
    }

    private static func told(by descriptor: Int32, of name: String) -> AdapterHardware {
        var hardware = AdapterHardware()
        var number: UInt32 = 0
        if cln_link_speed(descriptor, name, &number) == 0 { hardware.speed = UInt64(number) * octetsOfMegabit }
        if cln_spread_table(descriptor, name, &number) == 0, number > 0 { hardware.spreadsReceived = true }
        if cln_receive_channels(descriptor, name, &number) == 0, number > 1 { hardware.spreadsReceived = true }
        var driver = cln_driver()
        if cln_link_driver(descriptor, name, &driver) == 0 {
            hardware.driver = text(of: &driver.name)
            hardware.place = text(of: &driver.place)
            // What has no place says so in words.
            if hardware.place == "N/A" { hardware.place = nil }
        }
        return hardware
    }

    /// The text in an array of C's; nil where it is empty.
    private static func text<Characters>(of characters: inout Characters) -> String? {
        let octets = withUnsafeBytes(of: &characters) { Array($0.prefix { $0 != 0 }) }
        return octets.isEmpty ? nil : String(decoding: octets, as: UTF8.self)
    }

    /// The link's folder in sysfs; nil where sysfs shows another network namespace, whose links may have the same names.
    private func folder(of link: LinkRecord) -> String? {
        let folder = "/sys/class/net/" + link.name
        let address = link.address.map { octet in
            let digits = String(octet, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined(separator: ":")
        guard files.number(folder + "/ifindex") == UInt64(link.index), files.text(folder + "/address") ?? "" == address
        else { return nil }
        return folder
    }

    /// The names of the links that have an entry in the table of addresses of an RDMA device.
    private func remoteMemoryLinks() -> Set<String> {
        var names: Set<String> = []
        for device in files.names("/sys/class/infiniband") {
            let ports = "/sys/class/infiniband/\(device)/ports"
            for port in files.names(ports) {
                let folder = "\(ports)/\(port)/gid_attrs/ndevs"
                // Most entries are empty, and reading those fails.
                names.formUnion(files.names(folder).compactMap { files.text("\(folder)/\($0)") })
            }
        }
        return names
    }
}
