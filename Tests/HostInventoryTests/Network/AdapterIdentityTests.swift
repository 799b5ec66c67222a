import Reservations
import Testing

@testable import HostInventory

/// What names an adapter, and for how long.
struct AdapterIdentityTests {
    private func link(_ index: UInt32, _ name: String, kind: String? = nil) -> LinkRecord {
        var link = LinkRecord(index: index, name: name)
        link.kind = kind
        return link
    }

    private func identifiers(
        _ links: [LinkRecord], _ burntIn: [UInt32: [UInt8]] = [:], host: String = "0123456789abcdef0123456789abcdef"
    ) throws -> [UInt32: HostAdapter.ID] {
        try AdapterIdentity(host: host).identifiers(
            of: links, hardware: burntIn.mapValues { AdapterHardware(permanentAddress: $0) })
    }

    /// From Python: hashlib.sha256(b"ClusPrep network adapter 1\0" + host + b"\0" + trait).digest()[:16], with the nibbles of the
    /// version and the variant set.
    @Test func goldenValues() throws {
        let links = [link(2, "eth0"), link(3, "bond0", kind: "bond")]
        let found = try identifiers(links, [2: [2, 0, 0, 0, 0, 1]])
        #expect(found[2]?.description == "0E48125E-6D7A-8B4C-AC11-899B669F542B")
        #expect(found[3]?.description == "530D7332-2190-8996-886C-F0AEEE4553F8")
    }

    @Test func hardwareKeepsItsIdentifierUnderAnotherName() throws {
        let address: [UInt8] = [2, 0, 0, 0, 0, 1]
        let before = try identifiers([link(2, "eth0")], [2: address])[2]
        #expect(try identifiers([link(7, "lan0")], [7: address])[7] == before)
        #expect(try identifiers([link(2, "eth0")], [2: [2, 0, 0, 0, 0, 2]])[2] != before)
        #expect(try identifiers([link(2, "eth0")], [2: address], host: "another")[2] != before)
    }

    @Test func whatConfigurationMakesIsKnownByItsName() throws {
        let address: [UInt8] = [2, 0, 0, 0, 0, 1]
        // A VLAN has its parent's address.
        let found = try identifiers([link(2, "eth0"), link(3, "eth0.5", kind: "vlan")], [2: address, 3: address])
        #expect(found[2] != found[3])
        #expect(try identifiers([link(9, "eth0.5", kind: "vlan")])[9] == found[3])
        #expect(try identifiers([link(9, "eth0.6", kind: "vlan")])[9] != found[3])
    }

    @Test func portsThatShareAnAddressAreToldApart() throws {
        let address: [UInt8] = [2, 0, 0, 0, 0, 1]
        let found = try identifiers([link(2, "lan1"), link(3, "lan2")], [2: address, 3: address])
        #expect(found[2] != found[3])
    }

    @Test func aHostIsKnownByItsMachineID() throws {
        let host = try FakeHost()
        func identifier() throws -> HostAdapter.ID? {
            try AdapterIdentity(files: HostFiles(root: host.root)).identifiers(of: [link(2, "eth0")], hardware: [:])[2]
        }
        let nothing = try identifier()
        host.file("/proc/sys/kernel/hostname", "node1")
        let named = try identifier()
        host.file("/etc/machine-id", "uninitialized")
        #expect(try identifier() == named && named != nothing)
        host.file("/etc/machine-id", "0123456789abcdef0123456789abcdef")
        #expect(try identifier() == identifiers([link(2, "eth0")])[2])
    }
}
