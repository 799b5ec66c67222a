import Testing

@testable import Reservations

/// PREEMPT and PREEMPT AND ABORT (SPC-3 5.6.10.4 and 5.6.10.5): both roles of the key.
extension ReserveOutTests {
    static let preempts: [SCSICommand.ReserveOutAction] = [.preempt, .preemptAndAbort]

    @Test(arguments: preempts, ReservationType.allCases.filter { !$0.isAllRegistrants })
    mutating func preemptingTheHolderTakesTheReservation(
        action: SCSICommand.ReserveOutAction, type: ReservationType
    ) throws {
        try register(a, b, c)
        try state.execute(request(.reserve, a, key: 1, type: type))
        try state.execute(request(action, b, key: 2, to: 1, type: .writeExclusive))
        #expect(state.reservation == .init(type: .writeExclusive, holder: b))
        #expect(keys == [2, 3])
        #expect(attentions(of: a) == [.registrationsPreempted])
        #expect(attentions(of: b) == [])
        #expect(attentions(of: c) == (type == .writeExclusive ? [] : [.reservationsReleased]))
        #expect(state.generation == 4)
    }

    @Test mutating func preemptingRemovesEveryNexusWithTheKeyButOurs() throws {
        for nexus in [a, b, c] { try state.execute(request(.register, nexus, to: 5)) }
        try state.execute(request(.reserve, a, key: 5, type: .writeExclusiveRegistrantsOnly))
        try state.execute(request(.preempt, b, key: 5, to: 5, type: .writeExclusiveRegistrantsOnly))
        #expect(state.registrations.map(\.nexus) == [b])
        #expect(state.isHolder(b))
        #expect(attentions(of: a) == [.registrationsPreempted])
        #expect(attentions(of: c) == [.registrationsPreempted])
    }

    @Test mutating func holderPreemptsItselfToChangeTheType() throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: .exclusiveAccess))
        try state.execute(request(.preempt, a, key: 1, to: 1, type: .writeExclusiveRegistrantsOnly))
        #expect(state.reservation == .init(type: .writeExclusiveRegistrantsOnly, holder: a))
        #expect(keys == [1, 2])
        #expect(attentions(of: b) == [.reservationsReleased])
    }

    @Test(arguments: preempts, ReservationType.allCases)
    mutating func preemptingARegistrantRemovesItsRegistration(
        action: SCSICommand.ReserveOutAction, type: ReservationType
    ) throws {
        try register(a, b, c)
        try state.execute(request(.reserve, a, key: 1, type: type))
        let reservation = state.reservation
        try state.execute(request(action, a, key: 1, to: 3))
        #expect(state.reservation == reservation)
        #expect(keys == [1, 2])
        #expect(attentions(of: c) == [.registrationsPreempted])
        #expect(attentions(of: b) == [])
    }

    @Test mutating func preemptingWithoutAReservationReservesNothing() throws {
        try register(a, b)
        try state.execute(request(.preempt, a, key: 1, to: 2, type: .writeExclusive))
        #expect(state.reservation == nil)
        #expect(keys == [1])
    }

    @Test mutating func preemptingAnUnknownKeyConflicts() throws {
        try register(a, b)
        expect(.conflict, of: request(.preempt, a, key: 1, to: 9, type: .writeExclusive))
        // Zero is no key that anybody is registered with.
        expect(.conflict, of: request(.preempt, a, key: 1, to: 0, type: .writeExclusive))
        try state.execute(request(.reserve, b, key: 2, type: .writeExclusive))
        expect(.conflict, of: request(.preempt, a, key: 1, to: 9, type: .writeExclusive))
    }

    @Test(arguments: ReservationType.allCases)
    mutating func preemptingZero(type: ReservationType) throws {
        try register(a, b, c)
        try state.execute(request(.reserve, a, key: 1, type: type))
        let preempt = request(.preempt, b, key: 2, to: 0, type: .writeExclusive)
        guard type.isAllRegistrants else {
            expect(.invalidParameter(octet: 8), of: preempt)
            return
        }
        try state.execute(preempt)
        #expect(state.reservation == .init(type: .writeExclusive, holder: b))
        #expect(keys == [2])
        #expect(attentions(of: a) == [.registrationsPreempted])
        #expect(attentions(of: c) == [.registrationsPreempted])
    }

    @Test mutating func preemptingOurOwnRegistrationRemovesIt() throws {
        try register(a, b)
        try state.execute(request(.preempt, a, key: 1, to: 1))
        #expect(state.registrations.map(\.nexus) == [b])
        #expect(state.attentions.isEmpty)
    }

    @Test mutating func lastRegistrantOfAllTakesTheReservationAlong() throws {
        try register(a)
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusiveAllRegistrants))
        try state.execute(request(.preempt, a, key: 1, to: 1, type: .writeExclusive))
        #expect(state.reservation == nil)
        #expect(keys == [])
    }

    @Test mutating func preemptingNeedsTheRegisteredKey() throws {
        try register(a, b)
        expect(.conflict, of: request(.preempt, c, to: 1, type: .writeExclusive))
        expect(.conflict, of: request(.preempt, b, key: 1, to: 1, type: .writeExclusive))
    }

    @Test mutating func attentionsAreBounded() {
        for index in 0..<PersistentReservations.attentionLimit + 1 {
            state.establish(.reservationsReleased, for: Nexus(initiator: .node("n\(index)"), targetPort: 1))
        }
        #expect(state.attentions.count == PersistentReservations.attentionLimit)
        #expect(attentions(of: Nexus(initiator: .node("n0"), targetPort: 1)) == [])
    }
}
