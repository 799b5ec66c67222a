import ClusterProtocols
import ErrorCodes
import NDR

/// SCSI-3 persistent reservations ([MS-CSVP] 3.3.4.6, 3.5.4.6).
///
/// To a disk the node is one initiator: what is registered here is registered for the node, and is taken off again when this
/// object is released. The methods without a key use the node's own. A reservation that is in the way is ERROR_BUSY.
extension StorageClient {
    /// Where a disk's reservation is.
    public enum ReservationPresence: UInt32, Sendable, Hashable {
        /// There is none.
        case absent = 0
        /// Another node holds it.
        case elsewhere = 1
        /// The node that was asked holds it.
        case here = 2
    }

    // MARK: IClusterStorage2

    /// CprepDiskPRRegister (opnum 25): REGISTER AND IGNORE EXISTING KEY with a key of the node's.
    public func register(_ disk: DiskID) async throws {
        try await storage2.cprepDiskPRRegister(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskPRUnRegister (opnum 26): a registration that holds the reservation takes it along.
    public func unregister(_ disk: DiskID) async throws {
        try await storage2.cprepDiskPRUnRegister(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskPRReserve (opnum 27): Write Exclusive – Registrants Only. Comes after ``register(_:)``.
    public func reserve(_ disk: DiskID) async throws {
        try await storage2.cprepDiskPRReserve(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskPRRelease (opnum 28): gives the reservation up; does nothing where a registered node does not hold it.
    public func releaseReservation(of disk: DiskID) async throws {
        try await storage2.cprepDiskPRRelease(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskIsPRPresent (opnum 31).
    ///
    /// - Throws: ERROR_INVALID_DATA as an HRESULT for an answer that the specification does not know.
    public func reservation(of disk: DiskID) async throws -> ReservationPresence {
        let response = try await storage2.cprepDiskIsPRPresent(.init(DiskId: disk.wire))
        try response.returnValue.throwIfFailed()
        guard let presence = ReservationPresence(rawValue: response.Present) else {
            throw Win32Error(rawValue: 13).hresult
        }
        return presence
    }

    /// CprepDiskPRPreempt (opnum 32): takes the reservation from whoever holds it. Comes after ``register(_:)``.
    public func preempt(_ disk: DiskID) async throws {
        try await storage2.cprepDiskPRPreempt(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskPRClear (opnum 33): removes the reservation and every node's registration. Comes after ``register(_:)``.
    public func clearReservations(of disk: DiskID) async throws {
        try await storage2.cprepDiskPRClear(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    // MARK: IClusterStorage3

    /// CprepDiskPRRegister3 (opnum 11).
    ///
    /// - Parameters:
    ///   - disk: the disk.
    ///   - new: the key to register; zero removes the registration.
    ///   - old: the key that the node is registered with; zero ignores whether it is.
    public func register(_ disk: DiskID, key new: UInt64, replacing old: UInt64 = 0) async throws {
        try await storage3.cprepDiskPRRegister3(.init(DiskId: disk.wire, OldPrKey: old, NewPrKey: new))
            .returnValue.throwIfFailed()
    }

    /// CprepDiskFindKey3 (opnum 12): whether any node has registered the key; for a key of zero, whether any has registered at all.
    public func isRegistered(_ key: UInt64, on disk: DiskID) async throws -> Bool {
        let response = try await storage3.cprepDiskFindKey3(.init(DiskId: disk.wire, Key: key))
        try response.returnValue.throwIfFailed()
        return response.pbFound != 0
    }

    /// CprepDiskPRPreempt3 (opnum 13).
    ///
    /// - Parameters:
    ///   - disk: the disk.
    ///   - owner: the key whose registrations go, and with them the reservation that one of them holds.
    ///   - key: the key that the node is registered with.
    public func preempt(_ disk: DiskID, owner: UInt64, key: UInt64) async throws {
        try await storage3.cprepDiskPRPreempt3(.init(DiskId: disk.wire, OwnerKey: owner, NewKey: key))
            .returnValue.throwIfFailed()
    }

    /// CprepDiskPRReserve3 (opnum 14): Write Exclusive – Registrants Only, with the key that the node is registered with.
    public func reserve(_ disk: DiskID, key: UInt64) async throws {
        try await storage3.cprepDiskPRReserve3(.init(DiskId: disk.wire, Key: key)).returnValue.throwIfFailed()
    }

    /// CprepDiskIsPRPresent3 (opnum 15): whether the reservation is held with this key. ERROR_NOT_FOUND is false, not an error.
    public func isReserved(_ disk: DiskID, key: UInt64) async throws -> Bool {
        let result = try await storage3.cprepDiskIsPRPresent3(.init(DiskId: disk.wire, Key: key)).returnValue
        if result == Win32Error.notFound.hresult { return false }
        try result.throwIfFailed()
        return true
    }

    /// CprepDiskPRRelease3 (opnum 16).
    public func releaseReservation(of disk: DiskID, key: UInt64) async throws {
        try await storage3.cprepDiskPRRelease3(.init(DiskId: disk.wire, Key: key)).returnValue.throwIfFailed()
    }

    /// CprepDiskPRClear3 (opnum 17).
    public func clearReservations(of disk: DiskID, key: UInt64) async throws {
        try await storage3.cprepDiskPRClear3(.init(DiskId: disk.wire, Key: key)).returnValue.throwIfFailed()
    }
}
