import Reservations

/// The leases that dhclient has written down (dhclient.leases(5)); the last one of an adapter is the one in use.
struct DHClientLeases {
    /// The addresses of the last lease of each family, by the adapter's name.
    private var addresses: [String: [HostAddress.Family: Set<HostAddress>]] = [:]

    private static let folders = ["/var/lib/dhcp", "/var/lib/dhclient", "/var/lib/NetworkManager"]
    /// The longest file that is read; a lease has less than a kibibyte.
    private static let longest = 4 << 20

    init(files: HostFiles) {
        for folder in Self.folders {
            for name in files.names(folder) where name.hasPrefix("dhclient") {
                guard name.hasSuffix(".leases") || name.hasSuffix(".lease"),
                    let text = files.text("\(folder)/\(name)", limit: Self.longest)
                else { continue }
                read(text)
            }
        }
    }

    /// Whether the last lease of the adapter gave it one of these addresses.
    func gave(_ name: String, oneOf candidates: [HostAddress]) -> Bool {
        guard let known = addresses[name] else { return false }
        return candidates.contains { candidate in
            // What the lease says has no scope.
            HostAddress(octets: candidate.octets).map { known[$0.family]?.contains($0) ?? false } ?? false
        }
    }

    /// Reads declarations such as
    ///
    ///     lease { interface "eth0"; fixed-address 192.0.2.7; … }
    ///     lease6 { interface "eth0"; ia-na … { iaaddr 2001:db8::7 { … } } }
    private mutating func read(_ text: String) {
        var depth = 0
        var family: HostAddress.Family?
        var name: String?
        var found: Set<HostAddress> = []
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: { " \t;".contains($0) })
            switch words.first {
            case "lease" where depth == 0: family = .v4
            case "lease6" where depth == 0: family = .v6
            case "interface": name = words.dropFirst().first.map { String($0.filter { $0 != "\"" }) }
            case "fixed-address", "iaaddr":
                found.formUnion(words.dropFirst().prefix(1).compactMap { HostAddress(String($0)) })
            default: break
            }
            // A quoted string, such as a host's name, may hold anything.
            var isQuoted = false
            for octet in line.utf8 {
                switch octet {
                case UInt8(ascii: "\""): isQuoted.toggle()
                case UInt8(ascii: "{") where !isQuoted: depth += 1
                case UInt8(ascii: "}") where !isQuoted: depth = max(0, depth - 1)
                default: break
                }
            }
            guard depth == 0 else { continue }
            if let name, let family { addresses[name, default: [:]][family] = found }
            (family, name, found) = (nil, nil, [])
        }
    }
}
