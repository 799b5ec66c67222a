import Reservations
import Testing

@testable import HostInventory

/// Adapters through which iSCSI targets are reached.
struct ISCSIUseTests {
    private let host: FakeHost

    init() throws {
        host = try FakeHost()
    }

    /// The names of the adapters in use. Everything in 192.0.2.0/24 is behind eth0 (2), 198.51.100.0/24 behind eth1 (3).
    private func used(portals: String...) throws -> [String] {
        let use = try ISCSIUse(files: HostFiles(root: host.root), portals: portals.compactMap { HostAddress($0) }) {
            (address) throws(HostNetworkError) in
            address.octets.starts(with: [192, 0, 2]) ? 2 : address.octets.starts(with: [198, 51, 100]) ? 3 : nil
        }
        var links = [
            LinkRecord(index: 2, name: "eth0"), LinkRecord(index: 3, name: "eth1"), LinkRecord(index: 4, name: "eth2"),
        ]
        links[2].address = [2, 0, 0, 0, 0, 0xAB]
        return links.filter(use.isUsed).map(\.name)
    }

    @Test func noneWithoutTargets() throws {
        #expect(try used().isEmpty)
    }

    @Test func targetsThatAreNamed() throws {
        #expect(try used(portals: "192.0.2.1") == ["eth0"])
        #expect(try used(portals: "203.0.113.1").isEmpty)
    }

    @Test func recordsOfOpenISCSI() throws {
        let folder = "/etc/iscsi/nodes/iqn.2024-05.net.example:disk"
        host.file(
            folder + "/198.51.100.9,3260,1/default",
            "node.name = iqn.2024-05.net.example:disk\niface.net_ifacename = <empty>")
        host.file(folder + "/storage.example,3260,1/default", "iface.iscsi_ifacename = default")
        #expect(try used() == ["eth1"])
    }

    @Test func recordsThatAreBoundToAnAdapter() throws {
        let folder = "/var/lib/iscsi/nodes/iqn.2024-05.net.example:disk"
        // Bound by name, whatever the kernel would route; and in the form of older versions, bound by address.
        host.file(folder + "/198.51.100.9,3260,1/iface0", "iface.net_ifacename = eth0")
        #expect(try used() == ["eth0"])
        host.file(folder + "/198.51.100.8,3260,1", "iface.hwaddress = 02:00:00:00:00:AB")
        #expect(try used() == ["eth0", "eth2"])
    }

    @Test func interfacesOfOpenISCSIAndOfTheFirmware() throws {
        host.file("/etc/iscsi/ifaces/default", "iface.transport_name = tcp")
        #expect(try used().isEmpty)
        host.file("/etc/iscsi/ifaces/san", "# bound\niface.net_ifacename = eth1")
        host.file("/sys/firmware/ibft/ethernet0/mac", "02:00:00:00:00:ab")
        #expect(try used() == ["eth1", "eth2"])
    }

    @Test func sessionsOfTheKernel() throws {
        host.file("/sys/class/iscsi_connection/connection1:0/persistent_address", "192.0.2.5")
        host.file("/sys/class/iscsi_host/host3/netdev", "eth2")
        host.file("/sys/class/iscsi_host/host4/netdev", "(null)")
        #expect(try used() == ["eth0", "eth2"])
    }

    @Test func theKernelTellsTheWay() throws {
        let found = try adapters(
            links: [Wire.link(2, "eth0"), Wire.link(3, "eth1")],
            addresses: [Wire.address(2, [192, 0, 2, 7], 24), Wire.address(3, [198, 51, 100, 7], 24)],
            portals: [try #require(HostAddress("192.0.2.1"))])
        #expect(found.map(\.carriesISCSI) == [true, false])
        // Storage and the nodes' own traffic should not share a network.
        #expect(found.map(\.suitsPrivateNetwork) == [false, true])
    }
}
