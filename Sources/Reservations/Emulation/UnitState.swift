import Foundation

extension ReservationKey: Codable {}
extension ReservationType: Codable {}
extension AdditionalSenseCode: Codable {}

/// What is kept beside an image: who the unit is, and its reservations.
struct UnitState: Equatable, Sendable, Codable {
    /// The unit's NAA identifier: the format "locally assigned" (3h) and 60 random bits.
    var identifier: UInt64
    /// The image's length when it became a disk.
    var imageLength: UInt64
    /// The octets of a logical block.
    var blockSize: Int
    /// The boot of the host during which the state was written; another one means that the unit lost power since.
    var bootIdentifier: String
    /// The persistent reservations.
    var reservations = PersistentReservations()
    /// The reservation of a RESERVE (6), where there is one; it may be one of a session that has ended.
    var legacyReservation: LegacyReservation?
    /// How the unit is thin-provisioned; nil where it is not.
    var thinProvisioning: ThinProvisioning?

    /// The state of an image that becomes a disk.
    init(
        imageLength: UInt64, blockSize: Int, bootIdentifier: String, thinProvisioning: ThinProvisioning? = nil
    ) {
        identifier = 3 << 60 | UInt64.random(in: 0..<1 << 60)
        self.imageLength = imageLength
        self.blockSize = blockSize
        self.bootIdentifier = bootIdentifier
        self.thinProvisioning = thinProvisioning
    }

    /// What the unit remembers after it lost power.
    mutating func losePower(bootIdentifier: String) {
        self.bootIdentifier = bootIdentifier
        reservations.losePower()
        legacyReservation = nil
    }

    /// Whether what was read could have been written; the reason where not.
    var defect: String? {
        let registrations = reservations.registrations
        let nexuses = Set(registrations.map(\.nexus))
        if identifier >> 60 != 3 { return "no NAA identifier" }
        if nexuses.count != registrations.count { return "a nexus is registered twice" }
        if registrations.contains(where: { $0.key == .none }) { return "a registration without a key" }
        if registrations.count > PersistentReservations.registrationLimit { return "too many registrations" }
        if reservations.attentions.count > PersistentReservations.attentionLimit { return "too many unit attentions" }
        guard let reservation = reservations.reservation else { return nil }
        if reservation.type.isAllRegistrants {
            return reservation.holder != nil || registrations.isEmpty ? "a reservation without registrants" : nil
        }
        guard let holder = reservation.holder, nexuses.contains(holder) else { return "a reservation without a holder" }
        return nil
    }

    /// The state as JSON, so that an administrator can read it.
    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return Array(try encoder.encode(self))
    }

    /// Reads what ``encoded()`` wrote.
    init(encoded octets: [UInt8]) throws {
        self = try JSONDecoder().decode(UnitState.self, from: Data(octets))
    }
}
