import Synchronization
import TestSupport
import Testing

@testable import Reservations

@Suite struct MultipathTransportTests {
    private func read(_ transport: MultipathTransport) throws -> SCSIResult {
        let command = SCSICommand.read(.init(first: 0, count: 1), form: .ten)
        return try transport.execute(cdb: command.cdb, dataOut: [], dataInLength: 512)
    }

    @Test func goesThroughOnePathUntilItFails() throws {
        let image = try TemporaryImage()
        let host = try MultipathHost(image)
        for path in host.paths { _ = path.takeLog() }
        #expect(try read(host.transport).status == .good)
        #expect(host.paths.map { $0.takeLog().count } == [1, 0, 0])
        host.paths[0].isDown = true
        // The second path tells once that it was switched on.
        #expect(try read(host.transport).sense?.code == .powerOnOrReset)
        #expect(try read(host.transport).status == .good)
        #expect(host.paths.map { $0.takeLog().count } == [0, 2, 0])
        host.paths[0].isDown = false
        #expect(host.transport.probeFailedPaths() == ["path 0:1"])
        _ = host.paths.map { $0.takeLog() }
        #expect(try read(host.transport).status == .good)
        #expect(host.paths.map { $0.takeLog().count } == [0, 1, 0])
    }

    @Test(arguments: [0x040A, 0x040B, 0x040C] as [UInt16])
    func goesAroundATargetPortThatDoesNotServe(_ code: UInt16) throws {
        let image = try TemporaryImage()
        let host = try MultipathHost(image)
        let standby = SCSIResult(sense: SenseData(key: .notReady, code: .init(rawValue: code)))
        host.paths[0].answer(standby)
        _ = try host.disk.read(block: 0, count: 1)
        #expect(host.transport.failedPaths == [])
        for path in host.paths { path.answer(standby) }
        #expect(try read(host.transport) == standby)
    }

    @Test func whatTheUnitSaysIsNoReasonForAnotherPath() throws {
        let image = try TemporaryImage()
        let host = try MultipathHost(image)
        for path in host.paths { _ = path.takeLog() }
        let answers = [
            SCSIResult(sense: SenseData(key: .mediumError, code: .unrecoveredReadError)),
            SCSIResult(status: .busy), SCSIResult(status: .taskAborted),
        ]
        for answer in answers {
            host.paths[0].answer(answer)
            #expect(try read(host.transport) == answer)
        }
        #expect(host.paths.map { $0.takeLog().count } == [3, 0, 0])
    }

    @Test func aPathToAnotherUnitIsNotUsed() throws {
        let (image, other) = (try TemporaryImage(), try TemporaryImage())
        let path = CablePath(try image.unit(), name: "a")
        let transport = MultipathTransport(
            name: "unit", paths: [path, try other.settledUnit(port: 2)], probing: .whenNeeded)
        let disk = try Disk(transport: transport)
        let block = [UInt8](repeating: 1, count: 512)
        try disk.write(block: 1, block)
        path.isDown = true
        #expect(throws: SCSIError.self) { try disk.write(block: 1, block) }
        #expect(try other.disk(2).read(block: 1, count: 1) == [UInt8](repeating: 0, count: 512))
        path.isDown = false
        try disk.write(block: 1, block)
        #expect(transport.failedPaths == [other.path])
    }

    /// An array that has been given other units meanwhile.
    @Test func aPathThatComesBackToAnotherUnitStaysLost() throws {
        let image = try TemporaryImage()
        let path = FaultyTransport(try image.unit())
        let transport = MultipathTransport(
            name: "unit", paths: [path, CablePath(try image.unit(port: 2), name: "b")], probing: .whenNeeded)
        let disk = try Disk(transport: transport)
        path.inject(.failure(SCSIError.transport(name: "a", cause: FaultyTransport.Broken())), times: 1)
        _ = try disk.read(block: 0, count: 1)
        #expect(transport.failedPaths == [path.name])
        path.changeSerialNumber(to: "ANOTHER")
        #expect(transport.probeFailedPaths() == [])
        #expect(transport.failedPaths == [path.name])
    }

