import Foundation

/// Whether nodes, and the disks that they share, are fit for a failover cluster: found out over MS-CSVP, from any machine.
///
/// First ``plan()``, which changes nothing; then ``run(_:generator:progress:)``, which does what the plan says and puts everything back.
public struct NodeValidation: Sendable {
    /// The tests, in the order in which they are run.
    public static var tests: [TestDescription] { all.map(\.description) }

    static var all: [any NodeTest] {
        InventoryTests.all + NetworkTests.all + StorageTests.all + SystemConfigurationTests.all
            + ClusterConfigurationTests.all
    }

    /// Whether `--include` and `--exclude` may name it: a test by its identifier or its name, or a category.
    public static func isKnown(_ name: String) -> Bool { tests.contains { $0.goes(by: name) } }

    private let nodes: [any ValidatedNode]
    private let options: NodeValidationOptions
    private let registry: [any NodeTest]

    /// A validation that has not begun.
    ///
    /// - Parameter nodes: no two of the same name.
    public init(nodes: [RemoteNode], options: NodeValidationOptions = NodeValidationOptions()) {
        self.init(nodes, options: options, tests: Self.all)
    }

    init(_ nodes: [any ValidatedNode], options: NodeValidationOptions, tests: [any NodeTest]) {
        self.nodes = nodes
        self.options = options
        registry = tests
    }

    // MARK: Before

    /// Asks the nodes who they are and what disks they have, all at the same time; changes nothing.
    public func plan() async -> NodePlan {
        let discovery = NodeDiscovery(callLimit: options.callLimit)
        let found = await withTaskGroup(of: (Int, NodeDiscovery.Answer).self) { group in
            for (index, node) in nodes.enumerated() {
                group.addTask { (index, await discovery.ask(node)) }
            }
            var found: [(Int, NodeDiscovery.Answer)] = []
            for await answer in group { found.append(answer) }
            return found
        }
        var answers = found.sorted { $0.0 < $1.0 }.map(\.1)
        NodeDiscovery.refuseTwins(&answers)
        let present = answers.count { $0.node.failure == nil }
        var disks = NodeDiscovery.recognise(answers)
        let wanted = options.disks
        let unknown = (wanted ?? []).filter { name in !disks.contains { $0.goes(by: name) } }
        for index in disks.indices {
            disks[index].exclusion =
                NodeDiscovery.exclusion(of: disks[index], nodes: nodes.count, present: present, wanted: wanted)
                ?? (disks[index].isInUse && !options.evenInUse
                    ? "it is in use: somebody is registered with it, a cluster or another validation" : nil)
        }
        return NodePlan(
            nodes: answers.map(\.node), disks: disks, tests: chosen.map(\.description), unknownDisks: unknown,
            silentDisks: Dictionary(answers.map { ($0.node.name, $0.silent) }) { first, _ in first })
    }

    private var chosen: [any NodeTest] {
        registry.filter { test in
            (options.include?.contains { test.description.goes(by: $0) } ?? true)
                && !options.exclude.contains { test.description.goes(by: $0) }
        }
    }

    // MARK: The run

