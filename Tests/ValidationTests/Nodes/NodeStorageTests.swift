import Foundation
import Synchronization
import Testing

@testable import Validation

/// The storage tests over nodes and disks that are not there.
@Suite struct NodeStorageTests {
    private func validation(_ nodes: [FakeNode], include: Set<String>? = nil) -> NodeValidation {
        var options = NodeValidationOptions()
        options.include = include
        return NodeValidation(nodes, options: options, tests: StorageTests.all)
    }

    private func report(_ nodes: [FakeNode], include: Set<String>? = nil) async -> ValidationReport {
        let validation = validation(nodes, include: include)
        return await validation.run(await validation.plan(), generator: "test")
    }

    private func nodes(_ flaws: Set<DiskFlaw> = [], count: Int = 2) -> ([FakeNode], [FakeDisk]) {
        let disks = [FakeDisk(0, flaws: flaws), FakeDisk(1)]
        return ((1...count).map { FakeNode("node\($0)", disks) }, disks)
    }

    @Test(arguments: [2, 3]) func healthyDisksPass(count: Int) async {
        let (nodes, disks) = nodes(count: count)
        let report = await report(nodes)
        #expect(
            report.verdict == .passed,
            "\(report.tests.filter { $0.verdict != .passed }.map { "\($0.id): \($0.summary)" })")
        #expect(report.tests.count == StorageTests.all.count)
        #expect(disks.flatMap(\.leftovers) == [])
        #expect(nodes.map(\.openObjects) == Array(repeating: 0, count: count))
        #expect(report.disks.map(\.identifier) == ["naa.6000000000000100", "naa.6000000000000200"])
        #expect(report.disks[0].numbers == Dictionary(uniqueKeysWithValues: nodes.map { ($0.name, 0) }))
    }

    /// Each flaw, the test that has to find it, and the method that it has to name.
    static let faults: [(DiskFlaw, String, String)] = [
        (.registrationUnseen, "persistent-reservation", "CprepDiskPRRegister3"),
        (.registrationBelievesAnyKey, "persistent-reservation", "CprepDiskPRRegister3"),
        (.reserveByOthers, "persistent-reservation", "CprepDiskPRReserve3"),
        (.writesNotKeptOut, "persistent-reservation", "CprepDiskRawWrite"),
        (.registrantsKeptOut, "persistent-reservation", "CprepDiskRawWrite"),
        (.releaseByAnybody, "persistent-reservation", "CprepDiskPRRelease3"),
        (.preemptChangesNothing, "persistent-reservation", "CprepDiskPRPreempt3"),
        (.preemptKeepsItsVictim, "persistent-reservation", "CprepDiskPRPreempt3"),
        (.clearKeepsKeys, "persistent-reservation", "CprepDiskPRClear3"),
        (.reservationOutlivesItsHolder, "persistent-reservation", "CprepDiskPRRegister3"),
        (.takenFromItsOwner, "disk-arbitration", "CprepDiskPRArbitrate"),
        (.takenFromItsOwner, "multiple-arbitration", "CprepDiskPRArbitrate"),
        (.neverGivenBack, "disk-arbitration", "CprepDiskPRArbitrate"),
        (.writesLost, "disk-failover", "CprepDiskVerifyFileData"),
        (.writesLost, "simultaneous-failover", "CprepDiskVerifyFileData"),
        (.slowToRead, "disk-access-latency", "CprepDiskRawRead"),
        (.slowToWrite, "disk-access-latency", "CprepDiskRawWrite"),
        (.fileSystemUnsupported, "file-system", "CprepDiskGetFSName"),
        (.identifierDiffers, "vital-product-data", "CprepDiskGetUniqueIds"),
        (.serialNumberDiffers, "vital-product-data", "CprepDiskGetProps3"),
        (.identifierMissing, "vital-product-data", "CprepDiskGetUniqueIds"),
        (.pathsNotCombined, "mpio-disks", "CprepDiskGetProps3"),
        (.partitionsWithoutEnd, "disk-failover", "CprepDiskOnline"),
        (.partitionsWithoutEnd, "file-system", "CprepDiskOnline"),
        (.sectorsCutShort, "disk-access-latency", "CprepDiskRawRead"),
        (.firstSectorIsFree, "disk-access-latency", "CprepDiskGetArbSectors"),
    ]

    @Test(arguments: faults) func faultsAreNamed(flaw: DiskFlaw, test: String, command: String) async throws {
        let (nodes, _) = nodes([flaw])
        let report = await report(nodes, include: [test])
        let result = try #require(report.tests.first { $0.id == test })
        let errors = result.findings.filter { $0.severity == .error }
        #expect(result.verdict == .failed, "\(result.summary)")
        #expect(errors.first?.command == command, "\(errors)")
        #expect(errors.allSatisfy { $0.advice != nil })
        #expect(report.exitStatus == 1)
    }

    @Test func everyFlawIsTried() {
        #expect(Set(Self.faults.map(\.0)) == Set(DiskFlaw.allCases))
    }

    @Test(arguments: [DiskFlaw.sectorsCutShort, .firstSectorIsFree])
    func aNodeThatMisleadsHasNothingWritten(flaw: DiskFlaw) async {
        let (nodes, disks) = nodes([flaw])
        let report = await report(nodes, include: ["disk-access-latency"])
        #expect(report.exitStatus == 1)
        #expect(disks[0].with(\.sectors).isEmpty)
    }

    // MARK: Nodes that die

    /// Each test that changes disks, and the methods in the middle of it.
    static let deaths: [(String, NodeMethod)] = [
        ("persistent-reservation", .prReserve3), ("persistent-reservation", .prPreempt3),
        ("persistent-reservation", .rawWrite),
        ("disk-arbitration", .prArbitrate), ("disk-arbitration", .stopDefense), ("multiple-arbitration", .prArbitrate),
        ("disk-failover", .writeFileData), ("disk-failover", .verifyFileData), ("disk-failover", .offline),
        ("simultaneous-failover", .online), ("simultaneous-failover", .stopDefense),
        ("disk-access-latency", .rawWrite), ("file-system", .getFSName),
    ]

    @Test(arguments: deaths, [0, 1]) func aNodeThatDiesLeavesNothing(death: (String, NodeMethod), which: Int)
        async throws
    {
        let disks = [FakeDisk(0), FakeDisk(1)]
        let isArmed = Mutex(false)
        let nodes = (0..<2).map { index in
            FakeNode("node\(index + 1)", disks) { method in
                index == which && method == death.1 && isArmed.withLock(\.self)
            }
        }
        let validation = validation(nodes, include: [death.0])
        let plan = await validation.plan()
        let report = await validation.run(plan, generator: "test") { event in
            // Not before the claims are made: it is the test in the middle of which the node dies.
            if case .step(_, let step) = event, step.text.hasPrefix("Look whether anybody else") {
                isArmed.withLock { $0 = true }
            }
        }
        let result = try #require(report.tests.first { $0.id == death.0 })
        guard nodes[which].isDead else {
            // The other node does all of that.
            #expect(result.verdict == .passed)
            return
        }
        #expect(result.verdict == .unfinished, "\(result.verdict) \(result.summary)")
        #expect(result.summary.contains("\(nodes[which].name) was lost"), "\(result.summary)")
        #expect(result.steps.contains { $0.outcome == .lost && $0.call?.name == death.1.name })
        #expect(disks.flatMap(\.leftovers) == [], "\(report.cleanup)")
        #expect(report.cleanup.allSatisfy { $0.outcome != .bad }, "\(report.cleanup)")
        #expect(report.exitStatus == 2)
    }

    @Test func whatNobodyCanUndoIsToldWithWhatToDo() async throws {
        let disks = [FakeDisk(0)]
        let nodes = (1...2).map { index in FakeNode("node\(index)", disks) }
        let validation = validation(nodes, include: ["disk-failover"])
        let report = await validation.run(await validation.plan(), generator: "test") { event in
            if case .step(_, let step) = event, step.call?.name == "CprepDiskWriteFileData" {
                for node in nodes { node.die() }
            }
        }
        #expect(report.verdict == .unfinished)
        let told = report.cleanup.filter { $0.outcome == .bad }
        #expect(told.contains { $0.text.contains("registration") || $0.text.contains("ownership") })
        #expect(told.contains { $0.text.contains("the file clusprep-validation-") })
        #expect(told.allSatisfy { $0.disk == "disk 0" && $0.detail?.contains("no node") == true })
    }

    @Test func afterTheLossOfANodeTheOthersGoOn() async throws {
        let disks = [FakeDisk(0), FakeDisk(1)]
        let nodes = (1...3).map { FakeNode("node\($0)", disks) }
        let validation = validation(nodes, include: ["persistent-reservation", "disk-arbitration"])
        let report = await validation.run(await validation.plan(), generator: "test") { event in
            if case .step(_, let step) = event, step.node == "node2", step.call?.name == "CprepDiskPRReserve3" {
                nodes[1].die()
            }
        }
        #expect(nodes[1].isDead)
        let result = try #require(report.tests.first { $0.id == "disk-arbitration" })
        #expect(result.verdict == .passed, "\(result.summary)")
        #expect(disks.flatMap(\.leftovers) == [], "\(report.cleanup)")
    }

    @Test(arguments: [NodeMethod.release, .findKey3])
    func aNodeThatIsLostAfterATestIsTold(method: NodeMethod) async throws {
        let disks = [FakeDisk(0)]
        let isArmed = Mutex(false)
        // The first node is the one that looks after a test whether anybody is registered.
        let nodes = (1...3).map { index in
            FakeNode("node\(index)", disks) { called in
                index == 1 && called == method && isArmed.withLock(\.self)
            }
        }
        let validation = validation(nodes, include: ["disk-arbitration", "disk-access-latency"])
        let report = await validation.run(await validation.plan(), generator: "test") { event in
            if case .step(_, let step) = event, step.text == "Stop defending" { isArmed.withLock { $0 = true } }
        }
        #expect(nodes[0].isDead)
        let result = try #require(report.tests.first { $0.id == "disk-arbitration" })
        #expect(result.verdict == .unfinished && result.summary.contains("node1 was lost"), "\(result.summary)")
        #expect(report.exitStatus == 2)
        #expect(disks.flatMap(\.leftovers) == [])
    }

    // MARK: Nodes that hang

    /// Whoever waits for one of these for ever fails by the limit; how long the nodes take changes nothing.
    @Test(.timeLimit(.minutes(5))) func aNodeThatHangsKeepsNobody() async throws {
        let (nodes, disks) = nodes()
        let disk = try #require(await validation(nodes).plan().testedDisks.first)
        nodes[0].stall([.prepareNodePhase2, .release])
        let answer = await NodeDiscovery(callLimit: .seconds(1)).ask(nodes[0])
        #expect(answer.node.failure != nil)

        let plan = NodePlan(nodes: [.init("node1")], disks: [disk], tests: [], unknownDisks: [], silentDisks: [:])
        let run = NodeRun(nodes: [nodes[0]], disks: [disk], plan: plan, callLimit: .seconds(1))
        let context = NodeTestContext(run: run, recorder: TestRecorder(DiskArbitrationTest().description))
        await #expect(throws: NodeFailure.self) { try await context.storage(on: nodes[0]) }
        await context.close()
        #expect(run.lost["node1"] != nil)

        run.ledger.add(.owned, disk, by: "node1")
        let steps = await NodeCleanup(run: run, evenInUse: false).putBack()
        #expect(steps.contains { $0.outcome == .bad })
        #expect(disks.flatMap(\.leftovers) == [])
    }

    @Test func aLostNodeIsNotAskedToUndoAnything() async throws {
        let calls = Mutex<[NodeMethod]>([])
        let node = FakeNode("node1", [FakeDisk(0)]) { method in
            calls.withLock { $0.append(method) }
            return false
        }
        let plan = await validation([node]).plan()
        let run = NodeRun(nodes: [node], disks: plan.disks, plan: plan)
        let context = NodeTestContext(run: run, recorder: TestRecorder(DiskArbitrationTest().description))
        _ = try await context.storage(on: node)
        run.ledger.add(.owned, plan.disks[0], by: "node1")
        run.lose("node1", because: "nothing came")
        calls.withLock { $0 = [] }
        await context.close()
        #expect(calls.withLock(\.self) == [.release])
    }

    @Test func aDiskThatSomebodyHasTakenMeanwhileIsLeftToThem() async throws {
        let (nodes, disks) = nodes()
        let plan = await validation(nodes).plan()
        let disk = try #require(plan.testedDisks.first)
        let run = NodeRun(nodes: nodes, disks: [disk], plan: plan)
        run.ledger.add(.registered, disk, by: "node1")
        run.withdraw(disk, because: "another validation is at work on it")
        try disks[0].register("somebody", 77, replacing: 0)
        let steps = await NodeCleanup(run: run, evenInUse: false).putBack()
        #expect(disks[0].with(\.keys) == ["somebody": 77])
        let told = steps.filter { $0.outcome == .bad }
        #expect(told.count == 1)
        #expect(told.allSatisfy { $0.detail?.contains("somebody else has come to use the disk") == true })
    }

    // MARK: Interrupted

    @Test(arguments: [
        "CprepDiskPRReserve3", "CprepDiskPRArbitrate", "CprepDiskWriteFileData", "CprepDiskRawWrite",
    ])
    func interruptedAnywhereItLeavesNothing(method: String) async throws {
        let (nodes, disks) = nodes()
        let validation = validation(nodes)
        let plan = await validation.plan()
        let handle = Mutex<Task<ValidationReport, Never>?>(nil)
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        let work = Task {
            for await _ in started { break }
            return await validation.run(plan, generator: "test") { event in
                if case .step(_, let step) = event, step.call?.name == method {
                    handle.withLock(\.self)?.cancel()
                }
            }
        }
        handle.withLock { $0 = work }
        continuation.yield()
        let report = await work.value
        #expect(report.verdict == .unfinished)
        #expect(report.tests.contains { $0.summary.contains("interrupted") })
        #expect(disks.flatMap(\.leftovers) == [], "\(report.cleanup)")
        #expect(nodes.map(\.openObjects) == [0, 0])
    }

    // MARK: Disks that are in use

    @Test func aDiskThatSomebodyIsRegisteredWithIsLeftAlone() async throws {
        let (nodes, disks) = nodes()
        try disks[0].register("somebody", 77, replacing: 0)
        let validation = validation(nodes)
        let plan = await validation.plan()
        #expect(plan.disks[0].exclusion?.contains("somebody is registered") == true)
        #expect(plan.testedDisks.map(\.name) == ["disk 1"])
        let report = await validation.run(plan, generator: "test")
        #expect(disks[0].with(\.keys) == ["somebody": 77])
        #expect(report.tests.first { $0.id == "list-disks" }?.verdict == .warning)
        #expect(report.tests.first { $0.id == "disk-arbitration" }?.verdict == .passed)
    }

    @Test func aReservedDiskIsTakenWhereTheUserSaysSo() async throws {
        let (nodes, disks) = nodes()
        try disks[0].register("somebody", 77, replacing: 0)
        try disks[0].reserve("somebody")
        var options = NodeValidationOptions()
        options.include = ["disk-access-latency"]
        options.evenInUse = true
        let validation = NodeValidation(nodes, options: options, tests: StorageTests.all)
        let report = await validation.run(await validation.plan(), generator: "test")
        #expect(report.tests.first { $0.id == "disk-access-latency" }?.verdict == .passed)
        #expect(disks.flatMap(\.leftovers) == [])
    }

    @Test func whereAllDisksAreInUseNothingCanBeSaid() async throws {
        let (nodes, disks) = nodes()
        for disk in disks { try disk.register("somebody", 77, replacing: 0) }
        let report = await report(nodes, include: ["disk-arbitration"])
        #expect(report.verdict == .unfinished)
        #expect(report.tests.contains { $0.summary.contains("somebody is registered with it") })
    }

    @Test func anotherValidationsClaimIsTold() async throws {
        let (nodes, disks) = nodes()
        let claim = DiskClaim(id: UUID(), host: "elsewhere.example", renewed: Date())
        try disks[0].write(claim.sector, 12, by: "x")
        let report = await report(nodes, include: ["disk-arbitration"])
        let result = try #require(report.tests.first { $0.id == "disk-arbitration" })
        #expect(result.verdict == .unfinished)
        #expect(result.summary.contains("another validation, run from elsewhere.example"))
        #expect(disks[0].read(12) == claim.sector)
        #expect(disks[1].leftovers == [])
        #expect(report.disks[0].exclusion?.contains("another validation") == true)
    }

    @Test func aClaimThatWasLeftBehindIsReplaced() async throws {
        let (nodes, disks) = nodes()
        let claim = DiskClaim(id: UUID(), host: "elsewhere.example", renewed: Date(timeIntervalSinceNow: -3600))
        try disks[0].write(claim.sector, 12, by: "x")
        let report = await report(nodes)
        #expect(report.verdict == .passed)
        #expect(disks.flatMap(\.leftovers) == [])
    }

    @Test func aClaimOfAProcessThatHasEndedIsReplaced() async throws {
        let (nodes, disks) = nodes()
        // No process has this number: it is more than Linux gives.
        try disks[0].write(DiskClaim(id: UUID(), process: .max).sector, 12, by: "x")
        let report = await report(nodes, include: ["disk-arbitration"])
        #expect(report.verdict == .passed)
        #expect(disks.flatMap(\.leftovers) == [])
    }

    /// As somebody leaves it who wrote the sector last, and then gave way.
    @Test func aClaimThatWasTakenBackByAnotherIsMadeAnew() async throws {
        let (nodes, disks) = nodes()
        let validation = validation(nodes, include: ["persistent-reservation", "disk-arbitration"])
        let report = await validation.run(await validation.plan(), generator: "test") { event in
            if case .ended(let result) = event, result.id == "persistent-reservation" {
                try? disks[0].write(FakeDisk.zeros, 12, by: "x")
            }
        }
        #expect(report.verdict == .passed)
        #expect(disks.flatMap(\.leftovers) == [])
    }

    @Test func aClaimThatAnotherHasWrittenOverEndsTheTestsOfTheDisk() async throws {
        let (nodes, disks) = nodes()
        let other = DiskClaim(id: UUID(), host: "elsewhere.example")
        let validation = validation(nodes, include: ["persistent-reservation", "disk-arbitration"])
        let report = await validation.run(await validation.plan(), generator: "test") { event in
            if case .ended(let result) = event, result.id == "persistent-reservation" {
                try? disks[0].write(other.sector, 12, by: "x")
            }
        }
        let result = try #require(report.tests.first { $0.id == "disk-arbitration" })
        #expect(result.verdict == .unfinished)
        #expect(result.summary.contains("elsewhere.example"))
        #expect(disks[0].read(12) == other.sector)
    }

    @Test func claimsAreReadAsTheyWereWritten() {
        let claim = DiskClaim(
            id: UUID(), host: "h", process: 7, place: "p", renewed: Date(timeIntervalSince1970: 1_700_000_000))
        #expect(DiskClaim(sector: claim.sector) == claim)
        #expect(claim.sector.count == 512)
        #expect(DiskClaim(sector: FakeDisk.zeros) == nil)
        #expect(DiskClaim(sector: Array("clusprep validation\nx\ny\nz\n".utf8)) == nil)
        let now = Date()
        #expect(!DiskClaim(id: UUID(), process: .max).isAlive(at: now))
        // Another machine of the same name: nothing is known of its processes.
        #expect(DiskClaim(id: UUID(), process: .max, place: "elsewhere").isAlive(at: now))
        #expect(DiskClaim(id: UUID(), process: .max, place: "").isAlive(at: now))
        let long = DiskClaim(id: UUID(), host: String(repeating: "ü", count: 1000))
        #expect(long.sector.count == 512)
    }

    @Test func twoAtOnceTellOfEachOther() async {
        for _ in 0..<20 {
            let (nodes, disks) = nodes()
            let others = nodes.map { FakeNode($0.name + "b", disks) }
            async let one = report(nodes, include: ["persistent-reservation", "disk-arbitration", "disk-failover"])
            async let two = report(others, include: ["persistent-reservation", "disk-arbitration", "disk-failover"])
            for report in await [one, two] {
                for test in report.tests {
                    // Neither takes the other for a fault of the disk.
                    #expect(test.verdict != .failed, "\(test.id): \(test.summary)")
                    if test.verdict == .unfinished {
                        let told = ["another validation", "somebody"].contains { test.summary.contains($0) }
                        #expect(told, "\(test.id): \(test.summary)")
                    }
                }
            }
            #expect(disks.flatMap(\.leftovers) == [])
        }
    }

    // MARK: Plans

    @Test func disksAreChosenByWhateverNamesThem() async {
        let (nodes, _) = nodes()
        for name in ["1", "disk 1", "naa.6000000000000200", "NAA.6000000000000200", "0x00001001"] {
            var options = NodeValidationOptions()
            options.disks = [name]
            let plan = await NodeValidation(nodes, options: options, tests: StorageTests.all).plan()
            #expect(plan.testedDisks.map(\.index) == [1], "\(name)")
            #expect(plan.unknownDisks == [])
        }
        var options = NodeValidationOptions()
        options.disks = ["7"]
        let plan = await NodeValidation(nodes, options: options, tests: StorageTests.all).plan()
        #expect(plan.unknownDisks == ["7"])
        #expect(!plan.changesDisks)
    }

    @Test func aNodeThatIsNamedTwiceIsNoPair() async {
        let disks = [FakeDisk(0)]
        let nodes = [FakeNode("node1", disks), FakeNode("192.0.2.1", disks, label: "node1"), FakeNode("node2", disks)]
        let validation = validation(nodes)
        let plan = await validation.plan()
        #expect(plan.presentNodes.map(\.name) == ["node1", "node2"])
        #expect(plan.nodes[1].failure?.contains("as node1 does") == true)
        #expect(plan.disks.map { $0.places.keys.sorted() } == [["node1", "node2"]])
        let report = await validation.run(plan, generator: "test")
        #expect(report.tests.first { $0.id == "multiple-arbitration" }?.verdict == .passed)
        #expect(report.exitStatus == 2)
    }

    @Test func disksOfTheOnlyNodeThatAnswersAreLeftAlone() async {
        let changes = Mutex(0)
        let disks = [FakeDisk(0)]
        let nodes = (1...2).map { index in
            FakeNode("node\(index)", disks) { method in
                if [.rawWrite, .prArbitrate, .online].contains(method) { changes.withLock { $0 += 1 } }
                return false
            }
        }
        nodes[1].die()
        let report = await report(nodes)
        #expect(report.disks.map(\.exclusion) == ["no other node answered that could have it, too"])
        #expect(report.tests.first { $0.id == "file-system" }?.verdict == .unfinished)
        #expect(changes.withLock(\.self) == 0)
        #expect(report.exitStatus == 2)
    }

    @Test func aNodeThatDoesNotAnswerIsTold() async {
        let (nodes, disks) = nodes()
        nodes[1].die()
        let report = await report(nodes)
        #expect(report.nodes[1].failure != nil)
        #expect(report.tests.first { $0.id == "disk-arbitration" }?.verdict == .unfinished)
        #expect(report.exitStatus == 2)
        #expect(disks.flatMap(\.leftovers) == [])
    }
}
