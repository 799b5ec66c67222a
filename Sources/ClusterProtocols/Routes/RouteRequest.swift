import ErrorCodes
import NDR

/// What an ADD_ROUTES_REQUEST ([MS-CSVP] 2.2.19) asks for: a route for each index of each NODE_ROUTE_INFO (3.6.4.6), all of them such that packets
/// could take them.
public struct RouteRequest: Sendable, Equatable {
    /// A route (3.6.1).
    public struct Route: Sendable, Hashable {
        /// The common identifier of all routes to the same host.
        public var remoteVirtual: NodeAddress
        /// Where packets come from.
        public var local: NodeAddress
        /// Where they go; of the same family.
        public var remote: NodeAddress
        /// The client's name for the route.
        public var index: UInt32

        /// From its parts.
        public init(remoteVirtual: NodeAddress, local: NodeAddress, remote: NodeAddress, index: UInt32) {
            self.remoteVirtual = remoteVirtual
            self.local = local
            self.remote = remote
            self.index = index
        }
    }

    /// The most routes that are taken at a time. Every pair of addresses of 64 nodes with 32 addresses each is 64,512.
    public static let maximumRoutes = 131_072

    /// The common identifier of all routes.
    public var localVirtual: NodeAddress
    /// The routes, in the order of the request.
    public var routes: [Route]

    /// From its parts, unchecked.
    public init(localVirtual: NodeAddress, routes: [Route]) {
        self.localVirtual = localVirtual
        self.routes = routes
    }
}

/// Why an ADD_ROUTES_REQUEST is refused.
public enum RouteRequestError: Error, Sendable, Equatable {
    /// A list is missing, or has no elements, which a SAFEARRAY never is ([MS-OAUT] 2.2.30.1).
    case empty(list: String)
    /// A SAFEARRAY is none, or one of something else.
    case array(list: String, SafeArrayError)
    /// The lists of a NODE_ROUTE_INFO are not of one length.
    case lengths(node: Int, locals: Int, remotes: Int, indices: Int)
    /// A text is no address; nil for NULL.
    case address(field: String, text: String?)
    /// No packet can go from the one address to the other.
    case pair(from: NodeAddress, to: NodeAddress)
    /// Two routes have the same index (2.2.18: "MUST be unique").
    case repeated(index: UInt32)
    /// There are more routes than ``RouteRequest/maximumRoutes``.
    case tooMany
}

extension RouteRequestError: HRESULTConvertible {
    /// E_INVALIDARG for what the client can do better, ERROR_NOT_ENOUGH_QUOTA for too many routes, and the array's own code where it
    /// contradicts itself.
    public var hresult: HRESULT {
        switch self {
        case .array(_, let error): error.hresult
        case .tooMany: Win32Error(rawValue: 1816).hresult
        case .empty, .lengths, .address, .pair, .repeated: .invalidArgument
        }
    }
}

extension RouteRequestError: CustomStringConvertible {
    /// What is wrong, and where.
    public var description: String {
        switch self {
        case .empty(let list): "\(list) is empty"
        case .array(let list, let error): "\(list): \(error)"
        case .lengths(let node, let locals, let remotes, let indices):
            """
            nodeRouteInfos[\(node)] has \(locals) local addresses, \(remotes) remote ones and \(indices) indices: \
            there has to be one of each for a route
            """
        case .address(let field, let text):
            "\(field): \(text.map { "\"\($0.prefix(64))\"" } ?? "NULL") is no IP address"
        case .pair(let from, let to):
            "no route can go from \(from) to \(to): both have to be single hosts' addresses of one family"
        case .repeated(let index): "index \(index) names two routes"
        case .tooMany: "more than \(RouteRequest.maximumRoutes) routes"
        }
    }
}

extension RouteRequest {
    /// The sizes in memory of a NODE_ROUTE_INFO: four pointers, of four octets or of eight.
    private static let memorySizes: Set<UInt32> = [16, 32]

    /// From the wire.
    ///
    /// The lengths of all lists are checked before the first address is read.
    public init(_ wire: ADD_ROUTES_REQUEST) throws(RouteRequestError) {
        localVirtual = try Self.address(wire.localVirtualIP, "localVirtualIP")
        let records = try Self.array(wire.nodeRouteInfos, "nodeRouteInfos") { array throws(SafeArrayError) in
            try array.records()
        }
        guard records.count > 0 else { throw .empty(list: "nodeRouteInfos") }
        guard records.count <= Self.maximumRoutes else { throw .tooMany }
        let nodes: [NODE_ROUTE_INFO]
        do {
            nodes = try records.decode(memorySizes: Self.memorySizes)
        } catch {
            throw .array(list: "nodeRouteInfos", error)
        }
        routes = []
        var indices: Set<UInt32> = []
        for (number, node) in nodes.enumerated() {
            for route in try Self.routes(of: node, number: number, room: Self.maximumRoutes - routes.count) {
                guard indices.insert(route.index).inserted else { throw .repeated(index: route.index) }
                routes.append(route)
            }
        }
    }

