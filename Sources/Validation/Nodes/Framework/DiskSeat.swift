import ClusPrepClient
import ErrorCodes

/// A disk as one node has it, attached for the length of a test: what is called on it is taken down, and what it leaves behind is in the
/// ledger.
struct DiskSeat: Sendable {
    let disk: SharedDisk
    let node: any ValidatedNode
    /// The disk's number on the node.
    let id: DiskID
    let calls: any StorageCalls
    let context: NodeTestContext

    /// Calls the node about the disk, as ``NodeTestContext/call(_:on:_:disk:detail:_:)``.
    @discardableResult
    func call<Answer: Sendable>(
        _ text: String, _ method: NodeMethod, detail: (Answer) -> String? = { _ in nil },
        _ body: @escaping @Sendable (any StorageCalls, DiskID) async throws -> Answer
    ) async throws -> Answer {
        let (calls, id) = (calls, id)
        return try await context.call(text, on: node, method, disk: disk, detail: detail) { try await body(calls, id) }
    }

    /// Calls the node about the disk where either end tells something, as ``NodeTestContext/ask(_:on:_:disk:judging:_:)``.
    func ask<Answer: Sendable>(
        _ text: String, _ method: NodeMethod,
        judging judge: (Result<Answer, HRESULT>) -> (outcome: TestStep.Outcome, detail: String?),
        _ body: @escaping @Sendable (any StorageCalls, DiskID) async throws -> Answer
    ) async throws -> Result<Answer, HRESULT> {
        let (calls, id) = (calls, id)
        return try await context.ask(text, on: node, method, disk: disk, judging: judge) { try await body(calls, id) }
    }

    /// Sends a command that another node's ownership or reservation has to keep from working.
    ///
    /// - Returns: the code it was refused with; nil where it was not refused.
    func provoke(
        _ text: String, _ method: NodeMethod,
        _ body: @escaping @Sendable (any StorageCalls, DiskID) async throws -> Void
    ) async throws -> HRESULT? {
        let result = try await ask(
            text, method,
            judging: { result in
                if case .failure = result { (.good, "refused, as it has to be") } else { (.bad, "not refused") }
            }, body)
        if case .failure(let code) = result { return code }
        return nil
    }

    // MARK: Deeds, with their entries in the ledger

    /// CprepDiskPRArbitrate: the node becomes the owner, or not.
    ///
    /// - Returns: the code with which it did not; nil where it did.
    func arbitrate(_ text: String, expecting wins: Bool) async throws -> HRESULT? {
        context.run.ledger.add(.owned, disk, by: node.name)
        let result = try await ask(
            text, .prArbitrate,
            judging: { result in
                switch result {
                case .success: (wins ? .good : .bad, "owned")
                case .failure: (wins ? .bad : .good, "not owned")
                }
            }
        ) { try await $0.arbitrate($1) }
        guard case .failure(let code) = result else { return nil }
        context.run.ledger.strike(.owned, disk, by: node.name)
        return code
    }

    /// CprepDiskPRArbitrate for a node that has to win.
    func own(_ text: String = "Take the disk") async throws {
        if let code = try await arbitrate(text, expecting: true) {
            throw NodeFailure(node: node.name, method: .prArbitrate, kind: .answered(code), disk: disk.name)
        }
    }

    /// CprepDiskStopDefense.
    func disown(_ text: String = "Give the disk back") async throws {
        try await call(text, .stopDefense) { try await $0.stopDefense($1) }
        context.run.ledger.strike(.owned, disk, by: node.name)
    }

    /// CprepDiskOnline.
    ///
    /// - Returns: the number of partitions.
    func online() async throws -> UInt32 {
        context.run.ledger.add(.online, disk, by: node.name)
        return try await call("Bring its volumes online", .online, detail: { "\($0) partitions" }) {
            let count = try await $0.online($1)
            guard count <= Self.mostPartitions else {
                throw NoAnswer(words: "\(count) partitions are more than a disk has")
            }
            return count
        }
    }

    /// A GPT has room for 128, and hardly ever for more; each of them is asked for.
    private static let mostPartitions: UInt32 = 1024

    /// What a node said is not what can be said: `NodeFailure` makes a refusal of it.
    private struct NoAnswer: Error, CustomStringConvertible {
        var words: String
        var description: String { words }
    }

