import Foundation
import TestSupport
import Testing

@testable import Reservations

/// iSCSI against tgtd, a target of other people's making.
@Suite(.offThePool, .enabled(if: TargetDaemon.isInstalled, "install tgt"), .serialized) struct ISCSITests {
    private static let opener = TargetOpener(initiator: .node("node1"))

    private func disk(_ target: TargetDaemon, node: Int = 1, unit: Int = 1) throws -> Disk {
        let opener = TargetOpener(initiator: .node("node\(node)"))
        return try Disk(transport: opener.open(DiskTarget(parsing: target.url(unit: unit))))
    }

    @Test func readsAndWrites() throws {
        let target = try TargetDaemon()
        let disk = try disk(target)
        #expect(disk.blockSize == 512)
        #expect(disk.blockCount == 32768)
        #expect(disk.inquiry.vendor == "IET")
        // More than one command, one burst and one segment, and not a multiple of any of them.
        let data = (0..<(3 << 20) + 512).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 9) }
        try disk.write(block: 11, data)
        try disk.flush()
        #expect(try disk.read(block: 11, count: data.count / 512) == data)
        let image = try Data(contentsOf: URL(fileURLWithPath: target.image()))
        #expect(image[(11 * 512)..<(11 * 512 + data.count)].elementsEqual(data))
    }

    @Test func namesThePathAndTheBus() throws {
        let target = try TargetDaemon(units: 2)
        let transport = try Self.opener.open(DiskTarget(parsing: target.url(unit: 2, options: "timeout=7")))
        #expect(transport.name == "iscsi://127.0.0.1:\(target.port)/\(target.name)/2")
        #expect(transport.attachment.bus == .iSCSI)
        #expect(transport.attachment.address == .init(unit: 2))
        #expect(transport.attachment.adapter == "iSCSI initiator (libiscsi)")
        #expect(transport.attachment.paths == 1)
        #expect(!transport.attachment.isMultipath)
    }

    @Test func passesUnitAttentionsUp() throws {
        let target = try TargetDaemon()
        let transport = try ISCSITransport(port: target.port)
        let first = try transport.send(.testUnitReady)
        #expect(first.status == .checkCondition)
        #expect(first.sense == SenseData(key: .unitAttention, code: .powerOnOrReset))
        #expect(try transport.send(.testUnitReady).status == .good)
    }

    @Test func readsSenseData() throws {
        let target = try TargetDaemon()
        let disk = try disk(target)
        let beyond = try disk.transport.execute(
            cdb: SCSICommand.read(.init(first: 40000, count: 1), form: .ten).cdb, dataOut: [], dataInLength: 512)
        #expect(beyond.status == .checkCondition)
        #expect(beyond.sense?.key == .illegalRequest)
        #expect(beyond.sense?.code == .blockAddressOutOfRange)
        #expect(beyond.data.isEmpty)
    }

    @Test func cutsWhatTheTargetDidNotSend() throws {
        let target = try TargetDaemon()
        let disk = try disk(target)
        let inquiry = try disk.transport.execute(
            cdb: SCSICommand.inquiry(page: nil, allocationLength: 36).cdb, dataOut: [], dataInLength: 4096)
        #expect(inquiry.data.count == 36)
        let none = try disk.transport.execute(cdb: SCSICommand.testUnitReady.cdb, dataOut: [], dataInLength: 0)
        #expect(none == SCSIResult(status: .good))
    }

    @Test func reservationsConflictBetweenInitiators() throws {
        let target = try TargetDaemon()
        let (first, second) = (try disk(target, node: 1), try disk(target, node: 2))
        let block = [UInt8](repeating: 0xA5, count: 512)
        try first.registerIgnoringExistingKey(key(0xA))
        try first.reserve(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        #expect(try second.readReservation().holder == .init(key: key(0xA), type: .writeExclusiveRegistrantsOnly))
        #expect(throws: SCSIError.self) { try second.write(block: 0, block) }
        #expect(throws: SCSIError.self) { try second.reserve(key: key(0xB), type: .writeExclusiveRegistrantsOnly) }
        #expect(try second.read(block: 0, count: 1).count == 512)
        try first.write(block: 0, block)
        try second.registerIgnoringExistingKey(key(0xB))
        try second.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        #expect(try second.readKeys().keys == [key(0xB)])
        do {
            try first.write(block: 0, block)
            Issue.record("a pre-empted node could write")
        } catch SCSIError.reservationConflict {}
    }

    @Test func ownershipPassesFromNodeToNode() async throws {
        let target = try TargetDaemon()
        let executor = BlockingExecutor(threads: 2)
        let clock = ManualClock()
        let disks = (try disk(target, node: 1), try disk(target, node: 2))
        let first = DiskOwnership(
            disk: disks.0, key: key(0xA), executor: executor, clock: clock, commandClock: ManualClock())
        let second = DiskOwnership(
            disk: disks.1, key: key(0xB), executor: executor, clock: clock, commandClock: ManualClock())
        try await first.arbitrate()
        #expect(await first.isOwned)
        try disks.0.write(block: 5, [UInt8](repeating: 1, count: 512))
        #expect(throws: SCSIError.self) { try disks.1.write(block: 5, [UInt8](repeating: 2, count: 512)) }
        try await first.stopDefense()
        #expect(try disks.1.readKeys().keys.isEmpty)
        try await second.arbitrate()
        #expect(await second.isOwned)
        #expect(throws: SCSIError.self) { try disks.0.write(block: 5, [UInt8](repeating: 3, count: 512)) }
        try await second.stopDefense()
    }

    @Test func headersCarryTheirChecksum() throws {
        let target = try TargetDaemon(parameters: ["HeaderDigest": "CRC32C"])
        let transport = try ISCSITransport(port: target.port, options: "header-digest=crc32c")
        let disk = try Disk(transport: transport)
        try disk.write(block: 0, [UInt8](repeating: 7, count: 65536))
        #expect(try disk.read(block: 0, count: 128) == [UInt8](repeating: 7, count: 65536))
    }

    @Test func aTargetWithoutHeaderDigestsIsRefusedWhereTheyAreAskedFor() throws {
        let target = try TargetDaemon()
        #expect(
            iscsiFailure { try ISCSITransport(port: target.port, options: "header-digest=crc32c").connect() }
                == .headerDigestRefused)
        try ISCSITransport(port: target.port, options: "header-digest=none").connect()
    }

    @Test func nobodyAndNothingThere() throws {
        let target = try TargetDaemon()
        let opener = Self.opener
        #expect(throws: ISCSIError.self) {
            try opener.open(DiskTarget(parsing: "iscsi://127.0.0.1:\(target.port)/iqn.2024-01.net.example:none/1"))
        }
        // A unit the target does not have is told by its own answers.
        let missing = try opener.open(DiskTarget(parsing: target.url(unit: 9)))
        #expect(throws: SCSIError.self) { try Disk(transport: missing) }
        target.kill()
        #expect(throws: ISCSIError.self) { try opener.open(DiskTarget(parsing: target.url())) }
        #expect(throws: ISCSIError.self) {
            try opener.open(DiskTarget(parsing: "iscsi://no-such-host.invalid/iqn.2024-01.net.example:a/1"))
        }
    }

    @Test func sessionsAreNotLeaked() throws {
        let target = try TargetDaemon()
        for _ in 0..<20 { _ = try disk(target) }
        // tgtd hears of the end of the last one when it next looks at its sockets, which it does before it answers.
        #expect(try target.sessionCount() == 0)
        for _ in 0..<20 { _ = try disk(target) }
        // Of this target alone: other tests open and close files meanwhile.
        #expect(try Self.connections(to: target.port) == 0)
    }

    /// The connections to a port of this machine that this end has not closed: ESTABLISHED (01) and CLOSE_WAIT (08).
    private static func connections(to port: UInt16) throws -> Int {
        guard let file = fopen("/proc/self/net/tcp", "r") else { throw POSIXError(.ENOENT) }
        defer { fclose(file) }
        let digits = String(port, radix: 16, uppercase: true)
        let suffix = ":" + String(repeating: "0", count: 4 - digits.count) + digits
        var line = [CChar](repeating: 0, count: 512)
        var count = 0
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let fields = text.split(separator: " ")
            if fields.count > 3, fields[2].hasSuffix(suffix), ["01", "08"].contains(fields[3]) { count += 1 }
        }
        return count
    }
}