    private static func routes(
        of node: NODE_ROUTE_INFO, number: Int, room: Int
    ) throws(RouteRequestError) -> [Route] {
        let name = "nodeRouteInfos[\(number)]"
        let remoteVirtual = try address(node.remoteVirtualIP, "\(name).remoteVirtualIP")
        let indices = try array(node.indices, "\(name).indices") { array throws(SafeArrayError) in try array.longs() }
        let locals = try array(node.localUnicastIPs, "\(name).localUnicastIPs") { array throws(SafeArrayError) in
            try array.strings()
        }
        let remotes = try array(node.remoteUnicastIPs, "\(name).remoteUnicastIPs") { array throws(SafeArrayError) in
            try array.strings()
        }
        guard locals.count == indices.count, remotes.count == indices.count else {
            throw .lengths(node: number, locals: locals.count, remotes: remotes.count, indices: indices.count)
        }
        guard !indices.isEmpty else { throw .empty(list: "\(name).indices") }
        guard indices.count <= room else { throw .tooMany }
        var routes: [Route] = []
        routes.reserveCapacity(indices.count)
        for (place, index) in indices.enumerated() {
            let local = try address(locals[place], "\(name).localUnicastIPs[\(place)]")
            let remote = try address(remotes[place], "\(name).remoteUnicastIPs[\(place)]")
            guard local.family == remote.family, local.isUnicast, remote.isUnicast else {
                throw .pair(from: local, to: remote)
            }
            routes.append(Route(remoteVirtual: remoteVirtual, local: local, remote: remote, index: index))
        }
        return routes
    }

    private static func array<Contents>(
        _ wire: wireSAFEARRAYStr?, _ list: @autoclosure () -> String,
        _ contents: (SafeArray) throws(SafeArrayError) -> Contents
    ) throws(RouteRequestError) -> Contents {
        guard let wire else { throw .empty(list: list()) }
        do {
            return try contents(SafeArray(wire))
        } catch {
            throw .array(list: list(), error)
        }
    }

    private static func address(
        _ blob: FLAGGED_WORD_BLOB?, _ field: @autoclosure () -> String
    ) throws(RouteRequestError) -> NodeAddress {
        guard let string = try? BSTRValue(blob) else { throw .address(field: field(), text: nil) }
        return try address(string, field())
    }

    private static func address(
        _ string: BSTRValue, _ field: @autoclosure () -> String
    ) throws(RouteRequestError) -> NodeAddress {
        guard let address = NodeAddress(string) else { throw .address(field: field(), text: string.text) }
        return address
    }

    /// The form on the wire: a NODE_ROUTE_INFO for each run of routes to the same host.
    ///
    /// - Throws: nothing for routes that came from the wire.
    public func wire() throws(NDRError) -> ADD_ROUTES_REQUEST {
        var nodes: [NODE_ROUTE_INFO] = []
        var rest = routes[...]
        while let host = rest.first?.remoteVirtual {
            let run = rest.prefix { $0.remoteVirtual == host }
            rest = rest.dropFirst(run.count)
            nodes.append(
                NODE_ROUTE_INFO(
                    remoteVirtualIP: BSTRValue(host.description).blob,
                    localUnicastIPs: SafeArray.strings(run.map { BSTRValue($0.local.description) }).wire,
                    remoteUnicastIPs: SafeArray.strings(run.map { BSTRValue($0.remote.description) }).wire,
                    indices: SafeArray.longs(run.map(\.index)).wire))
        }
        return ADD_ROUTES_REQUEST(
            localVirtualIP: BSTRValue(localVirtual.description).blob,
            nodeRouteInfos: try SafeArray.records(nodes, described: .nodeRouteInfo).wire)
    }
}

extension NodeAddress {
    /// Reads an address; nil for NULL, and for what is none.
    public init?(_ string: BSTRValue) {
        // The text of half an octet pair, or of a thousand, is no address, and need not be made.
        guard case .octets(let octets) = string, octets.count <= 128, octets.count % 2 == 0, let text = string.text
        else {
            return nil
        }
        self.init(text)
    }
}

extension RecordInfo {
    /// [MS-CSVP] gives its structures no GUIDs, though [MS-OAUT] 2.2.28.1 wants each to have one. These are this project's own;
    /// they are sent, and any are accepted.
    static let nodeRouteInfo = RecordInfo(
        libraryGuid: library, verMajor: 1, recGuid: "5d0f7d3e-52a4-4b0e-9c1d-0f2a6f6f2b18", verMinor: 0, Lcid: 0)
    /// What a ROUTE_LOSS_AND_STATE is described by.
    static let routeLossAndState = RecordInfo(
        libraryGuid: library, verMajor: 1, recGuid: "a7c8c4f2-2f0b-4c53-8a57-6b1d5ee0c9d4", verMinor: 0, Lcid: 0)

    private static let library: GUID = "3b2f8a60-7d1c-4f5b-9a64-1c0e9d7b5a23"
}
