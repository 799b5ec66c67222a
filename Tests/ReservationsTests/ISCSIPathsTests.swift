import TestSupport
import Testing

@testable import Reservations

/// One target by several portals.
@Suite(.offThePool, .enabled(if: TargetDaemon.isInstalled, "install tgt"), .serialized) struct ISCSIPathsTests {
    private static let block = [UInt8](repeating: 0x33, count: 512)

    private func disk(_ cables: [FakeCable], node: Int = 1) throws -> Disk {
        let portals = cables.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
        return try Disk(
            transport: TargetOpener(initiator: .node("node\(node)")).open(
                DiskTarget(parsing: "iscsi://\(portals)/iqn.2024-01.net.example:tests/1")))
    }

    @Test func everyPathIsANexusOfItsOwn() throws {
        let target = try TargetDaemon()
        let cables = [try FakeCable(to: target.port), try FakeCable(to: target.port)]
        let disk = try disk(cables)
        #expect(disk.transport.attachment.paths == 2)
        #expect(disk.transport.attachment.isMultipath)
        #expect(disk.transport.attachment.bus == .iSCSI)
        try disk.registerIgnoringExistingKey(key(0xA))
        // Both sessions stand, though both portals are of one target portal group.
        #expect(try target.sessionCount() == 2)
        #expect(try disk.readKeys().keys == [key(0xA), key(0xA)])
        try disk.reserve(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try disk.write(block: 0, Self.block)
        try disk.release(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try disk.registerIgnoringExistingKey(.none)
        #expect(try disk.readKeys().keys.isEmpty)
    }

    @Test func aPathThatFailsIsReplaced() throws {
        let target = try TargetDaemon()
        var cables = [try FakeCable(to: target.port), try FakeCable(to: target.port)]
        let disk = try disk(cables)
        try disk.registerIgnoringExistingKey(key(0xA))
        try disk.reserve(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        // The first cable goes for good: nobody listens there any more.
        cables.removeFirst()
        try disk.write(block: 7, Self.block)
        #expect(try disk.read(block: 7, count: 1) == Self.block)
        let other = try Disk(transport: ISCSITransport(node: 2, port: target.port))
        do {
            try other.write(block: 7, Self.block)
            Issue.record("the reservation went with the path")
        } catch SCSIError.reservationConflict {}
        #expect(try other.readKeys().keys.contains(key(0xA)))
    }

    @Test func aPreemptedNodeComesBackByNoPath() throws {
        let target = try TargetDaemon()
        let cables = [try FakeCable(to: target.port), try FakeCable(to: target.port)]
        let disk = try disk(cables)
        try disk.registerIgnoringExistingKey(key(0xA))
        try disk.reserve(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        let other = try Disk(transport: ISCSITransport(node: 2, port: target.port))
        try other.registerIgnoringExistingKey(key(0xB))
        cables.forEach { $0.cutNow() }
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        // That the registration is gone is told once, and is no reason to try another path.
        #expect(iscsiFailure { try disk.write(block: 7, Self.block) } == .registrationLost)
        do {
            try disk.write(block: 7, Self.block)
            Issue.record("a pre-empted node could write")
        } catch SCSIError.reservationConflict {}
        #expect(try other.readKeys().keys == [key(0xB)])
    }

    @Test func everyUnitAndPathHasAnInitiatorPortOfItsOwn() throws {
        let portals = try ["a", "b", "c", "d", "e", "f", "g", "h"].map { try ISCSIPortal(parsing: $0) }
        var seen: Set<UInt32> = [ISCSITarget.initiatorPorts]
        for unit: UInt16 in [0, 1, 8191, 8192, 16383] {
            let target = try #require(ISCSITarget(portals: portals, name: "iqn.2024-01.net.example:a", unit: unit))
            for path in portals.indices { #expect(seen.insert(target.initiatorPort(path: path)).inserted) }
        }
        #expect(seen.max() == ISCSITarget.initiatorPorts)
    }

    @Test func portsDifferInWhatIsTheNodesToChoose() {
        let node = InitiatorIdentity.node("node1")
        #expect(node.port(0) == node)
        #expect(node.port(3).name == node.name)
        #expect(node.port(3).sessionID == node.sessionID + 3)
        // Random: all but the first octet. Registered with IANA: the last two.
        let random = InitiatorIdentity(name: "iqn.2024-01.net.example:a", sessionID: 0x80FF_FFFF_FFFF)
        #expect(random?.port(1).sessionID == 0x8000_0000_0000)
        let registered = InitiatorIdentity(name: "iqn.2024-01.net.example:a", sessionID: 0x4000_1234_FFFF)
        #expect(registered?.port(1).sessionID == 0x4000_1234_0000)
    }

    @Test func unitsOfOneTargetDoNotDisturbEachOther() throws {
        let target = try TargetDaemon(units: 2)
        let opener = TargetOpener(initiator: .node("node1"))
        let disks = try [1, 2].map { try Disk(transport: opener.open(DiskTarget(parsing: target.url(unit: $0)))) }
        #expect(try target.sessionCount() == 2)
        for (number, disk) in disks.enumerated() {
            try disk.registerIgnoringExistingKey(key(UInt64(number + 1)))
            try disk.write(block: 0, [UInt8](repeating: UInt8(number + 1), count: 512))
        }
        for (number, disk) in disks.enumerated() {
            #expect(try disk.read(block: 0, count: 1)[0] == UInt8(number + 1))
            #expect(try disk.readKeys().keys == [key(UInt64(number + 1))])
        }
    }
}
