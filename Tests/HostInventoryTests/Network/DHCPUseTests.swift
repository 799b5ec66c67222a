import Reservations
import Testing

@testable import HostInventory

/// DHCP by the files of those who may have set an adapter up.
struct DHCPUseTests {
    private let host: FakeHost

    init() throws {
        host = try FakeHost()
    }

    private func isUsed(_ name: String = "eth0", index: UInt32 = 2, addresses: String...) -> Bool {
        DHCPUse(files: HostFiles(root: host.root)).isUsed(
            by: name, index: index, addresses: addresses.compactMap { HostAddress($0, scope: index) })
    }

    @Test func aHostWithoutAnyManager() {
        #expect(!isUsed(addresses: "192.0.2.7"))
    }

    // MARK: systemd-networkd

    @Test func aLeaseOfNetworkd() {
        host.file("/run/systemd/netif/leases/2", "ADDRESS=192.0.2.7")
        #expect(isUsed() && !isUsed("eth1", index: 3))
    }

    @Test(arguments: [
        ("DHCP=yes", true), ("DHCP=ipv6", true), ("DHCP = ipv4", true), ("DHCP=v4", true), ("DHCP=no", false),
        ("", false), ("#DHCP=yes", false), ("[DHCPv4]\nDHCP=yes", false), ("DHCP=yes\nDHCP=no", false),
    ])
    func whatNetworkdIsToldToDo(line: String, expected: Bool) {
        host.file("/run/systemd/netif/links/2", "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/a.network")
        host.file("/etc/systemd/network/a.network", "[Match]\nName=eth0\n\n[Network]\n\(line)")
        #expect(isUsed() == expected)
    }

    @Test func additionsToNetworkdsFilesHaveTheLastWord() {
        host.file(
            "/run/systemd/netif/links/2",
            "NETWORK_FILE=/etc/systemd/network/a.network\nNETWORK_FILE_DROPINS=\"/etc/x.conf /etc/y.conf\"")
        host.file("/etc/systemd/network/a.network", "[Network]\nDHCP=no")
        host.file("/etc/x.conf", "[Network]\nDHCP=yes")
        #expect(isUsed())
        host.file("/etc/y.conf", "[Network]\nDHCP=no")
        #expect(!isUsed())
    }

    // MARK: NetworkManager

    @Test(arguments: [
        ("auto", "auto", true), ("manual", "dhcp", true), ("manual", "auto", false), ("disabled", "ignore", false),
    ])
    func connectionsOfNetworkManager(v4: String, v6: String, expected: Bool) {
        host.file("/run/NetworkManager/devices/2", "[device]\nmanaged=true\nconnection-uuid=u-1")
        host.file(
            "/etc/NetworkManager/system-connections/lan.nmconnection",
            "[connection]\nid=lan\nuuid=u-1\n[ipv4]\nmethod=\(v4)\n[ipv6]\nmethod=\(v6)")
        host.file(
            "/etc/NetworkManager/system-connections/other.nmconnection", "[connection]\nuuid=u-2\n[ipv4]\nmethod=auto")
        #expect(isUsed() == expected)
        #expect(!isUsed("eth1", index: 3))
    }

    @Test func leasesOfNetworkManager() {
        host.file("/run/NetworkManager/devices/2", "[device]\nconnection-uuid=u-1")
        host.file("/var/lib/NetworkManager/internal-u-2-eth0.lease", "ADDRESS=192.0.2.7")
        #expect(!isUsed())
        host.file("/var/lib/NetworkManager/internal-u-1-eth0.lease", "ADDRESS=192.0.2.7")
        #expect(isUsed())
        // A connection that has become a static one keeps its old lease on disk.
        host.file(
            "/run/NetworkManager/system-connections/x.nmconnection", "[connection]\nuuid=u-1\n[ipv4]\nmethod=manual")
        #expect(!isUsed())
    }

    // MARK: ifupdown and dhclient

    @Test func descriptionsOfIfupdown() {
        host.file(
            "/etc/network/interfaces",
            "auto lo eth0\niface lo inet loopback\n  iface eth0 inet dhcp\niface eth1 inet static")
        #expect(isUsed() && !isUsed("eth1") && !isUsed("lo"))
        // What it has not brought up is not set up by it.
        host.file("/run/network/ifstate", "lo=lo")
        #expect(!isUsed())
        host.file("/run/network/ifstate", "lo=lo\neth0=eth0")
        #expect(isUsed())
        // `ifup eth1=eth0` uses the description of another name.
        host.file("/run/network/ifstate", "eth1=eth0")
        #expect(isUsed("eth1") && !isUsed())
    }

    @Test func filesThatIfupdownDrawsIn() {
        host.file(
            "/etc/network/interfaces",
            "source /etc/network/interfaces.d/*.conf\nsource-directory more\nsource /etc/network/interfaces")
        host.file("/etc/network/interfaces.d/a.conf", "iface eth0 \\\n inet6 dhcp")
        host.file("/etc/network/interfaces.d/b.conf~", "iface eth1 inet dhcp")
        host.file("/etc/network/more/c", "iface eth2 inet dhcp")
        host.file("/etc/network/more/d.dpkg-old", "iface eth3 inet dhcp")
        #expect(isUsed("eth0") && !isUsed("eth1") && isUsed("eth2") && !isUsed("eth3"))
    }

    @Test func leasesOfDHClient() {
        host.file(
            "/var/lib/dhcp/dhclient.leases",
            """
            lease {
              interface "eth0";
              fixed-address 192.0.2.6;
              option host-name "a } lease {";
            }
            lease {
              interface "eth0";
              fixed-address 192.0.2.7;
              expire 2 2024/05/07 09:00:00;
            }
            """)
        host.file(
            "/var/lib/dhcp/dhclient6.eth0.leases",
            """
            lease6 {
              interface "eth0";
              ia-na 00:00:00:01 {
                starts 1;
                iaaddr 2001:db8::7 {
                  max-life 7200;
                }
              }
            }
            """)
        #expect(isUsed(addresses: "192.0.2.7"))
        #expect(isUsed(addresses: "2001:db8::7"))
        // The lease before the last one is history; so is one whose address the adapter does not have.
        #expect(!isUsed(addresses: "192.0.2.6", "2001:db8::8"))
        #expect(!isUsed("eth1", index: 3, addresses: "192.0.2.7"))
    }

    @Test(arguments: [
        "lease {", "}}}}", "lease { interface", "\"", "lease {\n interface \"eth0\";\n fixed-address x;\n}",
    ])
    func brokenLeases(text: String) {
        host.file("/var/lib/dhcp/dhclient.leases", text)
        #expect(!isUsed(addresses: "192.0.2.7"))
    }
}
