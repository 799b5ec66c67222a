/// The parameter data of PERSISTENT RESERVE IN (SPC-3 6.11).
extension PersistentReservations {
    /// What the service action returns, before the allocation length cuts it.
    func data(for action: SCSICommand.ReserveInAction) -> [UInt8] {
        switch action {
        case .readKeys: withHeader(registrations.flatMap { octets(of: $0.key.rawValue) })
        case .readReservation: withHeader(reservationDescriptor)
        case .reportCapabilities: capabilities
        case .readFullStatus: withHeader(registrations.flatMap(fullStatus))
        }
    }

    /// PRGENERATION and ADDITIONAL LENGTH before the list.
    private func withHeader(_ list: [UInt8]) -> [UInt8] {
        octets(of: generation) + octets(of: UInt32(list.count)) + list
    }

    /// Nothing without a reservation (6.11.3).
    private var reservationDescriptor: [UInt8] {
        guard let reservation else { return [] }
        return octets(of: holderKey.rawValue) + [0, 0, 0, 0, 0, reservation.type.rawValue, 0, 0]
    }

    /// CRH, SIP_C, ATP_C and PTPL_C, and TMV with every type (6.11.4).
    private var capabilities: [UInt8] {
        let mask = ReservationType.allCases.reduce(UInt16(0)) { $0 | $1.capabilityMask }
        return [0, 8, 0x1D, persistsThroughPowerLoss ? 0x81 : 0x80] + octets(of: mask) + [0, 0]
    }

    /// One descriptor for each I_T nexus (6.11.5). ALL_TG_PT stays zero, as a device server may report every nexus by itself.
    private func fullStatus(of registration: Registration) -> [UInt8] {
        let holds = isHolder(registration.nexus)
        let transportID = registration.nexus.initiator.transportID
        return octets(of: registration.key.rawValue)
            + [0, 0, 0, 0, holds ? 1 : 0, holds ? reservation?.type.rawValue ?? 0 : 0, 0, 0, 0, 0]
            + octets(of: registration.nexus.targetPort) + octets(of: UInt32(transportID.count)) + transportID
    }

    private func octets(of value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
        var octets: [UInt8] = []
        octets.append(bigEndian: value)
        return octets
    }
}
