import ArgumentParser
import ClusPrepClient
import HostInventory

/// `clusprep network`: the network adapters of a node.
struct NetworkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network",
        abstract: "Lists network adapters as a cluster node tells of them.",
        discussion: """
            Each adapter with its state (RFC 2863), speed, hardware address, addresses, gateways, and whether it takes \
            addresses from DHCP, offers RDMA or RSS, carries iSCSI, or is fit for a private network between the nodes. \
            Nothing is changed.

            Without options, the adapters of this host. With --node, those that another node tells of.

            Examples:

              clusprep network
              clusprep network --filtered --json | jq -r '.adapters[].addresses[].address'
              clusprep network --node node2.example --user EXAMPLE\\\\admin

            The exit status is 0 where the adapters are listed, 64 for a wrong command line, and 1 for every other failure.
            """)

    @Flag(help: "Leave out what no cluster uses: loopback adapters, tunnels and the cluster software's own.")
    var filtered = false

    @Flag(help: "Print JSON: an object with the number of its schema and the list of adapters.")
    var json = false

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let listing: AdapterListing
        if let client = try options.client(), let node = options.node {
            listing = try await Self.listing(of: client, node: node, filtered: filtered)
        } else {
            do {
                listing = AdapterListing(try HostAdapters().list(), filtered: filtered)
            } catch {
                throw CommandFailure("cannot tell the network adapters of this host: \(error)")
            }
        }
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try listing.prettyJSON())
        } else {
            listing.lines(on: terminal).forEach { terminal.line($0) }
        }
    }

    /// What a node answers.
    private static func listing(
        of client: ClusPrepClient, node: String, filtered: Bool
    ) async throws -> AdapterListing {
        do {
            let network = try await client.network()
            let octets = try await network.adapterList(filtered: filtered)
            try await network.release()
            return try AdapterListing(octets: octets)
        } catch {
            throw CommandFailure("cannot get the network adapters of \(node): \(error)")
        }
    }
}
