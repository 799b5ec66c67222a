import DCERPC
import DCOM
import Testing

@testable import clusprepd

/// Every limit can be set, its bounds hold, and what the documentation says of the defaults is so.
struct LimitSettingsTests {
    @Test func defaults() async throws {
        let limits = try await SettingsTests.load().limits
        #expect(limits == Settings.Limits())
        #expect(limits.server.maximumConnections == 1024)
        #expect(limits.server.maximumConnectionsPerAddress == 512)
        #expect(limits.server.maximumUnauthenticatedConnections == 768)
        #expect(limits.server.unauthenticatedTime == .seconds(30))
        #expect(limits.server.maximumCallOctets == 256 << 20)
        #expect(limits.server.maximumLongRequests == 4)
        #expect(limits.server.longRequestSilence == .seconds(30))
        #expect(limits.server.association == AssociationLimits())
        #expect(limits.exporter == ExporterLimits(objects: 4096))
        #expect(limits.mapper == EndpointMapper.Limits())
    }

    /// A setting, a value that is not its default, and where it ends up.
    struct Change: Sendable, CustomTestStringConvertible {
        let flag: String
        let value: Int
        let read: @Sendable (Settings.Limits) -> Int

        init(_ flag: String, _ value: Int, read: @escaping @Sendable (Settings.Limits) -> Int) {
            self.flag = flag
            self.value = value
            self.read = read
        }

        var testDescription: String { flag }
    }

    static let changes: [Change] = [
        Change("--maximum-connections", 7) { $0.server.maximumConnections },
        Change("--maximum-connections-per-address", 7) { $0.server.maximumConnectionsPerAddress },
        Change("--maximum-unauthenticated-connections", 7) { $0.server.maximumUnauthenticatedConnections },
        Change("--authentication-timeout", 7) { Int($0.server.unauthenticatedTime / .seconds(1)) },
        Change("--maximum-presentation-contexts", 7) { $0.server.association.maximumPresentationContexts },
        Change("--maximum-security-contexts", 7) { $0.server.association.maximumSecurityContexts },
        Change("--maximum-unfinished-contexts", 7) { $0.server.association.maximumUnfinishedContexts },
        Change("--maximum-fragment", 4096) { $0.server.association.maximumFragment },
        Change("--maximum-request", 128) { $0.server.association.maximumRequest >> 10 },
        Change("--maximum-unauthenticated-request", 7) { $0.server.association.maximumUnauthenticatedRequest >> 10 },
        Change("--maximum-administrator-request", 8192) { $0.server.association.maximumAdministratorRequest >> 10 },
        Change("--maximum-long-requests", 7) { $0.server.maximumLongRequests },
        Change("--long-request-timeout", 7) { Int($0.server.longRequestSilence / .seconds(1)) },
        Change("--maximum-calls", 7) { $0.server.association.maximumCalls },
        Change("--connection-call-memory", 7) { $0.server.association.maximumCallOctets >> 20 },
        Change("--call-memory", 7) { $0.server.maximumCallOctets >> 20 },
        Change("--maximum-objects", 7) { $0.exporter.objects },
        Change("--maximum-objects-per-user", 7) { $0.exporter.objectsPerUser },
        Change("--maximum-interfaces-per-request", 7) { $0.exporter.interfacesPerRequest },
        Change("--maximum-ping-sets", 7) { $0.exporter.pingSets },
        Change("--maximum-ping-sets-per-user", 7) { $0.exporter.pingSetsPerUser },
        Change("--maximum-memberships", 7) { $0.exporter.memberships },
        Change("--maximum-objects-per-ping-set", 7) { $0.exporter.objectsPerSet },
        Change("--maximum-mapper-handles", 7) { $0.mapper.inquiries },
        Change("--maximum-mapper-handles-per-client", 7) { $0.mapper.inquiriesOfGroup },
    ]

    /// Each setting changes one number, and the right one.
    @Test(arguments: changes)
    func isSet(_ change: Change) async throws {
        let limits = try await SettingsTests.load([change.flag, "\(change.value)"]).limits
        #expect(change.read(limits) == change.value)
        #expect(change.read(Settings.Limits()) != change.value)
    }

    @Test func allAreTested() {
        #expect(Setting.limits.map(\.flag).sorted() == Self.changes.map(\.flag).sorted())
        #expect(Set(Setting.all.map(\.name)).isSuperset(of: Setting.limits.map(\.name)))
    }

    @Test func everyBoundHolds() async throws {
        for setting in Setting.limits {
            let (least, most) =
                switch setting.kind {
                case .number(let bounds): (bounds.lowerBound, bounds.upperBound)
                case .seconds(let bounds): (Int(bounds.lowerBound), Int(bounds.upperBound))
                case .text, .texts, .flag: (0, 0)
                }
            for value in [least, most] { _ = try await SettingsTests.load([setting.flag, "\(value)"]) }
            for value in [least - 1, most + 1] {
                await #expect(throws: StartupError.self, "\(setting.flag) \(value)") {
                    try await SettingsTests.load([setting.flag, "\(value)"])
                }
            }
        }
    }

    /// The less trusted never get more.
    @Test func requestsKeepTheirOrder() async throws {
        let limits = try await SettingsTests.load([
            "--maximum-request", "100", "--maximum-unauthenticated-request", "200",
            "--maximum-administrator-request", "50",
        ]).limits.server.association
        #expect(limits.maximumRequest == 100 << 10)
        #expect(limits.maximumUnauthenticatedRequest == 100 << 10)
        #expect(limits.maximumAdministratorRequest == 100 << 10)
    }
}
