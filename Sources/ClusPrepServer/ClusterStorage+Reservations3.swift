import ClusterProtocols
import DCERPC
import ErrorCodes
import NDR
import Reservations

// The methods of IClusterStorage3 about reservations and about the node ([MS-CSVP] 3.4.4.4, 3.4.4.8 to 3.4.4.15). Keys are numbers
// on the wire; a reservation key's first octet is its highest.

extension ClusterStorage {
    /// CprepIsNodeClustered3 (3.4.4.4).
    public func cprepIsNodeClustered3(
        _ request: IClusterStorage3.CprepIsNodeClustered3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepIsNodeClustered3.Response {
        try await ordered(.CprepIsNodeClustered3) { object in
            try object.state.admit(.CprepIsNodeClustered3)
            var response = IClusterStorage3.CprepIsNodeClustered3.Response(returnValue: .ok, for: request)
            response.pbIsClusterNode = try await object.environment.isClustered() ? 1 : 0
            return response
        }
    }

    /// CprepDiskIsReadOnly3 (3.4.4.8).
    public func cprepDiskIsReadOnly3(
        _ request: IClusterStorage3.CprepDiskIsReadOnly3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskIsReadOnly3.Response {
        try await ordered(.CprepDiskIsReadOnly3) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskIsReadOnly3)
            var response = IClusterStorage3.CprepDiskIsReadOnly3.Response(returnValue: .ok, for: request)
            response.pbReadOnly = try await disk.isReadOnly() ? 1 : 0
            return response
        }
    }

    /// CprepDiskPRRegister3 (3.4.4.9): an old key of zero ignores what is registered.
    public func cprepDiskPRRegister3(
        _ request: IClusterStorage3.CprepDiskPRRegister3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRRegister3.Response {
        try await ordered(.CprepDiskPRRegister3) { object in
            let (old, new) = (request.OldPrKey, request.NewPrKey)
            try await object.send(
                .register(
                    existing: old == 0 ? nil : ReservationKey(rawValue: old), new: ReservationKey(rawValue: new)),
                to: request.DiskId.name, for: .CprepDiskPRRegister3)
            return IClusterStorage3.CprepDiskPRRegister3.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskFindKey3 (3.4.4.10): a key of zero asks for any.
    public func cprepDiskFindKey3(
        _ request: IClusterStorage3.CprepDiskFindKey3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskFindKey3.Response {
        try await ordered(.CprepDiskFindKey3) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskFindKey3)
            var response = IClusterStorage3.CprepDiskFindKey3.Response(returnValue: .ok, for: request)
            response.pbFound = try await disk.isRegistered(ReservationKey(rawValue: request.Key)) ? 1 : 0
            return response
        }
    }

    /// CprepDiskPRPreempt3 (3.4.4.11): the owner's key is the victim's, the new key is the one that this node is registered with.
    public func cprepDiskPRPreempt3(
        _ request: IClusterStorage3.CprepDiskPRPreempt3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRPreempt3.Response {
        try await ordered(.CprepDiskPRPreempt3) { object in
            try await object.send(
                .preempt(
                    victim: ReservationKey(rawValue: request.OwnerKey), key: ReservationKey(rawValue: request.NewKey)),
                to: request.DiskId.name, for: .CprepDiskPRPreempt3)
            return IClusterStorage3.CprepDiskPRPreempt3.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRReserve3 (3.4.4.12).
    public func cprepDiskPRReserve3(
        _ request: IClusterStorage3.CprepDiskPRReserve3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRReserve3.Response {
        try await ordered(.CprepDiskPRReserve3) { object in
            try await object.send(
                .reserve(key: ReservationKey(rawValue: request.Key)), to: request.DiskId.name, for: .CprepDiskPRReserve3
            )
            return IClusterStorage3.CprepDiskPRReserve3.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskIsPRPresent3 (3.4.4.13): success where READ RESERVATION tells the key, ERROR_NOT_FOUND where it does not.
    public func cprepDiskIsPRPresent3(
        _ request: IClusterStorage3.CprepDiskIsPRPresent3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskIsPRPresent3.Response {
        try await ordered(.CprepDiskIsPRPresent3) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskIsPRPresent3)
            guard try await disk.isReserved(with: ReservationKey(rawValue: request.Key)) else {
                throw Win32Error.notFound
            }
            return IClusterStorage3.CprepDiskIsPRPresent3.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRRelease3 (3.4.4.14).
    public func cprepDiskPRRelease3(
        _ request: IClusterStorage3.CprepDiskPRRelease3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRRelease3.Response {
        try await ordered(.CprepDiskPRRelease3) { object in
            try await object.send(
                .release(key: ReservationKey(rawValue: request.Key)), to: request.DiskId.name, for: .CprepDiskPRRelease3
            )
            return IClusterStorage3.CprepDiskPRRelease3.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRClear3 (3.4.4.15).
    public func cprepDiskPRClear3(
        _ request: IClusterStorage3.CprepDiskPRClear3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRClear3.Response {
        try await ordered(.CprepDiskPRClear3) { object in
            try await object.send(
                .clear(key: ReservationKey(rawValue: request.Key)), to: request.DiskId.name, for: .CprepDiskPRClear3)
            return IClusterStorage3.CprepDiskPRClear3.Response(returnValue: .ok, for: request)
        }
    }
}
