import ClusPrepClient
import ClusterProtocols
import ErrorCodes
import NDR

/// Walks the examples of [MS-CSVP] 4 as a person would watch it: each step with its opnum, its result and its time.
struct Walk {
    /// The first failure ends an example; what follows it in the specification needs what came before.
    private(set) var failures = 0

    private let terminal: Terminal
    private let client: ClusPrepClient
    private let clock = ContinuousClock()

    init(client: ClusPrepClient, terminal: Terminal) {
        self.client = client
        self.terminal = terminal
    }

    /// Example 4.1, "A Shared Disk Online", and then the use of the disk and its way back.
    ///
    /// - Parameter number: the disk's number.
    mutating func sharedDiskOnline(disk number: UInt32) async {
        heading("4.1  A Shared Disk Online (disk \(number))")
        do {
            let storage = try await step("Activate ClusterStorage2", nil) {
                try await client.storage()
            } result: { _ in
                "IClusterStorage2 and IClusterStorage3"
            }
            do {
                try await use(storage, disk: number)
            } catch {
                failures += 1
            }
            try await step("Release", nil) {
                try await storage.release()
            } result: {
                ""
            }
        } catch {
            failures += 1
        }
    }

    private func use(_ storage: StorageClient, disk number: UInt32) async throws {
        try await step("CprepPrepareNode", 5) {
            try await storage.prepareNode()
        } result: {
            "version \($0.major).\($0.minor)"
        }
        try await step("CprepPrepareNodePhase2", 6) {
            try await storage.prepareNodePhase2()
        } result: {
            "\($0) disks"
        }
        let properties = try await step("CprepDiskGetProps", 7) {
            try await storage.properties(of: .number(number))
        } result: { properties in
            (DiskID(properties.DiskId).map(\.description) ?? "no identifier")
                + (properties.DiskIsClusterable != 0 ? ", clusterable" : ", not clusterable")
        }
        guard let disk = DiskID(properties.DiskId) else { throw CommandFailure("the disk has no identifier") }
        try await step("CprepDiskAttach", 23) {
            try await storage.attach(disk)
        } result: {
            ""
        }
        try await step("CprepDiskPRArbitrate", 24) {
            try await storage.arbitrate(disk)
        } result: {
            "owned"
        }
        let partitions = try await step("CprepDiskOnline", 13) {
            try await storage.online(disk)
        } result: {
            "\($0) partition" + ($0 == 1 ? "" : "s")
        }

        terminal.line(terminal.styled("     and what for", .dim))
        guard partitions >= 1 else { throw CommandFailure("the disk has no partition") }
        try await step("CprepDiskGetFSName", 36) {
            try await storage.fileSystemName(of: disk, partition: 1)
        } result: {
            $0
        }
        let name = "clusprep-walk.txt"
        let contents = Array("Written over DCOM, through NTFS, on a reserved disk.\r\n".utf8)
        try await step("CprepDiskWriteFileData", 17) {
            try await storage.writeFile(name, contents, disk: disk, partition: 1)
        } result: {
            "\(contents.count) octets to \(name)"
        }
        try await step("CprepDiskVerifyFileData", 18) {
            try await storage.verifyFile(name, contents, disk: disk, partition: 1)
        } result: {
            "the same octets"
        }
        try await step("CprepDiskDeleteFile", 19) {
            try await storage.deleteFile(name, disk: disk, partition: 1)
        } result: {
            ""
        }
        try await step("CprepDiskOffline", 20) {
            try await storage.offline(disk)
        } result: {
            ""
        }
        try await step("CprepDiskStopDefense", 12) {
            try await storage.stopDefense(disk)
        } result: {
            "given back"
        }
    }

    /// Example 4.2, "Validate Network Configuration", with the adapters besides.
    ///
    /// - Parameters:
    ///   - address: the node's own address; nil where only its name is known.
    ///   - peer: another node's address, or the node's own where there is no other.
    mutating func networkConfiguration(address: NodeAddress?, peer: NodeAddress?) async {
        heading("4.2  Validate Network Configuration")
        do {
            let network = try await step("Activate ClusterNetwork2", nil) {
                try await client.network()
            } result: { _ in
                "IClusterNetwork2"
            }
            do {
                try await use(network, from: address, to: peer)
            } catch {
                failures += 1
            }
            try await step("Release", nil) {
                try await network.release()
            } result: {
                ""
            }
        } catch {
            failures += 1
        }
    }