    /// A reset that PERSISTENT RESERVE OUT goes past is a reason to ask, too.
    @Test func aPathThatWasResetIsAskedWhoIsThere() throws {
        let image = try TemporaryImage()
        let path = FaultyTransport(try image.unit(port: 2))
        let transport = MultipathTransport(
            name: "unit", paths: [CablePath(try image.unit(), name: "a"), path], probing: .whenNeeded)
        let disk = try Disk(transport: transport)
        try disk.registerIgnoringExistingKey(key(1))
        #expect(try disk.readKeys().keys == [key(1), key(1)])
        path.changeSerialNumber(to: "ANOTHER")
        path.inject(.answer(FaultyTransport.refusal(.unitAttention, .powerOnOrReset)), times: 1)
        try disk.registerIgnoringExistingKey(key(2))
        #expect(transport.failedPaths == [path.name])
        #expect(try disk.readKeys().keys == [key(2), key(1)])
    }

    @Test func aProtectedDiskIsNotTriedThroughOtherPaths() throws {
        struct Guarded: SCSITransport {
            let name = "guarded"
            func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
                throw SCSIError.protected(name: name)
            }
        }
        let image = try TemporaryImage()
        let second = CablePath(try image.unit(), name: "second")
        let transport = MultipathTransport(name: "unit", paths: [Guarded(), second], probing: .whenNeeded)
        #expect(throws: SCSIError.self) {
            try transport.execute(cdb: SCSICommand.testUnitReady.cdb, dataOut: [], dataInLength: 0)
        }
        #expect(second.takeLog().isEmpty)
        #expect(transport.failedPaths == [])
    }

    @Test func saysHowManyPathsThereAre() throws {
        let image = try TemporaryImage()
        let host = try MultipathHost(image)
        #expect(host.transport.attachment.paths == 3)
        #expect(host.transport.attachment.isMultipath)
        #expect(host.transport.attachment.bus == .fileBackedVirtual)
        let single = MultipathTransport(name: "unit", paths: [host.paths[0]])
        #expect(single.attachment.paths == 1)
        #expect(!single.attachment.isMultipath)
    }

    @Test func looksAfterFailedPathsInTheBackground() async throws {
        let image = try TemporaryImage()
        let paths = try [1, 2].map { CablePath(try image.unit(1, port: $0), name: "path \($0)") }
        let start = ContinuousClock.now
        let elapsed = Mutex(Duration.zero)
        let transport = MultipathTransport(
            name: "unit", paths: paths,
            probing: .every(.seconds(5)) { start.advanced(by: elapsed.withLock { $0 }) })
        let disk = try Disk(transport: transport)
        paths[0].isDown = true
        try disk.testUnitReady()
        // The first look, while the cable is out; the next is due five seconds later, not before.
        try disk.testUnitReady()
        paths[0].isDown = false
        elapsed.withLock { $0 = .seconds(5) }
        while transport.failedPaths != [] {
            try disk.testUnitReady()
            await Task.yield()
        }
    }

    @Test func commandsOfManyThreadsComeToAnEnd() async throws {
        let image = try TemporaryImage()
        let host = try MultipathHost(image)
        try host.disk.register(existing: .none, new: key(0xA))
        try host.disk.reserve(key: key(0xA), type: .writeExclusive)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for block in 0..<8 as Range<UInt64> {
                group.addTask {
                    for round in 0..<20 as Range<UInt8> {
                        try host.disk.write(block: block, [UInt8](repeating: round, count: 512))
                    }
                }
            }
            group.addTask {
                host.paths[0].isDown = true
                await Task.yield()
                host.paths[0].isDown = false
                host.transport.probeFailedPaths()
            }
            try await group.waitForAll()
        }
        for block in 0..<8 as Range<UInt64> {
            #expect(try host.disk.read(block: block, count: 1) == [UInt8](repeating: 19, count: 512))
        }
    }
}
