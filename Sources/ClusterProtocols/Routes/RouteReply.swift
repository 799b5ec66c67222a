import ErrorCodes
import NDR

/// What an ADD_ROUTES_REPLY ([MS-CSVP] 2.2.22) tells of the routes.
public enum RouteReply: Sendable, Equatable {
    /// routeUnavailable: no routes are watched.
    case unavailable
    /// What was seen of each route, in the order of the request.
    case routes([Route])

    /// What was seen of a route (ROUTE_LOSS_AND_STATE, 2.2.21).
    public struct Route: Sendable, Hashable {
        /// The client's name for it.
        public var index: UInt32
        /// How many of a hundred packets were lost.
        public var packetLoss: UInt32
        /// The states that were seen.
        public var status: ROUTE_STATUS

        /// From its parts.
        public init(index: UInt32, packetLoss: UInt32, status: ROUTE_STATUS) {
            self.index = index
            self.packetLoss = packetLoss
            self.status = status
        }
    }
}

/// Why an ADD_ROUTES_REPLY is none.
public enum RouteReplyError: Error, Sendable, Equatable {
    /// A list is missing.
    case missing(list: String)
    /// A SAFEARRAY is none, or one of something else.
    case array(list: String, SafeArrayError)
    /// The lists are not of one length.
    case lengths(indices: Int, replies: Int)
    /// The loss is no percentage, or the state none of 2.2.20.
    case route(RouteReply.Route)
}

extension RouteReplyError: HRESULTConvertible {
    /// ERROR_INVALID_DATA: it is a server that erred.
    public var hresult: HRESULT { Win32Error.invalidData.hresult }
}

extension RouteReplyError: CustomStringConvertible {
    /// What is wrong.
    public var description: String {
        switch self {
        case .missing(let list): "the reply has no \(list)"
        case .array(let list, let error): "the reply's \(list): \(error)"
        case .lengths(let indices, let replies): "the reply has \(indices) indices and \(replies) replies"
        case .route(let route): "route \(route.index) is \(route.status) and loses \(route.packetLoss) %"
        }
    }
}

extension RouteReply {
    /// The sizes in memory of a ROUTE_LOSS_AND_STATE; with the enumeration as the 16 bits it has on the wire, or as C's 32.
    private static let memorySizes: Set<UInt32> = [6, 8]

    /// From the wire.
    public init(_ wire: ADD_ROUTES_REPLY) throws(RouteReplyError) {
        guard wire.routeUnavailable == 0 else {
            self = .unavailable
            return
        }
        let indices = try Self.array(wire.indices, "indices") { array throws(SafeArrayError) in try array.longs() }
        let replies = try Self.array(wire.replies, "replies") {
            array throws(SafeArrayError) -> [ROUTE_LOSS_AND_STATE] in
            try array.records().decode(memorySizes: Self.memorySizes)
        }
        guard indices.count == replies.count else {
            throw .lengths(indices: indices.count, replies: replies.count)
        }
        var routes: [Route] = []
        routes.reserveCapacity(indices.count)
        for (index, reply) in zip(indices, replies) {
            let route = Route(index: index, packetLoss: reply.packetLoss, status: reply.status)
            guard route.packetLoss <= 100, [.DOWN, .UP, .UP_DOWN].contains(route.status) else { throw .route(route) }
            routes.append(route)
        }
        self = .routes(routes)
    }

    private static func array<Contents>(
        _ wire: wireSAFEARRAYStr?, _ list: String, _ contents: (SafeArray) throws(SafeArrayError) -> Contents
    ) throws(RouteReplyError) -> Contents {
        guard let wire else { throw .missing(list: list) }
        do {
            return try contents(SafeArray(wire))
        } catch {
            throw .array(list: list, error)
        }
    }

    /// The form on the wire.
    ///
    /// - Throws: nothing for states of 2.2.20.
    public func wire() throws(NDRError) -> ADD_ROUTES_REPLY {
        guard case .routes(let routes) = self else { return ADD_ROUTES_REPLY(routeUnavailable: 1) }
        let replies = routes.map { ROUTE_LOSS_AND_STATE(packetLoss: $0.packetLoss, status: $0.status) }
        return ADD_ROUTES_REPLY(
            indices: SafeArray.longs(routes.map(\.index)).wire,
            replies: try SafeArray.records(replies, described: .routeLossAndState).wire)
    }
}
