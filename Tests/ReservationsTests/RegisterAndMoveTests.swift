import Testing

@testable import Reservations

/// REGISTER AND MOVE (SPC-3 5.6.7, 6.12.4).
extension ReserveOutTests {
    func move(
        _ nexus: Nexus, key: UInt64, to newKey: UInt64, heir: Nexus, unregisters: Bool = false, persists: Bool = false
    ) -> ReserveOutRequest {
        var request = request(.registerAndMove, nexus, key: key, to: newKey, persists: persists)
        request.parameters.move = .init(
            unregisters: unregisters, targetPort: heir.targetPort, transportID: heir.initiator.transportID)
        return request
    }

    @Test(arguments: ReservationType.allCases.filter { !$0.isAllRegistrants }, [false, true])
    mutating func movingHandsTheReservationOver(type: ReservationType, unregisters: Bool) throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: type))
        try state.execute(move(a, key: 1, to: 9, heir: c, unregisters: unregisters, persists: true))
        #expect(state.reservation == .init(type: type, holder: c))
        #expect(state.holderKey == key(9))
        #expect(keys == (unregisters ? [2, 9] : [1, 2, 9]))
        #expect(state.persistsThroughPowerLoss)
        #expect(state.generation == 3)
        #expect(state.attentions.isEmpty)
    }

    @Test mutating func movingToARegistrantChangesItsKey() throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        try state.execute(move(a, key: 1, to: 22, heir: b))
        #expect(keys == [1, 22])
        #expect(state.isHolder(b))
        #expect(!state.isHolder(a))
    }

    @Test mutating func movingNeedsTheHolder() throws {
        try register(a, b)
        // Nothing to move: the command makes no sense, whoever sends it.
        let nothing = ReserveOutRefusal.sense(SCSICommandRefusal.invalidField(octet: 1, bit: 4).sense)
        expect(nothing, of: move(a, key: 1, to: 9, heir: c))
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusiveRegistrantsOnly))
        expect(.conflict, of: move(b, key: 2, to: 9, heir: c))
        expect(.conflict, of: move(d, key: 0, to: 9, heir: c))
        expect(.conflict, of: move(a, key: 7, to: 9, heir: c))
        expect(.invalidParameter(octet: 8), of: move(a, key: 1, to: 0, heir: c))
        expect(.invalidParameter(octet: 24), of: move(a, key: 1, to: 9, heir: a))
        expect(
            .invalidParameter(octet: 18), of: move(a, key: 1, to: 9, heir: Nexus(initiator: c.initiator, targetPort: 3))
        )
        var foreign = move(a, key: 1, to: 9, heir: c)
        foreign.parameters.move?.transportID = [UInt8](repeating: 0, count: 24)
        expect(.invalidParameter(octet: 24), of: foreign)
        // The same initiator through the other port is another nexus.
        try state.execute(move(a, key: 1, to: 9, heir: Nexus(initiator: a.initiator, targetPort: 2)))
        #expect(!state.isHolder(a))
    }

    @Test(arguments: [ReservationType.writeExclusiveAllRegistrants, .exclusiveAccessAllRegistrants])
    mutating func whatAllHoldCannotBeMoved(type: ReservationType) throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: type))
        expect(.conflict, of: move(a, key: 1, to: 9, heir: c))
    }

    /// Hand-made: keys 1 and 2, UNREG and APTPL, port 2, a TransportID of 24 octets or more.
    @Test func moveListLayout() throws {
        let id = a.initiator.transportID
        let head = "0000000000000001 0000000000000002 00 03 0002"
        let list = octets(head) + [0, 0, 0, UInt8(id.count)] + id
        let parameters = try ReserveOutParameters(list, length: UInt32(list.count), action: .registerAndMove)
        #expect(parameters.key == key(1) && parameters.serviceActionKey == key(2))
        #expect(parameters.persistsThroughPowerLoss)
        #expect(parameters.move == .init(unregisters: true, targetPort: 2, transportID: id))
        #expect(parameters.octets == list)
        for bad in [octets(head) + [0, 0, 0, 0], octets(head) + [0, 0, 0, 24] + [UInt8](repeating: 0, count: 20)] {
            #expect(throws: ReserveOutRefusal.parameterListLength) {
                try ReserveOutParameters(bad, length: UInt32(bad.count), action: .registerAndMove)
            }
        }
        #expect(throws: ReserveOutRefusal.parameterListLength) {
            try ReserveOutParameters(list, length: UInt32(list.count - 4), action: .registerAndMove)
        }
    }

    @Test func movingThroughDisks() throws {
        let image = try TemporaryImage()
        let (one, two) = (try image.disk(1), try image.disk(2))
        try one.registerIgnoringExistingKey(key(1))
        try one.reserve(key: key(1), type: .writeExclusive)
        try one.registerAndMove(
            key: key(1), newKey: key(2), to: .node("node2"), relativeTargetPort: 1, unregister: true)
        #expect(try two.readReservation().holder == .init(key: key(2), type: .writeExclusive))
        let block = [UInt8](repeating: 1, count: 512)
        try two.write(block: 0, block)
        #expect(throws: SCSIError.self) { try one.write(block: 0, block) }
    }
}
