/// The parameter list of PERSISTENT RESERVE OUT (SPC-3 6.12.3, table 116).
struct ReserveOutParameters: Sendable, Equatable {
    /// RESERVATION KEY.
    var key: ReservationKey
    /// SERVICE ACTION RESERVATION KEY.
    var serviceActionKey: ReservationKey
    /// ALL_TG_PT.
    var allTargetPorts = false
    /// APTPL.
    var persistsThroughPowerLoss = false
    /// SPEC_I_PT with its TransportIDs; nil where the bit is zero.
    var initiatorPorts: [[UInt8]]?

    /// The octets of a list without the bits of SPEC_I_PT.
    static let basicLength = 24

    var octets: [UInt8] {
        var octets: [UInt8] = []
        octets.append(bigEndian: key.rawValue)
        octets.append(bigEndian: serviceActionKey.rawValue)
        octets += [0, 0, 0, 0]
        octets.append(
            (initiatorPorts == nil ? 0 : 0x08) | (allTargetPorts ? 0x04 : 0) | (persistsThroughPowerLoss ? 0x01 : 0))
        octets += [0, 0, 0]
        if let initiatorPorts {
            let list = initiatorPorts.flatMap { $0 }
            octets.append(bigEndian: UInt32(list.count))
            octets += list
        }
        return octets
    }
}
