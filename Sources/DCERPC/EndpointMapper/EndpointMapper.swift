import NDR

/// The endpoint mapper: tells clients at which port an interface is served ([C706] appendix O, [MS-RPCE] 2.2.1.2).
///
/// It is a service; register it at an endpoint with port 135. Anybody may ask it, as nobody can authenticate himself before he
/// knows where. It knows what this process registers; remote registration is refused, as Windows does.
public final class EndpointMapper: RPCService {
    /// How many inquiries of one association group, and of all, can wait to be continued. The oldest of the group gives way to
    /// a new one, and the oldest of all where there are too many altogether.
    public struct Limits: Sendable, Hashable {
        /// Of one association group.
        public var inquiriesOfGroup: Int
        /// Of all together.
        public var inquiries: Int

        /// Makes limits.
        public init(inquiriesOfGroup: Int = 16, inquiries: Int = 4096) {
            self.inquiriesOfGroup = inquiriesOfGroup
            self.inquiries = inquiries
        }
    }

    private let registry: EndpointRegistry
    private let handlers: [RPCHandler?]

    /// Makes a mapper that knows nothing yet.
    public init(limits: Limits = Limits()) {
        registry = EndpointRegistry(
            maximumInquiriesOfGroup: limits.inquiriesOfGroup, maximumInquiries: limits.inquiries)
        handlers = epmapper.handlers(EndpointInquiries(registry: registry))
    }

    /// The longest annotation, in octets of UTF-8 without its terminator.
    public static let maximumAnnotation = 63

    /// Makes an interface known, or changes the annotation of what is known.
    ///
    /// - Parameters:
    ///   - interface: the interface.
    ///   - object: the object that is reached there; zero for every object.
    ///   - endpoint: where. If the address is "0.0.0.0", "::" or empty, each client is told the address by which it
    ///     reached the mapper.
    ///   - annotation: a name for people; cut off after ``maximumAnnotation`` octets.
    public func register(
        interface: SyntaxIdentifier, object: GUID = .zero, endpoint: NetworkAddress, annotation: String = ""
    ) {
        var annotation = annotation
        while annotation.utf8.count > Self.maximumAnnotation { annotation.removeLast() }
        registry.register(.init(interface: interface, object: object, endpoint: endpoint, annotation: annotation))
    }

    /// Forgets an interface at an endpoint.
    public func unregister(interface: SyntaxIdentifier, object: GUID = .zero, endpoint: NetworkAddress) {
        registry.unregister { $0.interface == interface && $0.object == object && $0.endpoint == endpoint }
    }

    /// The interface `epmapper`.
    public var interface: RPCInterface { epmapper.interface }

    /// Anybody may ask.
    public func authorize(_ context: CallContext) throws {}

    /// Answers a call.
    public func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws {
        guard Int(opnum) < handlers.count, let handler = handlers[Int(opnum)] else { throw RPCFault.operationRange }
        try await handler(&decoder, &encoder, context)
    }

    /// Runs down the inquiries of a group that has ended.
    public func associationGroupEnded(_ group: UInt32) async {
        registry.endAll(of: group)
    }
}

/// The status values of the endpoint mapper's methods ([MS-RPCE] 2.2.1.2.4 and 2.2.1.2.1).
enum EndpointMapperStatus {
    static let ok: UInt32 = 0
    static let notRegistered = EpmapperConstants.EPT_S_NOT_REGISTERED
    static let cannotPerform = EpmapperConstants.EPT_S_CANT_PERFORM_OP
    /// RPC_S_INVALID_VERS_OPTION.
    static let invalidVersionOption: UInt32 = 0x0000_06DC
}

/// The mapper's methods.
struct EndpointInquiries: epmapperServer {
    let registry: EndpointRegistry

    func ept_lookup(
        _ request: epmapper.ept_lookup.Request, context: CallContext
    ) async throws -> epmapper.ept_lookup.Response {
        let page: EndpointRegistry.Page
        if request.entry_handle.isNull {
            guard let filter = Self.filter(request) else {
                return .init(status: EndpointMapperStatus.invalidVersionOption)
            }
            page = registry.begin(
                group: context.associationGroup, maximum: Int(request.max_ents), endsEarly: false, filter)
        } else {
            page = try registry.resume(
                request.entry_handle, group: context.associationGroup, maximum: Int(request.max_ents), endsEarly: false)
        }
        let entries = page.entries.map { entry in
            ept_entry_t(
                object: entry.object, tower: Self.tower(entry, context), annotation: OctetString(entry.annotation))
        }
        // What fits one page is simply the answer. The last of several pages says that there is no more, even if there is
        // something on it: so does Samba, and clients that ask on want to be told, whatever [MS-RPCE] 2.2.1.2.4 says.
        let isEnd = page.handle.isNull && (!request.entry_handle.isNull || entries.isEmpty)
        return .init(
            entry_handle: page.handle, num_ents: UInt32(entries.count), entries: entries,
            status: isEnd ? EndpointMapperStatus.notRegistered : EndpointMapperStatus.ok)
    }