    /// CprepDiskOffline.
    func offline() async throws {
        try await call("Take its volumes offline", .offline) { try await $0.offline($1) }
        context.run.ledger.strike(.online, disk, by: node.name)
    }

    /// CprepDiskRawWrite, after taking down what was there.
    func write(_ octets: [UInt8], sector: UInt32, _ text: String) async throws {
        var before = try await read(sector: sector, "Read what is in the sector, to put it back")
        // Another validation's claim, left behind or given up, is not what belongs there.
        if DiskClaim(sector: before) != nil { before = [UInt8](repeating: 0, count: before.count) }
        context.run.ledger.add(.sector(sector, before: before), disk, by: node.name)
        try await call("\(text) (sector \(sector))", .rawWrite) {
            _ = try await $0.timedWrite(octets, sector: sector, of: $1)
        }
    }

    /// CprepDiskRawRead.
    func read(sector: UInt32, _ text: String) async throws -> [UInt8] {
        try await call("\(text) (sector \(sector))", .rawRead) {
            let octets = try await $0.timedRead(sector: sector, of: $1).octets
            // They are put back later: of a sector that is written in part the rest is lost.
            guard octets.count == DiskClaim.size else {
                throw NoAnswer(words: "\(octets.count) octets came of a sector's \(DiskClaim.size)")
            }
            return octets
        }
    }

    /// CprepDiskGetArbSectors: two sectors that belong to nothing, which a disk's first one never does.
    func scratchSectors() async throws -> (x: UInt32, y: UInt32) {
        try await call(
            "Ask for two sectors that belong to nothing", .getArbSectors, detail: { "\($0.x) and \($0.y)" }
        ) {
            let (x, y) = try await $0.arbitrationSectors(of: $1)
            guard x != 0, y != 0, x != y else { throw NoAnswer(words: "\(x) and \(y) are no two free sectors") }
            return (x: x, y: y)
        }
    }

    /// Puts back what the ledger has of a sector.
    func restore(sector: UInt32) async throws {
        let entries = context.run.ledger.open.filter { $0.disk.index == disk.index }
        for entry in entries {
            guard case .sector(sector, let before) = entry.deed else { continue }
            try await call("Put the sector's octets back (sector \(sector))", .rawWrite) {
                _ = try await $0.timedWrite(before, sector: sector, of: $1)
            }
            context.run.ledger.strike { $0 == entry }
        }
    }
}

extension NodeTestContext {
    /// Attaches a disk on a node, after making sure that it is the one that is meant.
    ///
    /// - Throws: ``NodeFailure``; ERROR_WRONG_DISK in one where the node has another unit by that number now.
    func seat(_ disk: SharedDisk, on node: any ValidatedNode) async throws -> DiskSeat {
        guard let place = disk.places[node.name] else {
            throw NodeFailure(
                node: node.name, method: .attach, kind: .refused("the node does not have it"), disk: disk.name)
        }
        let seat = DiskSeat(
            disk: disk, node: node, id: .number(place.number), calls: try await storage(on: node), context: self)
        let expected = disk.identifier
        try await seat.call("Make sure that it is the same disk still", .getUniqueIds) { calls, id in
            guard let expected else { return }
            let found = try await UnitIdentifier.ordered(calls.identifiers(of: id))
            // ERROR_WRONG_DISK: numbers can move between two preparations.
            guard found.contains(expected) else { throw HRESULT(win32: Win32Error(rawValue: 34)) }
        }
        try await seat.call("Attach the disk", .attach) { try await $0.attach($1) }
        return seat
    }

    /// Attaches a disk on every node that has it and is there, in the nodes' order.
    ///
    /// - Throws: `CancellationError`. A node on which it fails is left out, and taken down.
    func seats(_ disk: SharedDisk) async throws -> [DiskSeat] {
        let nodes = run.nodes(with: disk)
        let seats = try await withThrowingTaskGroup(of: DiskSeat?.self) { group in
            for node in nodes {
                group.addTask { try await self.tolerating(disk.name) { try await self.seat(disk, on: node) } }
            }
            var seats: [String: DiskSeat] = [:]
            for try await seat in group { if let seat { seats[seat.node.name] = seat } }
            return seats
        }
        return nodes.compactMap { seats[$0.name] }
    }
}
