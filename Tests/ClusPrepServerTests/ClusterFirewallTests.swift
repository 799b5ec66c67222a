import ClusterProtocols
import ErrorCodes
import HostInventory
import Logging
import NDR
import NIOConcurrencyHelpers
import Testing

@testable import ClusPrepServer

struct ClusterFirewallTests {
    /// What the node says, and may stop saying, of its firewall.
    private final class Host: Sendable {
        private let answer: NIOLockedValueBox<Result<[AdapterFirewall], FirewallError>>

        init(_ verdicts: [AdapterFirewall]) {
            answer = NIOLockedValueBox(.success(verdicts))
        }

        func says(_ answer: Result<[AdapterFirewall], FirewallError>) {
            self.answer.withLockedValue { $0 = answer }
        }

        func client() -> IClusterFirewallClient {
            let object = ClusterFirewall(
                environment: .init(
                    verdicts: { try self.answer.withLockedValue { try $0.get() } },
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
            return IClusterFirewallClient(LocalCaller(object.handlers(for: IClusterFirewall.interface.syntax.uuid)))
        }
    }

    private static func verdict(
        _ octet: UInt8, _ profile: FirewallProfile, _ server: Bool, _ management: Bool, _ common: Bool
    ) throws -> AdapterFirewall {
        AdapterFirewall(
            adapter: try #require(HostAdapter.ID(octets: [octet] + Array(repeating: 0x22, count: 15))),
            profile: profile, serverRules: server, managementRules: management, commonRules: common,
            unevaluated: server ? [] : ["a rule"])
    }

    @Test
    func snapshot() async throws {
        let client = Host([
            try Self.verdict(0x10, .public, true, false, false), try Self.verdict(0x20, .private, false, true, false),
            try Self.verdict(0x30, .domain, false, false, true),
        ]).client()
        let initialized = try await client.initializeAdapterConfiguration(.init())
        #expect(initialized.returnValue == .ok)
        #expect(initialized.cRetAdapters == 3)
        // In any order, and again.
        for index in [2, 0, 1, 1] as [UInt32] {
            let answer = try await client.getNextAdapterFirewallConfiguration(.init(idx: index))
            #expect(answer.returnValue == .ok)
            #expect(answer.adapterProfile.rawValue == UInt16(index))
            #expect(answer.serverRulesEnabled == (index == 0 ? 1 : 0))
            #expect(answer.managementRulesEnabled == (index == 1 ? 1 : 0))
            #expect(answer.commonRulesEnabled == (index == 2 ? 1 : 0))
            let first = ["10", "20", "30"][Int(index)]
            #expect(answer.adapterId == GUID("\(first)222222-2222-2222-2222-222222222222"))
        }
    }

    @Test
    func indices() async throws {
        let host = Host([try Self.verdict(1, .public, true, true, true)])
        let client = host.client()
        let early = try await client.getNextAdapterFirewallConfiguration(.init(idx: 0))
        #expect(early.returnValue.rawValue == 0x8000_FFFF)
        _ = try await client.initializeAdapterConfiguration(.init())
        #expect(try await client.getNextAdapterFirewallConfiguration(.init(idx: 0)).returnValue == .ok)
        for index in [1, 0x7FFF_FFFF, 0xFFFF_FFFF] as [UInt32] {
            let answer = try await client.getNextAdapterFirewallConfiguration(.init(idx: index))
            #expect(answer.returnValue.rawValue == 0x8007_0057, "\(index)")
        }
        // Adapters that go are gone with the next snapshot, and not before.
        host.says(.success([]))
        #expect(try await client.getNextAdapterFirewallConfiguration(.init(idx: 0)).returnValue == .ok)
        let none = try await client.initializeAdapterConfiguration(.init())
        #expect(none.returnValue == .ok && none.cRetAdapters == 0)
        let gone = try await client.getNextAdapterFirewallConfiguration(.init(idx: 0))
        #expect(gone.returnValue.rawValue == 0x8007_0057)
    }

    @Test
    func firewallThatCannotBeRead() async throws {
        let host = Host([try Self.verdict(1, .public, true, true, true)])
        let client = host.client()
        host.says(.failure(.refused(operation: "list the ruleset", reason: "Operation not permitted")))
        #expect(try await client.initializeAdapterConfiguration(.init()).returnValue.isFailure)
        let early = try await client.getNextAdapterFirewallConfiguration(.init(idx: 0))
        #expect(early.returnValue.rawValue == 0x8000_FFFF, "a failure initializes nothing")
        host.says(.success([try Self.verdict(1, .public, true, true, true)]))
        _ = try await client.initializeAdapterConfiguration(.init())
        host.says(.failure(.unavailable))
        #expect(try await client.initializeAdapterConfiguration(.init()).returnValue.isFailure)
        #expect(try await client.getNextAdapterFirewallConfiguration(.init(idx: 0)).returnValue == .ok)
    }

    /// State belongs to the activation.
    @Test
    func activationsAreApart() async throws {
        let host = Host([try Self.verdict(1, .public, true, true, true)])
        let (first, second) = (host.client(), host.client())
        _ = try await first.initializeAdapterConfiguration(.init())
        let answer = try await second.getNextAdapterFirewallConfiguration(.init(idx: 0))
        #expect(answer.returnValue.rawValue == 0x8000_FFFF)
    }
}
