import ClusterEngine
import ErrorCodes
import EventLog
import Foundation
import HostInventory
import Reservations

extension ClusterLogSection {
    /// What the node is: its name, its software, and since when it runs.
    public static func node(fqdn: String, version: String) -> ClusterLogSection {
        let started = EventClock.system().now
        return ClusterLogSection("Node") {
            let process = ProcessInfo.processInfo
            var system = utsname()
            uname(&system)
            return [
                "Name: \(fqdn)", "Daemon: clusprepd \(version), process \(process.processIdentifier)",
                "Running since: \(ClusterLogLine.time(started, in: .gmt)) GMT",
                "Distribution: \(distribution())",
                "Kernel: \(text(of: &system.sysname)) \(text(of: &system.release)) \(text(of: &system.machine))",
                "Up for: \(Int(process.systemUptime)) s", "Processors: \(process.activeProcessorCount)",
                "Memory: \(process.physicalMemory >> 20) MiB",
            ]
        }
    }

    /// The cluster's state, as far as a node knows it: which cluster it is a member of, if any.
    public static func cluster(_ engine: ClusterEngine) -> ClusterLogSection {
        ClusterLogSection("Cluster", isClusterState: true) {
            guard let membership = try await engine.membership() else { return ["Member of no cluster"] }
            let since = EventTime(
                wall: membership.since.multipliedReportingOverflow(by: 1_000_000).0, uptime: 0, boot: 0)
            return [
                "Member of: \(membership.clusterName)", "Identifier: \(membership.clusterID)",
                "Since: \(ClusterLogLine.time(since, in: .gmt)) GMT",
            ]
        }
    }

    /// The node's disks: what each is, whether a cluster can use it, who holds it, and what is wrong with it.
    public static func disks(_ disks: [NodeDisk]) -> ClusterLogSection {
        ClusterLogSection("Disks") {
            guard !disks.isEmpty else { return ["none"] }
            return await withTaskGroup(of: (Int, [String]).self) { group in
                for (index, disk) in disks.enumerated() { group.addTask { (index, await disk.logLines()) } }
                var lines = [[String]](repeating: [], count: disks.count)
                for await (index, said) in group { lines[index] = said }
                return lines.flatMap { $0 }
            }
        }
    }

    /// The host's adapters with their addresses.
    ///
    /// - Parameter executor: where the kernel is asked.
    public static func adapters(_ source: any AdapterSource, executor: BlockingExecutor) -> ClusterLogSection {
        ClusterLogSection("Adapters") {
            let adapters = try await executor.run { try source.list() }
            return adapters.flatMap(\.logLines)
        }
    }

    /// What the kernel has counted of UDP and of its errors, on which probes of routes depend, and the sockets that are bound to
    /// the port of the probes.
    ///
    /// - Parameter port: 3343, or the one that is configured.
    public static func datagrams(port: UInt16 = 3343) -> ClusterLogSection {
        ClusterLogSection("Datagrams") {
            var lines: [String] = []
            for line in try proc("net/snmp") where line.hasPrefix("Udp:") || line.hasPrefix("Icmp:") {
                lines.append("IPv4 \(line)")
            }
            lines += (try? proc("net/snmp6"))?.filter { $0.hasPrefix("Udp6") }.map { "IPv6 \($0)" } ?? []
            let suffix = ":" + String(0x1_0000 + Int(port), radix: 16, uppercase: true).dropFirst()
            let bound = ["net/udp", "net/udp6"].flatMap { (try? proc($0)) ?? [] }.filter { line in
                line.split(separator: " ").dropFirst().first?.hasSuffix(suffix) == true
            }
            return lines + ["Sockets bound to UDP port \(port): \(bound.count)"]
        }
    }

    /// What a stream of measurements says now.
    public static func measurements(_ streams: [PerformanceHistory.Stream]) -> ClusterLogSection {
        ClusterLogSection("Statistics") {
            var lines: [String] = []
            for stream in streams { lines += await stream.sample().map { "\(stream.name) \($0.name): \($0.value)" } }
            return lines
        }
    }

