import Reservations
import Testing

@testable import HostInventory

/// What sysfs tells of adapters. The drivers are this host's own, which has none of these names.
struct KernelHardwareTests {
    @Test func sysfs() throws {
        let host = try FakeHost()
        func link(_ index: UInt32, _ name: String) -> LinkRecord {
            var link = LinkRecord(index: index, name: name)
            link.address = [2, 0, 0, 0, 0, UInt8(index)]
            host.file("/sys/class/net/\(name)/ifindex", "\(index)")
            host.file("/sys/class/net/\(name)/address", "02:00:00:00:00:0\(index)")
            return link
        }
        var links = [link(2, "none-such-a"), link(3, "none-such-b"), link(4, "none-such-c"), link(5, "none-such-d")]
        host.makeFolder("/sys/class/net/none-such-a/phy80211")
        host.makeFolder("/sys/class/net/none-such-b/device/infiniband/mlx5_0")
        host.file("/sys/class/infiniband/rxe0/ports/1/gid_attrs/ndevs/0", "none-such-c")
        // Of another namespace: the same name and index, another address.
        links[3].address = [2, 0, 0, 0, 0, 9]
        host.makeFolder("/sys/class/net/none-such-d/wireless")
        let found = try KernelHardware(files: HostFiles(root: host.root)).hardware(of: links)
        #expect(links.map { found[$0.index]?.isWireless } == [true, false, false, false])
        #expect(links.map { found[$0.index]?.hasRDMA } == [false, true, true, false])
        #expect(found.values.allSatisfy { $0.speed == 0 })
    }
}
