import Reservations

/// One of the two initiators as whom a target is tested.
final class TargetInitiator {
    /// What reports call it.
    let name: String
    /// The key it registers.
    let key: ReservationKey
    /// Another one, for scenarios in which it changes.
    var otherKey: ReservationKey { Self.otherKey(of: key) }
    private let makeTransport: () throws -> any SCSITransport
    private var opened: Disk?

    init(name: String, key: ReservationKey, open: @escaping () throws -> any SCSITransport) {
        self.name = name
        self.key = key
        makeTransport = open
    }

    /// The unit as this initiator sees it, opened where it is not.
    ///
    /// - Throws: `SCSIError`.
    func disk() throws -> Disk {
        if let opened { return opened }
        do {
            let disk = try Disk(transport: try makeTransport())
            opened = disk
            return disk
        } catch let error as SCSIError {
            throw error
        } catch {
            throw SCSIError.transport(name: name, cause: error)
        }
    }

    /// What ``otherKey`` is for a key.
    static func otherKey(of key: ReservationKey) -> ReservationKey { ReservationKey(rawValue: key.rawValue ^ 0xFF) }

    /// Ends the session: the next command begins another one, with the same identity.
    func disconnect() {
        opened = nil
    }
}
