import ClusterProtocols
import DCERPC
import ErrorCodes
import NDR
import Reservations

// The methods of IClusterStorage2 that send PERSISTENT RESERVE commands ([MS-CSVP] 3.2.4.16 to 3.2.4.24), and what the methods of
// IClusterStorage3 share with them.

extension ClusterStorage {
    /// Sends a command to the disk behind a name, if the method may have it.
    func send(
        _ command: NodeDisk.ReserveCommand, to name: StorageState.DiskName, for method: StorageMethod
    ) async throws {
        let number = try state.admit(method, disk: name)
        let disk = engage(number)
        do {
            try await disk.send(command, by: holder)
        } catch {
            await noteForfeiture(number)
            throw error
        }
        await noteForfeiture(number)
    }

    /// CprepDiskPRRegister (3.2.4.16): REGISTER AND IGNORE EXISTING KEY with the key that the node has on the disk, a fresh one where
    /// it has none.
    public func cprepDiskPRRegister(
        _ request: IClusterStorage2.CprepDiskPRRegister.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRRegister.Response {
        try await ordered(.CprepDiskPRRegister) { object in
            try await object.send(
                .register(existing: nil, new: nil), to: request.DiskId.name, for: .CprepDiskPRRegister)
            return IClusterStorage2.CprepDiskPRRegister.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRUnRegister (3.2.4.17): REGISTER AND IGNORE EXISTING KEY with a key of zero.
    public func cprepDiskPRUnRegister(
        _ request: IClusterStorage2.CprepDiskPRUnRegister.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRUnRegister.Response {
        try await ordered(.CprepDiskPRUnRegister) { object in
            try await object.send(.unregister, to: request.DiskId.name, for: .CprepDiskPRUnRegister)
            return IClusterStorage2.CprepDiskPRUnRegister.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRReserve (3.2.4.18).
    public func cprepDiskPRReserve(
        _ request: IClusterStorage2.CprepDiskPRReserve.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRReserve.Response {
        try await ordered(.CprepDiskPRReserve) { object in
            try await object.send(.reserve(key: nil), to: request.DiskId.name, for: .CprepDiskPRReserve)
            return IClusterStorage2.CprepDiskPRReserve.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRRelease (3.2.4.19).
    public func cprepDiskPRRelease(
        _ request: IClusterStorage2.CprepDiskPRRelease.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRRelease.Response {
        try await ordered(.CprepDiskPRRelease) { object in
            try await object.send(.release(key: nil), to: request.DiskId.name, for: .CprepDiskPRRelease)
            return IClusterStorage2.CprepDiskPRRelease.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskIsPRPresent (3.2.4.22): 0 no reservation, 1 another node's, 2 this node's.
    public func cprepDiskIsPRPresent(
        _ request: IClusterStorage2.CprepDiskIsPRPresent.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskIsPRPresent.Response {
        try await ordered(.CprepDiskIsPRPresent) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskIsPRPresent)
            var response = IClusterStorage2.CprepDiskIsPRPresent.Response(returnValue: .ok, for: request)
            response.Present = try await disk.reservationPresence().rawValue
            return response
        }
    }

    /// CprepDiskPRPreempt (3.2.4.23): the victim is whoever holds the reservation, which is why CprepDiskPRReserve comes before it
    /// (3.3.4.6). Without a reservation the disk refuses it.
    public func cprepDiskPRPreempt(
        _ request: IClusterStorage2.CprepDiskPRPreempt.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRPreempt.Response {
        try await ordered(.CprepDiskPRPreempt) { object in
            try await object.send(
                .preempt(victim: nil, key: nil), to: request.DiskId.name, for: .CprepDiskPRPreempt)
            return IClusterStorage2.CprepDiskPRPreempt.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRClear (3.2.4.24).
    public func cprepDiskPRClear(
        _ request: IClusterStorage2.CprepDiskPRClear.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRClear.Response {
        try await ordered(.CprepDiskPRClear) { object in
            try await object.send(.clear(key: nil), to: request.DiskId.name, for: .CprepDiskPRClear)
            return IClusterStorage2.CprepDiskPRClear.Response(returnValue: .ok, for: request)
        }
    }
}
