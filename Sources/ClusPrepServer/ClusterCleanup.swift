import ClusterEngine
import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import Logging
import NDR

/// An activation of ClusterCleanup: IClusterCleanup ([MS-CSVP] 3.8). Its methods depend on nothing that was called before, and
/// what they begin is the node's: it goes on when the activation, or its client, is gone.
public final class ClusterCleanup: COMObject, IClusterCleanupServer {
    /// A6D3E32B-9814-4409-8DE3-CFA673E6D3DE ([MS-CSVP] 1.9).
    public static let clsid: GUID = "a6d3e32b-9814-4409-8de3-cfa673e6d3de"

    /// What every activation on this node is made with.
    public struct Environment: Sendable {
        /// The node's clean-up.
        public var cleanup: EvictionCleanup
        /// The node's disks, by number.
        public var disks: [NodeDisk]
        /// What the Cleanup Timer (3.8.2.2) goes by.
        public var clock: any Clock<Duration> = ContinuousClock()
        /// Hears what clients ask for.
        public var logger: Logger

        /// From its parts, by the host's clock.
        public init(cleanup: EvictionCleanup, disks: [NodeDisk], logger: Logger) {
            self.cleanup = cleanup
            self.disks = disks
            self.logger = logger
        }
    }

    private let environment: Environment

    /// An object over the node's clean-up and disks.
    public init(environment: Environment) {
        self.environment = environment
    }

    /// IClusterCleanup.
    public func handlers(for iid: GUID) -> [RPCHandler?]? {
        iid == IClusterCleanup.interface.syntax.uuid ? IClusterCleanup.handlers(self) : nil
    }

    /// CleanUpEvictedNode (3.8.4.1). The two timers run side by side from the beginning. Whatever this answers, the clean-up is on
    /// record by then; where the Cleanup Timer is first, it goes on.
    public func cleanUpEvictedNode(
        _ request: IClusterCleanup.CleanUpEvictedNode.Request, context: CallContext
    ) async throws -> IClusterCleanup.CleanUpEvictedNode.Response {
        try await environment.logger.answering("CleanUpEvictedNode") {
            let options = CleanupOptions(rawValue: request.Flags)
            guard options.unknown == 0 else { throw Win32Error.invalidParameter }
            environment.logger.notice(
                "CleanUpEvictedNode",
                metadata: [
                    "delay": "\(request.DelayBeforeCleanup) ms", "timeout": "\(request.TimeOut) ms",
                    "flags": "\(request.Flags)",
                ])
            let run = environment.cleanup.begin(
                after: .milliseconds(request.DelayBeforeCleanup), options: options)
            let result = await firstValue(
                of: run.finished, within: .milliseconds(request.TimeOut), by: environment.clock)
            try await run.recorded.value.get()
            guard let result else { throw Win32Error.waitTimeout }
            try result.get()
            return IClusterCleanup.CleanUpEvictedNode.Response(returnValue: .ok, for: request)
        }
    }

    /// ClearPR (3.8.4.2). Device numbers are the places in the node's list of disks, from zero.
    public func clearPR(
        _ request: IClusterCleanup.ClearPR.Request, context: CallContext
    ) async throws -> IClusterCleanup.ClearPR.Response {
        try await environment.logger.answering("ClearPR") {
            guard let disk = environment.disks.first(where: { $0.number == request.DeviceNumber }) else {
                throw Win32Error.fileNotFound
            }
            environment.logger.notice("ClearPR", metadata: ["disk": "\(disk.number)"])
            try await disk.clearReservations()
            return IClusterCleanup.ClearPR.Response(returnValue: .ok, for: request)
        }
    }
}

extension CoClasses {
    /// ClusterCleanup.
    public static func cleanup(_ environment: ClusterCleanup.Environment) -> COMClass {
        COMClass(
            clsid: ClusterCleanup.clsid, name: "ClusterCleanup", interfaces: [COMInterface(IClusterCleanup.interface)]
        ) { _ in ClusterCleanup(environment: environment) }
    }
}

extension EvictionCleanup.Environment {
    /// What a node's clean-up does besides its store's part.
    ///
    /// The cluster service of this node is the ownership of its disks: stopping it gives up all of them, and what clients have
    /// reserved with commands of their own. What is left of the node's registrations goes in any case, where nobody stands by it.
    /// Storage that an evicted node does not reach any more is no reason for a clean-up to fail: the registration is taken off
    /// when it answers again.
    ///
    /// - Parameters:
    ///   - disks: the node's disks.
    ///   - shares: removes what earlier processes have left of shares.
    ///   - logger: hears what is done.
    public static func node(
        disks: [NodeDisk], shares: (@Sendable () async -> Void)?, logger: Logger
    ) -> EvictionCleanup.Environment {
        var environment = EvictionCleanup.Environment(logger: logger)
        environment.stopService = {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for disk in disks { group.addTask { try await disk.relinquish() } }
                // All of them, whatever becomes of one.
                var failure: (any Error)?
                while let result = await group.nextResult() {
                    if case .failure(let error) = result { failure = failure ?? error }
                }
                if let failure { throw failure }
            }
        }
        environment.leftovers.append(
            .init("the node's registrations") {
                await withDiscardingTaskGroup { group in
                    for disk in disks {
                        group.addTask {
                            do {
                                try await disk.withdrawLeftovers()
                            } catch {
                                logger.warning("disk \(disk.number) may keep a registration: \(error)")
                            }
                        }
                    }
                }
            })
        if let shares { environment.leftovers.append(.init("the node's test shares") { await shares() }) }
        return environment
    }
}