/// Who is let in, and by whom.
@Suite(.offThePool, .enabled(if: TargetDaemon.isInstalled, "install tgt"), .serialized) struct ISCSIAuthenticationTests
{
    private static let account = TargetDaemon.Account(user: "node1", password: "in-secret-12345")
    private static let outgoing = TargetDaemon.Account(user: "storage", password: "out-secret-1234", isOutgoing: true)

    private func connect(_ target: TargetDaemon, _ secret: ISCSISecret?) throws {
        try ISCSITransport(port: target.port, secret: secret).connect()
    }

    private func secret(_ password: String = "in-secret-12345", target: String? = nil) -> ISCSISecret {
        ISCSISecret(
            user: "node1", password: password, targetUser: target == nil ? nil : "storage", targetPassword: target)
    }

    @Test func oneWay() throws {
        let target = try TargetDaemon(accounts: [Self.account])
        try connect(target, secret())
        #expect(iscsiFailure { try connect(target, secret("wrong-secret-12")) } == .notAuthenticated(hasSecret: true))
        #expect(iscsiFailure { try connect(target, nil) } == .notAuthenticated(hasSecret: false))
    }

    @Test func bothWays() throws {
        let target = try TargetDaemon(accounts: [Self.account, Self.outgoing])
        try connect(target, secret(target: "out-secret-1234"))
        #expect(iscsiFailure { try connect(target, secret(target: "not-that-secret")) } == .targetNotAuthenticated)
        #expect(iscsiFailure { try connect(target, secret("wrong", target: "out-secret-1234")) } != nil)
    }

    @Test func aTargetThatCannotProveItselfIsRefused() throws {
        let target = try TargetDaemon(accounts: [Self.account])
        #expect(iscsiFailure { try connect(target, secret(target: "out-secret-1234")) } != nil)
        let open = try TargetDaemon()
        #expect(iscsiFailure { try connect(open, secret(target: "out-secret-1234")) } == .targetNotAuthenticated)
    }

    @Test func theCredentialsFileIsUsed() throws {
        let target = try TargetDaemon(accounts: [Self.account, Self.outgoing])
        let json = """
            { "\(target.name)": { "user": "node1", "password": "in-secret-12345",
              "targetUser": "storage", "targetPassword": "out-secret-1234" } }
            """
        let lines = LogLines()
        let opener = TargetOpener(
            initiator: .node("node1"), credentials: try ISCSICredentials(json: Array(json.utf8), path: "x"),
            log: lines.sink)
        let disk = try Disk(transport: opener.open(DiskTarget(parsing: target.url())))
        #expect(disk.blockCount == 32768)
        #expect(!lines.lines.joined().contains("secret"))
    }
}