    func ept_map(
        _ request: epmapper.ept_map.Request, context: CallContext
    ) async throws -> epmapper.ept_map.Response {
        let page: EndpointRegistry.Page
        if request.entry_handle.isNull {
            guard let octets = request.map_tower?.tower_octet_string, let tower = try? ProtocolTower(octets) else {
                return .init(status: EndpointMapperStatus.notRegistered)
            }
            let object = request.obj ?? .zero
            page = registry.begin(
                group: context.associationGroup, maximum: Int(request.max_towers), endsEarly: true
            ) { entry in
                tower.isTCP && tower.transferSyntax == .ndr20 && entry.serves(tower.interface)
                    && (entry.object == .zero || entry.object == object)
            }
        } else {
            page = try registry.resume(
                request.entry_handle, group: context.associationGroup, maximum: Int(request.max_towers), endsEarly: true
            )
        }
        return .init(
            entry_handle: page.handle, num_towers: UInt32(page.entries.count),
            ITowers: page.entries.map { Self.tower($0, context) },
            status: page.entries.isEmpty && page.handle.isNull
                ? EndpointMapperStatus.notRegistered : EndpointMapperStatus.ok)
    }

    func ept_lookup_handle_free(
        _ request: epmapper.ept_lookup_handle_free.Request, context: CallContext
    ) async throws -> epmapper.ept_lookup_handle_free.Response {
        if !request.entry_handle.isNull {
            try registry.end(request.entry_handle, group: context.associationGroup)
        }
        return .init(entry_handle: .null, status: EndpointMapperStatus.ok)
    }

    // MARK: What is not supported: [MS-RPCE] 2.2.1.2.6, 2.2.1.2.7, 2.2.1.2.9, 2.2.1.2.10 and their product notes.

    func ept_insert(
        _ request: epmapper.ept_insert.Request, context: CallContext
    ) async throws -> epmapper.ept_insert.Response {
        .init(status: EndpointMapperStatus.cannotPerform)
    }

    func ept_delete(
        _ request: epmapper.ept_delete.Request, context: CallContext
    ) async throws -> epmapper.ept_delete.Response {
        .init(status: EndpointMapperStatus.cannotPerform)
    }

    func ept_inq_object(
        _ request: epmapper.ept_inq_object.Request, context: CallContext
    ) async throws -> epmapper.ept_inq_object.Response {
        .init(status: EndpointMapperStatus.cannotPerform)
    }

    func ept_mgmt_delete(
        _ request: epmapper.ept_mgmt_delete.Request, context: CallContext
    ) async throws -> epmapper.ept_mgmt_delete.Response {
        .init(status: EndpointMapperStatus.cannotPerform)
    }

    // MARK: Parts

    /// The filter of a lookup; nil if the version option is none.
    private static func filter(_ request: epmapper.ept_lookup.Request) -> EndpointRegistry.Filter? {
        let object = request.object ?? .zero
        let byObject: EndpointRegistry.Filter = { $0.object == object }
        switch request.inquiry_type {
        case EpmapperConstants.RPC_C_EP_MATCH_BY_IF:
            return versionFilter(request)
        case EpmapperConstants.RPC_C_EP_MATCH_BY_OBJ:
            return byObject
        case EpmapperConstants.RPC_C_EP_MATCH_BY_BOTH:
            guard let byInterface = versionFilter(request) else { return nil }
            return { byObject($0) && byInterface($0) }
        default:
            // Windows takes any other value for RPC_C_EP_ALL_ELTS ([MS-RPCE] product note 25).
            return { _ in true }
        }
    }

    private static func versionFilter(_ request: epmapper.ept_lookup.Request) -> EndpointRegistry.Filter? {
        // No interface is an interface that nobody has.
        let wanted = request.Ifid ?? RPC_IF_ID()
        let byUUID: EndpointRegistry.Filter = { $0.interface.uuid == wanted.Uuid }
        switch request.vers_option {
        case EpmapperConstants.RPC_C_VERS_ALL:
            return byUUID
        case EpmapperConstants.RPC_C_VERS_COMPATIBLE:
            return {
                byUUID($0) && $0.interface.major == wanted.VersMajor && $0.interface.minor >= wanted.VersMinor
            }
        case EpmapperConstants.RPC_C_VERS_EXACT:
            return {
                byUUID($0) && $0.interface.major == wanted.VersMajor && $0.interface.minor == wanted.VersMinor
            }
        case EpmapperConstants.RPC_C_VERS_MAJOR_ONLY:
            return { byUUID($0) && $0.interface.major == wanted.VersMajor }
        case EpmapperConstants.RPC_C_VERS_UPTO:
            return {
                byUUID($0)
                    && ($0.interface.major, $0.interface.minor) <= (wanted.VersMajor, wanted.VersMinor)
            }
        default:
            return nil
        }
    }

    private static func tower(_ entry: EndpointRegistry.Entry, _ context: CallContext) -> twr_t {
        let isEverywhere = ["0.0.0.0", "::", ""].contains(entry.endpoint.ip)
        let address = NetworkAddress(
            ip: isEverywhere ? context.localAddress.ip : entry.endpoint.ip, port: entry.endpoint.port)
        let octets = ProtocolTower(interface: entry.interface, address: address).octets
        return twr_t(tower_length: UInt32(octets.count), tower_octet_string: octets)
    }
}

extension EndpointRegistry.Entry {
    /// Whether a client of `wanted` is served here: same major version, and a minor version at least as high.
    fileprivate func serves(_ wanted: SyntaxIdentifier) -> Bool {
        interface.uuid == wanted.uuid && interface.major == wanted.major && interface.minor >= wanted.minor
    }
}
