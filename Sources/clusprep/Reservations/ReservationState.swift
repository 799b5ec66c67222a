import Reservations

/// What is registered and reserved on a disk, as `--json` shows it. A field that is missing was not asked for, or the disk does not
/// support the question.
struct ReservationState: Encodable, Equatable {
    /// PRgeneration: changes with every change of the registrations.
    var generation: UInt32
    /// The registered keys, one for each I_T nexus; `0x` and sixteen hexadecimal digits.
    var keys: [String]
    /// The reservation; missing where nobody holds one.
    var reservation: Held?
    /// REPORT CAPABILITIES.
    var capabilities: Capabilities?
    /// READ FULL STATUS.
    var registrations: [Registration]?

    /// A reservation.
    struct Held: Encodable, Equatable {
        /// The holder's key; missing where all registrants hold it.
        var key: String?
        /// The type's number (SPC-3 6.11.3).
        var type: UInt8
        /// The type's name.
        var typeName: String

        init(_ holder: CurrentReservation.Holder) {
            key = holder.type.isAllRegistrants ? nil : "\(holder.key)"
            type = holder.type.rawValue
            typeName = holder.type.name
        }
    }

    /// What the unit can do.
    struct Capabilities: Encodable, Equatable {
        /// CRH.
        var compatibleReservationHandling: Bool
        /// SIP_C.
        var specifyInitiatorPorts: Bool
        /// ATP_C.
        var allTargetPorts: Bool
        /// PTPL_C.
        var persistThroughPowerLoss: Bool
        /// PTPL_A.
        var persistThroughPowerLossActivated: Bool
        /// The numbers of the types it supports; missing where it does not say.
        var types: [UInt8]?

        init(_ capabilities: ReservationCapabilities) {
            compatibleReservationHandling = capabilities.compatibleReservationHandling
            specifyInitiatorPorts = capabilities.specifyInitiatorPorts
            allTargetPorts = capabilities.allTargetPorts
            persistThroughPowerLoss = capabilities.persistThroughPowerLoss
            persistThroughPowerLossActivated = capabilities.persistThroughPowerLossActivated
            types = capabilities.types.map { $0.map(\.rawValue).sorted() }
        }
    }

    /// One I_T nexus.
    struct Registration: Encodable, Equatable {
        /// Its key.
        var key: String
        /// Whether it holds the reservation.
        var isHolder: Bool
        /// Whether it is registered through every target port; then ``targetPort`` is missing.
        var allTargetPorts: Bool
        /// The relative identifier of the target port.
        var targetPort: UInt16?
        /// The initiator's iSCSI name and session identifier; missing where the TransportID is of another protocol.
        var initiator: String?
        /// The TransportID in hexadecimal.
        var transportID: String

        init(_ status: RegistrationStatus) {
            key = "\(status.key)"
            isHolder = status.heldType != nil
            allTargetPorts = status.allTargetPorts
            targetPort = status.allTargetPorts ? nil : status.relativeTargetPort
            initiator = InitiatorIdentity(transportID: status.transportID).map {
                "\($0.name),i,0x\(hexadecimal($0.sessionID, digits: 12))"
            }
            transportID = status.transportID.map { hexadecimal(UInt64($0), digits: 2) }.joined()
        }
    }

    /// Asks the disk for keys and reservation.
    init(of disk: Disk) throws {
        let registered = try disk.readKeys()
        generation = registered.generation
        keys = registered.keys.map(\.description)
        reservation = try disk.readReservation().holder.map(Held.init)
    }

    /// Asks the disk these questions.
    ///
    /// - Parameter demanded: the questions whose refusal is an error; a disk need not support the others.
    init(of disk: Disk, demanded: Set<ReservationQuestion>) throws {
        try self.init(of: disk)
        capabilities = try Self.answer(demanded.contains(.capabilities)) {
            Capabilities(try disk.reservationCapabilities())
        }
        registrations = try Self.answer(demanded.contains(.fullStatus)) {
            try disk.readFullReservationStatus().registrations.map(Registration.init)
        }
    }

    private static func answer<T>(_ isDemanded: Bool, _ question: () throws -> T) throws -> T? {
        do {
            return try question()
        } catch SCSIError.checkCondition(let sense) where sense.key == .illegalRequest && !isDemanded {
            return nil
        }
    }
}