    private func use(_ network: NetworkClient, from address: NodeAddress?, to peer: NodeAddress?) async throws {
        try await step("InitializeNode", 4) {
            try await network.initialize()
        } result: {
            "answers probes at UDP port \($0.port), ClusPrep version \($0.clusprepVersion)"
        }
        try await step("GetIpConfigSerialized", 5) {
            try await network.adapterList()
        } result: {
            "\($0.count) octets of adapters"
        }
        if let address, let peer {
            try await step("SendRTMessage", 3) {
                try await network.roundTrip(from: address, to: peer)
            } result: {
                "\(address) to \(peer) and back in \($0) ms"
            }
        }
        try await step("QueryFirewallConfiguration", 7) {
            try await network.firewall()
        } result: { allowed in
            "nodes \(allowed.serverRules ? "" : "not ")let through, management \(allowed.managementRules ? "" : "not ")let through"
        }
        try await step("CleanupNode", 6) {
            try await network.cleanUp()
        } result: {
            ""
        }
    }

    /// Example 4.3, "Cluster Setup".
    mutating func clusterSetup() async {
        heading("4.3  Cluster Setup")
        do {
            let setup = try await step("Activate ClusterSetup", nil) {
                try await client.setup()
            } result: { _ in
                "IClusterSetup"
            }
            do {
                // Octets that are no text, and an odd number of them: a secret is not a string.
                let secret = BSTRValue.octets((0..<63).map { _ in UInt8.random(in: .min ... .max) })
                try await step("ConfigSvcSecret", 3) {
                    try await setup.configureSecret(secret)
                } result: {
                    "63 random octets, stored durably"
                }
                try await step("RetrieveSvcSecret", 4) {
                    guard try await setup.retrieveSecret() == secret else {
                        throw CommandFailure("another secret came back")
                    }
                } result: {
                    "the same octets"
                }
                try await step("RetrieveHostLabel", 5) {
                    try await setup.hostLabel()
                } result: {
                    $0
                }
            } catch {
                failures += 1
            }
            try await step("Release", nil) {
                try await setup.release()
            } result: {
                ""
            }
        } catch {
            failures += 1
        }
    }

    private func heading(_ text: String) {
        terminal.line()
        terminal.line(terminal.styled(text, .bold))
    }

    /// Takes one step and prints how it went.
    @discardableResult
    private func step<T>(
        _ name: String, _ opnum: UInt16?, _ body: () async throws -> T, result: (T) -> String
    ) async throws -> T {
        let start = clock.now
        do {
            let value = try await body()
            show(name, opnum, clock.now - start, terminal.styled("S_OK", .good), result(value))
            return value
        } catch {
            let code = (error as? any HRESULTConvertible)?.hresult.description ?? "failed"
            show(name, opnum, clock.now - start, terminal.styled(code, .bad), error is HRESULT ? "" : "\(error)")
            throw error
        }
    }

    private func show(_ name: String, _ opnum: UInt16?, _ time: Duration, _ code: String, _ detail: String) {
        let (seconds, attoseconds) = time.components
        let tenths = seconds * 10_000 + attoseconds / 100_000_000_000_000
        let milliseconds = padLeft("\(tenths / 10).\(tenths % 10) ms", 12)
        let number = padLeft(opnum.map(String.init) ?? "", 4)
        let line = "\(number)  \(padRight(name, 26))\(terminal.styled(milliseconds, .dim))  \(code)"
        terminal.line(detail.isEmpty ? line : line + "  " + detail)
    }

    private func padRight(_ text: String, _ count: Int) -> String {
        text + String(repeating: " ", count: max(0, count - text.count))
    }

    private func padLeft(_ text: String, _ count: Int) -> String {
        String(repeating: " ", count: max(0, count - text.count)) + text
    }
}