/// What portals tell of themselves.
@Suite(.offThePool, .enabled(if: TargetDaemon.isInstalled, "install tgt"), .serialized) struct ISCSIDiscoveryTests {
    @Test func findsTargetsAndUnits() throws {
        let target = try TargetDaemon(units: 2)
        let portal = try ISCSIPortal(parsing: "127.0.0.1:\(target.port)")
        let found = try ISCSIDiscovery.targets(at: portal, initiator: .node("node1"))
        let only = try #require(found.first)
        #expect(found.count == 1)
        #expect(only.name == target.name)
        #expect(only.portals == [portal])
        #expect(only.problem == nil)
        // tgtd's unit 0 is a storage array controller (0Ch), not a disk.
        #expect(only.units.map(\.number) == [0, 1, 2])
        #expect(only.units.map(\.isDisk) == [false, true, true])
        #expect(only.units.map(\.deviceType) == [0x0C, 0, 0])
        #expect(only.units[1].product == "IET VIRTUAL-DISK")
    }

    @Test func disksBehindPortals() async throws {
        let target = try TargetDaemon(units: 2)
        let gone = try TargetDaemon()
        gone.kill()
        let portals = try [gone.port, target.port].map { try ISCSIPortal(parsing: "127.0.0.1:\($0)") }
        let (found, problems) = await ISCSIDiscovery.disks(
            behind: portals, initiator: .node("node1"), executor: BlockingExecutor(threads: 1))
        // Unit 0 is no disk.
        #expect(
            found.map(\.description) == [1, 2].map { "iscsi://127.0.0.1:\(target.port)/\(target.name)/\($0)" })
        #expect(
            problems.count == 1
                && problems[0].hasPrefix("cannot discover targets behind 127.0.0.1:\(gone.port): "), "\(problems)")
    }

    @Test func looksWithoutEndingTheNodesOwnSession() throws {
        let target = try TargetDaemon()
        let disk = try Disk(
            transport: TargetOpener(initiator: .node("node1")).open(DiskTarget(parsing: target.url())))
        try disk.registerIgnoringExistingKey(key(0xA))
        _ = try ISCSIDiscovery.targets(
            at: ISCSIPortal(parsing: "127.0.0.1:\(target.port)"), initiator: .node("node1"))
        let again = try disk.transport.execute(
            cdb: SCSICommand.testUnitReady.cdb, dataOut: [], dataInLength: 0)
        // A new session would begin with a unit attention.
        #expect(again.status == .good)
    }

    @Test func saysWhyATargetCannotBeLookedInto() throws {
        let target = try TargetDaemon(accounts: [.init(user: "node1", password: "in-secret-12345")])
        let portal = try ISCSIPortal(parsing: "127.0.0.1:\(target.port)")
        let closed = try #require(try ISCSIDiscovery.targets(at: portal, initiator: .node("node1")).first)
        #expect(closed.units.isEmpty)
        #expect(closed.problem?.contains("credentials file") == true)
        let json = #"{ "\#(target.name)": { "user": "node1", "password": "in-secret-12345" } }"#
        let opened = try ISCSIDiscovery.targets(
            at: portal, initiator: .node("node1"),
            credentials: ISCSICredentials(json: Array(json.utf8), path: "x"))
        #expect(opened.first?.units.count == 2)
    }

    @Test func aPortalThatIsNotThere() throws {
        let target = try TargetDaemon()
        target.kill()
        #expect(throws: ISCSIError.self) {
            try ISCSIDiscovery.targets(at: ISCSIPortal(parsing: "127.0.0.1:\(target.port)"), initiator: .node("node1"))
        }
    }

    @Test func readsAddresses() {
        #expect(ISCSIDiscovery.portal("10.0.0.1:3261,1")?.description == "10.0.0.1:3261")
        #expect(ISCSIDiscovery.portal("[fe80::1]:3260,2")?.description == "[fe80::1]")
        #expect(ISCSIDiscovery.portal("10.0.0.1")?.port == 3260)
        #expect(ISCSIDiscovery.portal(":3260,1") == nil)
        #expect(ISCSIDiscovery.portal("") == nil)
    }

    @Test func readsListsOfUnits() {
        // SPC-3 6.21: the length, four reserved octets, eight octets for each unit.
        let list = octets(
            """
            00 00 00 28 00 00 00 00  00 00 00 00 00 00 00 00  00 07 00 00 00 00 00 00
            41 00 00 00 00 00 00 00  C1 01 00 00 00 00 00 00  01 02 00 00 00 00 00 00
            """)
        // 41 00 is flat space addressing of 256; C1 01 a well-known unit; 01 02 a unit on another bus.
        #expect(ISCSIDiscovery.numbers(list) == [0, 7, 256])
        #expect(ISCSIDiscovery.numbers([]).isEmpty)
        #expect(ISCSIDiscovery.numbers(octets("FF FF FF FF 00 00 00 00 00 01 00 00 00 00 00 00 00")) == [1])
    }
}
