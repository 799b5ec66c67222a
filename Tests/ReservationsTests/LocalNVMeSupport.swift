import Synchronization

@testable import Reservations

/// A namespace of NVM Express with hosts and reservations, as its specification has them ("Reservations" in the base
/// specification), kept by the test.
final class FakeNamespace: Sendable {
    struct State {
        var registrants: [(host: UInt64, key: UInt64)] = []
        var type: UInt8 = 0
        var holder: UInt64?
        var generation: UInt32 = 0
        var persists = false
        var blocks = [UInt8](repeating: 0, count: 64 * 4096)
        var log: [NVMeCommand] = []
        /// Statuses that end the next commands before anything happens.
        var failures: [UInt16] = []
        var isWriteProtected = false
        /// The controller knows no extended data structures.
        var isOld = false
    }

    let state = Mutex(State())

    /// A host's way to the namespace.
    func unit(host: UInt64, maximumTransfer: Int = 1 << 20) throws -> NVMeUnit {
        try NVMeUnit(name: "/dev/nvme0n1", namespace: 1, maximumTransfer: maximumTransfer) {
            command throws(FileError) in self.execute(command, host: host)
        }
    }

    func disk(host: UInt64, maximumTransfer: Int = 1 << 20) throws -> Disk {
        try Disk(
            transport: TranslatedTransport(
                name: "/dev/nvme0n1", attachment: DiskAttachment(bus: .nvme),
                unit: unit(host: host, maximumTransfer: maximumTransfer)))
    }

    func takeLog() -> [NVMeCommand] {
        state.withLock { state in
            defer { state.log = [] }
            return state.log
        }
    }

