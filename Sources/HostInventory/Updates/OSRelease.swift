import Reservations

/// What os-release(5) says of the distribution.
struct OSRelease {
    /// Where users of the distribution are helped; empty where it does not say.
    let supportURL: String

    init(files: HostFiles) {
        // "The file /etc/os-release takes precedence over /usr/lib/os-release."
        let text = files.text("/etc/os-release") ?? files.text("/usr/lib/os-release") ?? ""
        var values: [Substring: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            values[parts[0]] = String(parts[1].filter { !"\"'\\".contains($0) })
        }
        supportURL = values["SUPPORT_URL"] ?? values["HOME_URL"] ?? ""
    }
}