    /// Runs the tests of the plan and puts everything back.
    ///
    /// A cancelled task ends the test at its next call, skips the others, and puts everything back all the same.
    ///
    /// - Parameters:
    ///   - plan: what ``plan()`` found.
    ///   - progress: told of each test as it begins and ends, and of each step.
    public func run(
        _ plan: NodePlan, generator: String, progress: @escaping @Sendable (ValidationProgress) -> Void = { _ in }
    ) async -> ValidationReport {
        let clock = ContinuousClock()
        let start = clock.now
        var report = ValidationReport(generator: generator, began: Date(), nodes: plan.nodes)
        let absent = Set(plan.nodes.filter { $0.failure != nil }.map(\.name))
        let run = NodeRun(
            nodes: nodes.filter { !absent.contains($0.name) }, disks: plan.testedDisks, plan: plan,
            callLimit: options.callLimit)
        let guardian = DiskGuard(run: run, evenInUse: options.evenInUse)
        let names = Set(plan.tests.map(\.id))
        for test in registry {
            let began = (clock.now - start).milliseconds
            let description = test.description
            let result: TestResult
            if !names.contains(description.id) {
                result = description.withoutResult(.excluded, "It was not asked for.")
            } else if Task.isCancelled {
                result = description.withoutResult(.unfinished, "The validation was interrupted before.")
            } else if let reason = hindrance(to: test, run, plan) {
                result = reason
            } else {
                progress(.began(description))
                result = await perform(test, run, guardian, began: began) { progress(.step(description, $0)) }
            }
            report.tests.append(result)
            progress(.ended(result))
        }
        report.cleanup = await NodeCleanup(run: run, evenInUse: options.evenInUse).putBack()
        report.disks = plan.disks.map { disk in
            ValidationReport.Disk(
                disk.name, identifier: disk.identifier?.text ?? disk.label, numbers: disk.places.mapValues(\.number),
                exclusion: disk.exclusion ?? run.withdrawal(of: disk))
        }
        report.took = (clock.now - start).milliseconds
        return report
    }

    /// Why a test has nothing to work with; nil where it has.
    private func hindrance(to test: any NodeTest, _ run: NodeRun, _ plan: NodePlan) -> TestResult? {
        let description = test.description
        let present = run.presentNodes.count
        if present < test.leastNodes {
            if nodes.count < test.leastNodes {
                return description.withoutResult(
                    .notApplicable, "It takes \(test.leastNodes) nodes; \(nodes.count) was named.")
            }
            let gone = nodes.map(\.name).filter { name in !run.presentNodes.contains { $0.name == name } }
            return description.withoutResult(
                .unfinished,
                "Too few nodes answer: it takes \(test.leastNodes). No answer from \(gone.joined(separator: ", ")).")
        }
        guard test.needsDisks, run.presentDisks.isEmpty else { return nil }
        let withdrawn = run.disks.compactMap { disk in run.withdrawal(of: disk).map { "\(disk.name): \($0)." } }
        if !withdrawn.isEmpty { return description.withoutResult(.unfinished, withdrawn.joined(separator: " ")) }
        let excluded = plan.disks.filter { $0.exclusion != nil }
        if excluded.contains(where: \.isInUse) || !excluded.isEmpty && plan.nodes.contains(where: { $0.failure != nil })
        {
            let reasons = excluded.compactMap { disk in disk.exclusion.map { "\(disk.name): \($0)." } }
            return description.withoutResult(
                .unfinished, "No disk could be tested. " + reasons.joined(separator: " "))
        }
        return description.withoutResult(.notApplicable, "There is no disk that a cluster of these nodes could use.")
    }

    private func perform(
        _ test: any NodeTest, _ run: NodeRun, _ guardian: DiskGuard, began: Double,
        onStep: @escaping @Sendable (TestStep) -> Void
    ) async -> TestResult {
        let recorder = TestRecorder(test.description, onStep: onStep)
        let context = NodeTestContext(run: run, recorder: recorder)
        var unfinished: String?
        let before = run.lost
        do {
            if test.description.changesDisks { try await guardian.enter(context) }
            try await test.run(context)
        } catch is CancellationError {
            unfinished = "It was interrupted."
        } catch let failure as NodeFailure {
            context.report(failure)
        } catch {
            unfinished = "It could not go on: \(error)."
        }
        await context.close()
        if test.description.changesDisks, !Task.isCancelled { await guardian.leave(context) }
        // Also who was lost while things were put away: no test after this one would miss it.
        for (name, reason) in run.lost.sorted(by: { $0.key < $1.key }) where before[name] == nil {
            guard context.missed?.contains("\(name) was lost: ") != true else { continue }
            context.miss("\(name) was lost: \(reason).")
        }
        return recorder.result(
            began: began,
            unfinished: [context.missed, unfinished].compactMap(\.self).joined(separator: " ").nilIfEmpty,
            success: test.success)
    }
}

extension String {
    fileprivate var nilIfEmpty: String? { isEmpty ? nil : self }
}
