import ClusterProtocols
import NDR

/// ADD_ROUTES_REQUEST and ADD_ROUTES_REPLY: whole stubs, and records in a stub that is sound around them.
struct RouteTarget: FuzzTarget {
    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        switch input.octet() % 3 {
        case 0:
            var decoder = NDRDecoder(input.octets(.max))
            guard let request = try? IClusterNetwork2.ProcessAddRoutes.Request(from: &decoder).request else { return }
            check(request)
        case 1:
            let count = UInt32(input.octet())
            guard let array = records(input.octets(.max), count: count) else { return }
            check(ADD_ROUTES_REQUEST(localVirtualIP: BSTRValue("fe80::1").blob, nodeRouteInfos: array))
        default:
            var decoder = NDRDecoder(input.octets(.max))
            guard let wire = try? decoder.decode(ADD_ROUTES_REPLY.self), let reply = try? RouteReply(wire) else {
                return
            }
            promise((try? RouteReply(reply.wire())) == reply, "a reply that comes back as another one")
        }
    }

    /// So many records of these octets, in a collection that says so.
    private func records(_ octets: [UInt8], count: UInt32) -> wireSAFEARRAYStr? {
        guard var array = try? SafeArray.records([ROUTE_LOSS_AND_STATE()], described: RecordInfo()).wire,
            case .RecordStr(var collection) = array.uArrayStructs.u, var record = collection.aRecord.first ?? nil
        else { return nil }
        record.clSize = UInt32(octets.count + 4)
        record.pRecord = (0..<4).map { UInt8(truncatingIfNeeded: record.clSize >> (8 * $0)) } + octets
        collection.aRecord = [record]
        array.uArrayStructs.u = .RecordStr(collection)
        array.rgsabound = [SAFEARRAYBOUND(cElements: count)]
        return array
    }

    /// What is accepted can be watched, and is written as something that is read the same.
    private func check(_ wire: ADD_ROUTES_REQUEST) {
        guard let request = try? RouteRequest(wire) else { return }
        promise(
            !request.routes.isEmpty && request.routes.count <= RouteRequest.maximumRoutes,
            "\(request.routes.count) routes")
        promise(Set(request.routes.map(\.index)).count == request.routes.count, "an index that repeats")
        for route in request.routes {
            promise(route.local.family == route.remote.family, "a route between families")
            promise(route.local.isUnicast && route.remote.isUnicast, "a route to a group")
        }
        promise((try? RouteRequest(request.wire())) == request, "a request that comes back as another one")
    }
}
