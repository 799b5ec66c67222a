@testable import Reservations

/// Persistent reservations without a file: commands and parameter lists to the state, what it answers to the reader, and
/// answers of strangers.
struct ReservationTarget: FuzzTarget {
    private let transport = ScriptedTransport()
    private let disk: Disk
    private let nexuses: [Nexus]

    init() throws {
        disk = try Disk(transport: transport)
        let initiators = ["one", "two", "three"].map(InitiatorIdentity.node)
        nexuses = initiators.flatMap { initiator in
            EmulatedLogicalUnit.targetPorts.map { Nexus(initiator: initiator, targetPort: $0) }
        }
    }

    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        if input.octet() & 3 == 3 {
            transport.set(input.octets(.max))
            read()
            return
        }
        var state = PersistentReservations()
        while !input.isEmpty { step(&state, &input) }
        check(state)
    }

    private func read() {
        _ = try? disk.readKeys()
        _ = try? disk.readReservation()
        _ = try? disk.reservationCapabilities()
        _ = try? disk.readFullReservationStatus()
    }

    private func step(_ state: inout PersistentReservations, _ input: inout FuzzInput) {
        let command = FuzzCommand(&input)
        let nexus = nexuses[Int(command.sender) % nexuses.count]
        _ = state.takeAttention(of: nexus)
        guard let parsed = try? SCSICommand(cdb: command.cdb),
            case .persistentReserveOut(let action, let scope, let type, let length) = parsed,
            let parameters = try? ReserveOutParameters(command.list, length: length, action: action)
        else { return }
        let before = state
        do {
            try state.execute(
                ReserveOutRequest(
                    action: action, scope: scope, type: type, parameters: parameters, nexus: nexus,
                    targetPorts: EmulatedLogicalUnit.targetPorts))
        } catch {
            promise(state == before, "a refused command changed the state")
        }
        if let defect = defect(of: state) { promise(false, defect) }
    }

    private func defect(of reservations: PersistentReservations) -> String? {
        var state = UnitState(imageLength: 512, blockSize: 512, bootIdentifier: "")
        state.reservations = reservations
        return state.defect
    }

    /// What the state says of itself is what the reader understands.
    private func check(_ state: PersistentReservations) {
        transport.set(state.data(for: .readKeys))
        promise((try? disk.readKeys())?.keys == state.registrations.map(\.key), "keys that are read differently")
        transport.set(state.data(for: .readReservation))
        let holder = (try? disk.readReservation())?.holder
        promise(holder?.type == state.reservation?.type, "a reservation that is read differently")
        promise(holder == nil || holder?.key == state.holderKey, "a holder that is read differently")
        transport.set(state.data(for: .readFullStatus))
        let status = try? disk.readFullReservationStatus()
        promise(status?.registrations.map(\.key) == state.registrations.map(\.key), "a status that is read differently")
    }
}

/// A command with its data, made so that a good part of them is accepted.
struct FuzzCommand {
    var sender: UInt8
    var cdb: [UInt8]
    var list: [UInt8]

    init(_ input: inout FuzzInput) {
        let shape = input.octet()
        sender = shape >> 4
        switch shape & 0x0F {
        case 0...11:
            // The usual list: two of a few keys, so that they meet.
            let action = input.octet()
            let keys = input.octet()
            let flags = input.octet()
            list = [UInt8](repeating: 0, count: 24)
            list[7] = keys & 0x0F
            list[15] = keys >> 4
            list[20] = flags & 0x0F
            list += input.octets(Int(flags >> 4) * 4)
            cdb = Self.cdb(action: action & 0x0F, type: input.octet(), length: UInt32(list.count))
        case 12, 13:
            let action = input.octet()
            let type = input.octet()
            let length = Int(input.octet())
            list = input.octets(length)
            cdb = Self.cdb(action: action, type: type, length: UInt32(list.count))
        default:
            cdb = input.octets(16)
            let length = Int(input.octet())
            list = input.octets(length)
        }
    }

    private static func cdb(action: UInt8, type: UInt8, length: UInt32) -> [UInt8] {
        [0x5F, action, type, 0, 0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + [0]
    }
}
