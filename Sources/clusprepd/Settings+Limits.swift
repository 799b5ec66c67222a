import DCERPC
import DCOM

extension Settings {
    /// How far clients can make the daemon grow. What is not set has the library's default, but for the number of objects and
    /// the time to authenticate.
    struct Limits: Equatable, Sendable {
        /// Of each address that is listened on.
        var server = RPCServerLimits(unauthenticatedTime: .seconds(30))
        /// Of the objects.
        var exporter = ExporterLimits(objects: 4096)
        /// Of the endpoint mapper.
        var mapper = EndpointMapper.Limits()

        /// The defaults.
        init() {}

        /// Reads what is set.
        init(_ reader: SettingReader) throws(StartupError) {
            let ofOctets = try Limits.association(reader)
            server = RPCServerLimits(
                association: ofOctets,
                maximumConnections: try reader.number(.maximumConnections) ?? server.maximumConnections,
                maximumConnectionsPerAddress: try reader.number(.maximumConnectionsPerAddress),
                maximumUnauthenticatedConnections: try reader.number(.maximumUnauthenticatedConnections),
                maximumCallOctets: try reader.octets(.callMemory, unit: 1 << 20) ?? server.maximumCallOctets,
                maximumLongRequests: try reader.number(.maximumLongRequests) ?? server.maximumLongRequests,
                longRequestSilence: try reader.seconds(.longRequestTimeout) ?? server.longRequestSilence,
                unauthenticatedTime: try reader.seconds(.authenticationTimeout) ?? server.unauthenticatedTime)
            exporter = ExporterLimits(
                objects: try reader.number(.maximumObjects) ?? exporter.objects,
                objectsPerUser: try reader.number(.maximumObjectsPerUser),
                pingSets: try reader.number(.maximumPingSets) ?? exporter.pingSets,
                pingSetsPerUser: try reader.number(.maximumPingSetsPerUser),
                objectsPerSet: try reader.number(.maximumObjectsPerPingSet) ?? exporter.objectsPerSet,
                memberships: try reader.number(.maximumMemberships) ?? exporter.memberships,
                interfacesPerRequest: try reader.number(.maximumInterfacesPerRequest) ?? exporter.interfacesPerRequest)
            mapper = EndpointMapper.Limits(
                inquiriesOfGroup: try reader.number(.maximumMapperHandlesPerClient) ?? mapper.inquiriesOfGroup,
                inquiries: try reader.number(.maximumMapperHandles) ?? mapper.inquiries)
        }

        private static func association(_ reader: SettingReader) throws(StartupError) -> AssociationLimits {
            let usual = AssociationLimits()
            return AssociationLimits(
                maximumFragment: try reader.number(.maximumFragment) ?? usual.maximumFragment,
                maximumRequest: try reader.octets(.maximumRequest, unit: 1 << 10) ?? usual.maximumRequest,
                maximumAdministratorRequest: try reader.octets(.maximumAdministratorRequest, unit: 1 << 10)
                    ?? usual.maximumAdministratorRequest,
                maximumUnauthenticatedRequest: try reader.octets(.maximumUnauthenticatedRequest, unit: 1 << 10)
                    ?? usual.maximumUnauthenticatedRequest,
                maximumPresentationContexts: try reader.number(.maximumPresentationContexts)
                    ?? usual.maximumPresentationContexts,
                maximumSecurityContexts: try reader.number(.maximumSecurityContexts) ?? usual.maximumSecurityContexts,
                maximumUnfinishedContexts: try reader.number(.maximumUnfinishedContexts)
                    ?? usual.maximumUnfinishedContexts,
                maximumCalls: try reader.number(.maximumCalls) ?? usual.maximumCalls,
                maximumCallOctets: try reader.octets(.connectionCallMemory, unit: 1 << 20) ?? usual.maximumCallOctets)
        }
    }
}

extension SettingReader {
    /// A number of KiB or MiB, in octets; nil where it is not set.
    fileprivate func octets(_ setting: Setting, unit: Int) throws(StartupError) -> Int? {
        try number(setting).map { $0 * unit }
    }
}
