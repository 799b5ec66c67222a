/// The parameter list of PERSISTENT RESERVE OUT (SPC-3 6.12.3, and 6.12.4 for REGISTER AND MOVE).
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
    /// Where REGISTER AND MOVE moves the reservation; nil for every other action.
    var move: Move?

    /// The part of the list that only REGISTER AND MOVE has.
    struct Move: Sendable, Equatable {
        /// UNREG: the sender's own registration goes.
        var unregisters: Bool
        /// RELATIVE TARGET PORT IDENTIFIER.
        var targetPort: UInt16
        /// The initiator port.
        var transportID: [UInt8]
    }

    /// The octets of a list without the bits of SPEC_I_PT.
    static let basicLength = 24

    var octets: [UInt8] {
        var octets: [UInt8] = []
        octets.append(bigEndian: key.rawValue)
        octets.append(bigEndian: serviceActionKey.rawValue)
        if let move {
            octets += [0, (move.unregisters ? 0x02 : 0) | (persistsThroughPowerLoss ? 0x01 : 0)]
            octets.append(bigEndian: move.targetPort)
            octets.append(bigEndian: UInt32(move.transportID.count))
            return octets + move.transportID
        }
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

extension ReserveOutParameters {
    /// Reads a parameter list as a device server does.
    ///
    /// - Parameters:
    ///   - octets: what the initiator sent.
    ///   - length: PARAMETER LIST LENGTH of the CDB.
    ///   - action: the service action, as REGISTER AND MOVE has a list of its own.
    /// - Throws: PARAMETER LIST LENGTH ERROR where the length is not 24 without SPEC_I_PT, or the data does not reach it;
    ///   INVALID FIELD IN PARAMETER LIST where the TransportIDs do not fill their length (SPC-3 6.12.3).
    init(
        _ octets: [UInt8], length: UInt32, action: SCSICommand.ReserveOutAction = .register
    ) throws(ReserveOutRefusal) {
        guard length >= UInt32(Self.basicLength), octets.count >= Int(length) else { throw .parameterListLength }
        key = ReservationKey(rawValue: octets.field64(0))
        serviceActionKey = ReservationKey(rawValue: octets.field64(8))
        if action == .registerAndMove {
            persistsThroughPowerLoss = octets[17] & 0x01 != 0
            // A TransportID has at least 24 octets and a multiple of four (7.5.4).
            guard octets.field32(20) == length - 24, length >= 48, length.isMultiple(of: 4) else {
                throw .parameterListLength
            }
            move = Move(
                unregisters: octets[17] & 0x02 != 0, targetPort: octets.field16(18),
                transportID: Array(octets[24..<Int(length)]))
            return
        }
        allTargetPorts = octets[20] & 0x04 != 0
        persistsThroughPowerLoss = octets[20] & 0x01 != 0
        guard octets[20] & 0x08 != 0 else {
            guard length == UInt32(Self.basicLength) else { throw .parameterListLength }
            return
        }
        guard length >= 28 else { throw .parameterListLength }
        guard octets.field32(24) == length - 28 else { throw .invalidParameter(octet: 24) }
        var transportIDs: [[UInt8]] = []
        var rest = octets[28..<Int(length)]
        while !rest.isEmpty {
            // Only iSCSI's TransportIDs have a length of their own; the other protocols' have 24 octets (7.5.4).
            guard rest.count >= 4 else { throw .invalidParameter(octet: rest.startIndex) }
            let isISCSI = rest[rest.startIndex] & 0x0F == 0x05
            let size = isISCSI ? 4 + Int(rest.field16(2)) : 24
            guard rest.count >= size else { throw .invalidParameter(octet: rest.startIndex) }
            transportIDs.append(Array(rest.prefix(size)))
            rest.removeFirst(size)
        }
        initiatorPorts = transportIDs
    }
}
