/// What the methods of [MS-CSVP] 3.2.4.22, 3.4.4.10 and 3.4.4.13 ask of a disk's reservations.
extension Disk {
    /// Whether somebody holds the reservation, and who: the values of CprepDiskIsPRPresent ([MS-CSVP] 3.2.4.22).
    public enum ReservationPresence: UInt32, Sendable, Equatable {
        /// Nobody holds one.
        case none = 0
        /// Somebody else holds it.
        case heldByAnother = 1
        /// It is held with our key.
        case heldByUs = 2
    }

    /// Who holds the reservation, seen from the node with this key.
    ///
    /// A reservation of an all-registrants type is held by us where we are registered. READ RESERVATION tells keys, not nexuses, so
    /// this relies on keys that no two nodes share (``ReservationKey/unique(nodeName:)``).
    ///
    /// - Parameter key: our key; nil or zero where we have none.
    public func reservationPresence(for key: ReservationKey?) throws -> ReservationPresence {
        guard let holder = try readReservation().holder else { return .none }
        guard let key, key != .none else { return .heldByAnother }
        if holder.type.isAllRegistrants {
            return try readKeys().keys.contains(key) ? .heldByUs : .heldByAnother
        }
        return holder.key == key ? .heldByUs : .heldByAnother
    }

    /// Whether a key is registered; for zero, whether any is ([MS-CSVP] 3.4.4.10).
    public func isRegistered(_ key: ReservationKey) throws -> Bool {
        let keys = try readKeys().keys
        return key == .none ? !keys.isEmpty : keys.contains(key)
    }

    /// Whether the reservation is held with a key ([MS-CSVP] 3.4.4.13); for zero, whether anybody holds it.
    public func isReserved(with key: ReservationKey) throws -> Bool {
        let presence = try reservationPresence(for: key)
        return key == .none ? presence != .none : presence == .heldByUs
    }
}