    private static func distribution() -> String {
        let text = (try? String(contentsOfFile: "/etc/os-release", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
        return line.map { $0.dropFirst(12).filter { $0 != "\"" } } ?? "unknown"
    }

    private static func proc(_ file: String) throws -> [String] {
        // Foundation takes the first part that the kernel gives of such a file for all of it.
        guard let text = HostFiles().text("/proc/" + file) else { throw Win32Error.fileNotFound }
        return text.split(separator: "\n").map(String.init)
    }

    /// A field of uname(2), which Swift sees as a tuple.
    private static func text<Field>(of field: inout Field) -> String {
        withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension HostAdapter {
    fileprivate var logLines: [String] {
        var first = "\(index) \(name) {\(id)}: \(summary), \(status), type \(type.rawValue), MTU \(mtu), \(speed) bit/s"
        if !hardwareAddress.isEmpty { first += ", \(hardwareAddressText)" }
        if usesDHCP { first += ", DHCP" }
        var lines = [first]
        for address in addresses {
            let state = address.isTentative ? " (tentative)" : ""
            lines.append("    address \(address.address)/\(address.prefixLength)\(state)")
        }
        return lines + gateways.map { "    gateway \($0)" }
    }
}

extension NodeDisk {
    fileprivate func logLines() async -> [String] {
        let description = await describe()
        var lines = [
            "\(number) \(path): \(description.friendlyName), "
                + (description.size.map { "\($0) octets" } ?? "size unknown") + ", "
                + (description.isClusterable ? "clusterable" : "not clusterable"),
            "    flags: \(description.flags.names.joined(separator: " "))",
        ]
        if let serial = description.serialNumber { lines.append("    serial number: \(serial)") }
        if let id = description.diskID { lines.append("    identity: \(id)") }
        lines += description.obstacles.map { "    obstacle: \($0)" }
        if let problem = description.problem { return lines + ["    problem: \(problem)"] }
        do {
            let limit = environment.patience
            let (keys, holder) = try await bounded(within: limit) {
                try await self.blocking { (try $0.readKeys().keys, try $0.readReservation().holder) }
            }
            lines.append("    registered keys: \(keys.map { "\($0)" }.joined(separator: " "))")
            lines.append("    reservation: \(holder.map { "\($0.type) with \($0.key)" } ?? "none")")
        } catch {
            lines.append("    reservations: not available: \(error)")
        }
        return lines
    }
}

extension PerformanceHistory.Stream {
    /// The daemon and its host: memory, load, open files.
    public static func host() -> PerformanceHistory.Stream {
        PerformanceHistory.Stream("host") {
            var values: [(name: String, value: UInt64)] = []
            let pages = ((try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? "").split(separator: " ")
            if pages.count > 1, let resident = UInt64(pages[1]) {
                values.append(("resident-octets", resident * UInt64(sysconf(Int32(_SC_PAGESIZE)))))
            }
            if let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
                values.append(("open-files", UInt64(files.count)))
            }
            let memory = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
            for line in memory.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
                if let kibioctets = UInt64(line.filter(\.isNumber)) {
                    values.append(("available-octets", kibioctets << 10))
                }
            }
            let load = ((try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? "").split(separator: " ")
            if let text = load.first, let load = Double(text) {
                values.append(("load-percent", UInt64(max(0, load * 100))))
            }
            return values
        }
    }

    /// The event log itself.
    public static func log(_ log: EventLog) -> PerformanceHistory.Stream {
        PerformanceHistory.Stream("log") {
            let statistics = log.statistics
            return [("written", statistics.written), ("dropped", statistics.dropped)]
        }
    }

    /// The RPC servers: calls and PDUs, in and out, of all connections since the start.
    ///
    /// - Parameter counts: as `RPCServer.statistics` has them, summed over the servers.
    public static func rpc(
        _ counts: @escaping @Sendable () -> (callsIn: UInt64, callsOut: UInt64, packetsIn: UInt64, packetsOut: UInt64)
    ) -> PerformanceHistory.Stream {
        PerformanceHistory.Stream("rpc") {
            let counts = counts()
            return [
                ("calls-in", counts.callsIn), ("calls-out", counts.callsOut), ("packets-in", counts.packetsIn),
                ("packets-out", counts.packetsOut),
            ]
        }
    }
}