    static func identifyController() -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: 4096)
        octets.replaceSubrange(4..<24, with: padded("S4EVNX0M", 20))
        octets.replaceSubrange(24..<64, with: padded("Example NVMe Disk 1TB", 40))
        octets.replaceSubrange(64..<72, with: padded("2B2QEXM7", 8))
        octets[520] = 0x7F  // ONCS, bit 5: reservations
        return octets
    }

    static func identifyNamespace(isWriteProtected: Bool = false) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: 4096)
        octets[0] = 64  // NSZE
        octets[25] = 1  // NLBAF, zero based
        octets[26] = 0x01  // FLBAS: format 1
        octets[31] = 0xFF  // RESCAP
        octets[99] = isWriteProtected ? 1 : 0
        octets.replaceSubrange(120..<128, with: [0x00, 0x25, 0x38, 0x5B, 0x91, 0xB0, 0x0A, 0x5C])
        octets[128 + 2] = 9  // LBAF0: 512 octets
        octets[132 + 2] = 12  // LBAF1: 4096 octets
        return octets
    }

    private func execute(_ command: NVMeCommand, host: UInt64) -> NVMeCommand.Completion {
        state.withLock { state in
            state.log.append(command)
            if !state.failures.isEmpty { return .init(status: .init(rawValue: state.failures.removeFirst())) }
            var data: [UInt8] = []
            let status: UInt16
            if command.isAdmin {
                status = Self.admin(command, &state, host, &data)
            } else {
                switch command.opcode {
                case 0x00: status = 0
                case 0x01, 0x02: status = Self.transfer(command, &state, host, &data)
                case 0x0D: status = Self.register(command, &state, host)
                case 0x0E: status = Self.report(command, state, &data)
                case 0x11: status = Self.acquire(command, &state, host)
                case 0x15: status = Self.release(command, &state, host)
                default: status = 0x001
                }
            }
            data += [UInt8](repeating: 0, count: max(0, command.dataInLength - data.count))
            return .init(status: .init(rawValue: status), data: Array(data.prefix(command.dataInLength)))
        }
    }

    private static func admin(
        _ command: NVMeCommand, _ state: inout State, _ host: UInt64, _ data: inout [UInt8]
    ) -> UInt16 {
        switch (command.opcode, command.doublewords[0]) {
        case (0x06, 0): data = identifyNamespace(isWriteProtected: state.isWriteProtected)
        case (0x06, 1): data = identifyController()
        case (0x0A, 0x81): data = little(host)
        default: return 0x002
        }
        return 0
    }

    private static func little(_ value: UInt64) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    private static func transfer(
        _ command: NVMeCommand, _ state: inout State, _ host: UInt64, _ data: inout [UInt8]
    ) -> UInt16 {
        let isRegistered = state.registrants.contains { $0.host == host }
        let isAllowed =
            state.type == 0 || state.holder == host || (state.type > 2 && isRegistered)
            || (command.opcode == 0x02 && [1, 3, 5].contains(state.type))
        guard isAllowed else { return 0x083 }
        let start = (Int(command.doublewords[0]) | Int(command.doublewords[1]) << 32) * 4096
        let count = (Int(command.doublewords[2] & 0xFFFF) + 1) * 4096
        guard start + count <= state.blocks.count else { return 0x080 }
        if command.opcode == 0x01 {
            state.blocks.replaceSubrange(start..<start + count, with: command.dataOut)
        } else {
            data = Array(state.blocks[start..<start + count])
        }
        return 0
    }

    private static func register(_ command: NVMeCommand, _ state: inout State, _ host: UInt64) -> UInt16 {
        let (current, new) = (command.dataOut.little(0, octets: 8), command.dataOut.little(8, octets: 8))
        let index = state.registrants.firstIndex { $0.host == host }
        let word = command.doublewords[0]
        if word >> 30 == 3 { state.persists = true }
        if word >> 30 == 2 { state.persists = false }
        switch word & 7 {
        case 0:
            if let index { return state.registrants[index].key == new ? 0 : 0x083 }
            state.registrants.append((host, new))
        case 1:
            guard let index, word & 8 != 0 || state.registrants[index].key == current else { return 0x083 }
            state.registrants.remove(at: index)
            if state.holder == host || state.registrants.isEmpty { (state.type, state.holder) = (0, nil) }
        default:
            guard let index, word & 8 != 0 || state.registrants[index].key == current else { return 0x083 }
            state.registrants[index].key = new
        }
        state.generation += 1
        return 0
    }

    private static func acquire(_ command: NVMeCommand, _ state: inout State, _ host: UInt64) -> UInt16 {
        let (current, victim) = (command.dataOut.little(0, octets: 8), command.dataOut.little(8, octets: 8))
        let type = UInt8(command.doublewords[0] >> 8 & 0xFF)
        guard state.registrants.contains(where: { $0.host == host && $0.key == current }) else { return 0x083 }
        if command.doublewords[0] & 7 == 0 {
            guard state.type == 0 || (state.type == type && (state.holder == host || type > 4)) else { return 0x083 }
        } else {
            let holdsAll = state.type > 4 && victim == 0
            let held = state.registrants.first { $0.host == state.holder }?.key
            guard holdsAll || state.registrants.contains(where: { $0.key == victim }) else { return 0x083 }
            state.registrants.removeAll { $0.host != host && (holdsAll || $0.key == victim) }
            state.generation += 1
            guard holdsAll || held == victim else { return 0 }
        }
        state.type = type
        state.holder = type > 4 ? nil : host
        return 0
    }

    private static func release(_ command: NVMeCommand, _ state: inout State, _ host: UInt64) -> UInt16 {
        let current = command.dataOut.little(0, octets: 8)
        guard state.registrants.contains(where: { $0.host == host && $0.key == current }) else { return 0x083 }
        if command.doublewords[0] & 7 == 1 {
            state.registrants = []
            state.generation += 1
        } else {
            guard state.holder == host || state.type > 4 else { return 0 }
            guard UInt8(command.doublewords[0] >> 8 & 0xFF) == state.type else { return 0x002 }
        }
        (state.type, state.holder) = (0, nil)
        return 0
    }

    private static func report(_ command: NVMeCommand, _ state: State, _ data: inout [UInt8]) -> UInt16 {
        // This fake has identifiers of 64 bits, so it has only the standard structure to offer.
        if command.doublewords[1] & 1 == 1 { return state.isOld ? 0x002 : 0x018 }
        data = withUnsafeBytes(of: state.generation.littleEndian) { Array($0) }
        data += [state.type, UInt8(state.registrants.count & 0xFF), UInt8(state.registrants.count >> 8), 0, 0]
        data += [state.persists ? 1 : 0] + [UInt8](repeating: 0, count: 14)
        for registrant in state.registrants {
            let holds = state.holder == registrant.host || state.type > 4
            data += [1, 0, holds ? 1 : 0, 0, 0, 0, 0, 0] + little(registrant.host) + little(registrant.key)
        }
        return 0
    }
}
