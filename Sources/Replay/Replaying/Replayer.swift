import DCERPC
import Security

/// Issues the calls of a capture again, to a live server, and compares the answers.
public struct Replayer: Sendable {
    /// Begins one authentication exchange with a host, for an association that had this provider in the capture.
    public typealias MakeInitiator =
        @Sendable (_ host: String, _ captured: AuthenticationType) throws -> any SecurityInitiator

    /// How to do it.
    public struct Options: Sendable {
        /// The name or address of the server that takes the place of every captured one that ``hosts`` does not have; empty if
        /// there is none, and then those are not called.
        public var host: String
        /// Servers that take the places of certain captured ones, by the captured address.
        public var hosts: [String: String]
        /// The port of its endpoint mapper and its resolver.
        public var port: UInt16
        /// Who to be; nil for nobody, and then associations that authenticate in the capture do not.
        public var makeInitiator: MakeInitiator?
        /// What may differ, and what is changed.
        public var rules: ReplayRules
        /// How long a server may take to connect, to bind, and to answer a call.
        public var timeLimit: Duration
        /// What that goes by, but for the time to connect.
        public var clock: any Clock<Duration> = ContinuousClock()

        /// From its parts.
        public init(
            host: String, hosts: [String: String] = [:], port: UInt16 = 135, rules: ReplayRules = .standard,
            timeLimit: Duration = .seconds(30), makeInitiator: MakeInitiator? = nil
        ) {
            self.host = host
            self.hosts = hosts
            self.port = port
            self.rules = rules
            self.timeLimit = timeLimit
            self.makeInitiator = makeInitiator
        }

        /// The captured servers in whose place there is none, without those of associations that the rules leave out.
        public func unnamedServers(of traffic: CapturedTraffic) -> [String] {
            guard host.isEmpty else { return [] }
            let called = traffic.associations.filter { rules.skippedAssociations[$0.id] == nil }
            return Set(called.map(\.server.address)).filter { hosts[$0] == nil }.sorted()
        }

        /// The addresses in ``hosts`` at which the capture has no server. Where all others have ``host`` in their place, the calls
        /// that were meant for the named one would go there.
        public func strangers(to traffic: CapturedTraffic) -> [String] {
            let known = Set(traffic.associations.map(\.server.address))
            return hosts.keys.filter { !known.contains($0) }.sorted()
        }
    }

    /// How it is done.
    public let options: Options

    /// Makes a replayer.
    public init(_ options: Options) {
        self.options = options
    }

    /// Issues all calls, in the capture's order and as many at a time as there.
    ///
    /// - Parameters:
    ///   - traffic: What the capture has.
    ///   - observer: Is told of each call as soon as it is compared.
    /// - Returns: What came of each; what a server does not answer is told there.
    public func replay(
        _ traffic: CapturedTraffic, observer: @escaping @Sendable (ReplayReport.Call) -> Void = { _ in }
    ) async -> ReplayReport {
        let session = ReplaySession(traffic, options, observer)
        let steps = ReplaySchedule(traffic).steps
        await withTaskGroup(of: Int.self) { group in
            var running: [Int: ReplaySchedule.Step] = [:]
            for (index, step) in steps.enumerated() {
                while running.values.contains(where: { ReplaySchedule.precedes($0, step) }),
                    let done = await group.next()
                {
                    running[done] = nil
                }
                running[index] = step
                // The next one begins when this one is on its way, not when some thread finds the time for it.
                let begun = AsyncStream.makeStream(of: Void.self)
                group.addTask {
                    await session.perform(step) { begun.continuation.finish() }
                    begun.continuation.finish()
                    return index
                }
                for await _ in begun.stream {}
            }
        }
        await session.close()
        return await session.report
    }
}
