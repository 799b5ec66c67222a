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

    /// Each setting changes one number, and the right one.
    @Test(
        arguments: [
            ("--maximum-connections", 7, { $0.server.maximumConnections }),
            ("--maximum-connections-per-address", 7, { $0.server.maximumConnectionsPerAddress }),
            ("--maximum-unauthenticated-connections", 7, { $0.server.maximumUnauthenticatedConnections }),
            ("--authentication-timeout", 7, { Int($0.server.unauthenticatedTime / .seconds(1)) }),
            ("--maximum-presentation-contexts", 7, { $0.server.association.maximumPresentationContexts }),
            ("--maximum-security-contexts", 7, { $0.server.association.maximumSecurityContexts }),
            ("--maximum-unfinished-contexts", 7, { $0.server.association.maximumUnfinishedContexts }),
            ("--maximum-fragment", 4096, { $0.server.association.maximumFragment }),
            ("--maximum-request", 128, { $0.server.association.maximumRequest >> 10 }),
            ("--maximum-unauthenticated-request", 7, { $0.server.association.maximumUnauthenticatedRequest >> 10 }),
            ("--maximum-administrator-request", 8192, { $0.server.association.maximumAdministratorRequest >> 10 }),
            ("--maximum-long-requests", 7, { $0.server.maximumLongRequests }),
            ("--long-request-timeout", 7, { Int($0.server.longRequestSilence / .seconds(1)) }),
            ("--maximum-calls", 7, { $0.server.association.maximumCalls }),
            ("--connection-call-memory", 7, { $0.server.association.maximumCallOctets >> 20 }),
            ("--call-memory", 7, { $0.server.maximumCallOctets >> 20 }),
            ("--maximum-objects", 7, { $0.exporter.objects }),
            ("--maximum-interfaces-per-request", 7, { $0.exporter.interfacesPerRequest }),
            ("--maximum-ping-sets", 7, { $0.exporter.pingSets }),
            ("--maximum-objects-per-ping-set", 7, { $0.exporter.objectsPerSet }),
            ("--maximum-mapper-handles", 7, { $0.mapper.inquiries }),
            ("--maximum-mapper-handles-per-client", 7, { $0.mapper.inquiriesOfGroup }),
        ] as [(String, Int, @Sendable (Settings.Limits) -> Int)])
    func isSet(flag: String, value: Int, read: @Sendable (Settings.Limits) -> Int) async throws {
        let limits = try await SettingsTests.load([flag, "\(value)"]).limits
        #expect(read(limits) == value)
        #expect(read(Settings.Limits()) != value)
        #expect(Setting.limits.contains { $0.flag == flag })
    }

    @Test func allAreTested() {
        #expect(Setting.limits.count == 22)
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
