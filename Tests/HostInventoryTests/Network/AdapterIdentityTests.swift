import Reservations
import Testing

@testable import HostInventory

/// What names an adapter, and for how long.
struct AdapterIdentityTests {
    private func link(_ index: UInt32, _ name: String, kind: String? = nil, burntIn: [UInt8] = []) -> LinkRecord {
        var link = LinkRecord(index: index, name: name)
        link.kind = kind
        link.permanentAddress = burntIn
        return link
    }

    private func identifiers(
        _ links: LinkRecord..., host: String = "0123456789abcdef0123456789abcdef"
    ) throws -> [UInt32: HostAdapter.ID] {
        try AdapterIdentity(host: host).identifiers(of: links)
    }

    /// From Python: hashlib.sha256(b"ClusPrep network adapter 1\0" + host + b"\0" + trait).digest()[:16], with the nibbles of the
    /// version and the variant set.
    @Test func goldenValues() throws {
        let found = try identifiers(link(2, "eth0", burntIn: [2, 0, 0, 0, 0, 1]), link(3, "bond0", kind: "bond"))
        #expect(found[2]?.description == "0E48125E-6D7A-8B4C-AC11-899B669F542B")
        #expect(found[3]?.description == "530D7332-2190-8996-886C-F0AEEE4553F8")
    }

    @Test func hardwareKeepsItsIdentifierUnderAnotherName() throws {
        let address: [UInt8] = [2, 0, 0, 0, 0, 1]
        let before = try identifiers(link(2, "eth0", burntIn: address))[2]
        #expect(try identifiers(link(7, "lan0", burntIn: address))[7] == before)
        #expect(try identifiers(link(2, "eth0", burntIn: [2, 0, 0, 0, 0, 2]))[2] != before)
        #expect(try identifiers(link(2, "eth0", burntIn: address), host: "another")[2] != before)
    }

    @Test func whatConfigurationMakesIsKnownByItsName() throws {
        let address: [UInt8] = [2, 0, 0, 0, 0, 1]
        // A VLAN may tell its parent's address.
        let found = try identifiers(
            link(2, "eth0", burntIn: address), link(3, "eth0.5", kind: "vlan", burntIn: address))
        #expect(found[2] != found[3])
        #expect(try identifiers(link(2, "eth0", burntIn: address))[2] == found[2])
        #expect(try identifiers(link(9, "eth0.5", kind: "vlan"))[9] == found[3])
        #expect(try identifiers(link(9, "eth0.6", kind: "vlan"))[9] != found[3])
    }

    @Test func portsThatShareAnAddressAreToldApart() throws {
        let address: [UInt8] = [2, 0, 0, 0, 0, 1]
        let found = try identifiers(link(2, "lan1", burntIn: address), link(3, "lan2", burntIn: address))
        #expect(found[2] != found[3])
    }

    @Test func aHostIsKnownByItsMachineID() throws {
        let host = try FakeHost()
        func identifier() throws -> HostAdapter.ID? {
            try AdapterIdentity(files: HostFiles(root: host.root)).identifiers(of: [link(2, "eth0")])[2]
        }
        let nothing = try identifier()
        host.file("/proc/sys/kernel/hostname", "node1")
        let named = try identifier()
        host.file("/etc/machine-id", "uninitialized")
        #expect(try identifier() == named && named != nothing)
        host.file("/etc/machine-id", "0123456789abcdef0123456789abcdef")
        #expect(try identifier() == identifiers(link(2, "eth0"))[2])
    }
}
