import Testing

@testable import Reservations

/// The rules of each PERSISTENT RESERVE OUT service action, on the state alone.
@Suite struct ReserveOutTests {
    static let nodes = (0..<4).map { Nexus(initiator: .node("node\($0)"), targetPort: 1) }
    var state = PersistentReservations()
    var (a, b, c, d) = (nodes[0], nodes[1], nodes[2], nodes[3])

    func request(
        _ action: SCSICommand.ReserveOutAction, _ nexus: Nexus, key: UInt64 = 0, to: UInt64 = 0,
        type: ReservationType? = nil, scope: UInt8 = 0, rawType: UInt8? = nil, allTargetPorts: Bool = false,
        persists: Bool = false, ports: [[UInt8]]? = nil
    ) -> ReserveOutRequest {
        ReserveOutRequest(
            action: action, scope: scope, type: rawType ?? type?.rawValue ?? 0,
            parameters: ReserveOutParameters(
                key: ReservationKey(rawValue: key), serviceActionKey: ReservationKey(rawValue: to),
                allTargetPorts: allTargetPorts, persistsThroughPowerLoss: persists, initiatorPorts: ports),
            nexus: nexus, targetPorts: 1...2)
    }

    /// Registers a, b, c … with keys 1, 2, 3 …
    mutating func register(_ nexuses: Nexus...) throws {
        for (index, nexus) in nexuses.enumerated() {
            try state.execute(request(.register, nexus, to: UInt64(index + 1)))
        }
    }

    /// Expects a refusal that leaves the state as it is.
    mutating func expect(
        _ refusal: ReserveOutRefusal, of request: ReserveOutRequest, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let before = state
        #expect(throws: refusal, sourceLocation: sourceLocation) { try state.execute(request) }
        #expect(state == before, sourceLocation: sourceLocation)
    }

    var keys: [UInt64] { state.registrations.map(\.key.rawValue) }

    func attentions(of nexus: Nexus) -> [AdditionalSenseCode] {
        state.attentions.filter { $0.nexus == nexus }.map(\.code)
    }

    // MARK: REGISTER (5.6.6), case by case

    @Test mutating func registeringWithNothingDoesNothing() throws {
        try state.execute(request(.register, a, persists: true))
        #expect(state == PersistentReservations())
    }

    @Test mutating func registeringRegisters() throws {
        try state.execute(request(.register, a, to: 7))
        #expect(state.key(of: a) == key(7))
        #expect(state.generation == 1)
    }

    @Test mutating func registeringAnUnregisteredNexusWithAKeyConflicts() {
        expect(.conflict, of: request(.register, a, key: 1, to: 7))
        expect(.conflict, of: request(.register, a, key: 1))
    }

    @Test mutating func registeringWithAWrongKeyConflicts() throws {
        try register(a)
        expect(.conflict, of: request(.register, a, key: 9, to: 7))
        expect(.conflict, of: request(.register, a, key: 0, to: 7))
    }

    @Test mutating func registeringAgainChangesTheKeyAndKeepsTheReservation() throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        try state.execute(request(.register, a, key: 1, to: 11))
        #expect(state.key(of: a) == key(11))
        #expect(state.holderKey == key(11))
        #expect(state.attentions.isEmpty)
    }

    @Test mutating func registeringAndIgnoringRegistersChangesAndRemoves() throws {
        try state.execute(request(.registerAndIgnoreExistingKey, a))
        #expect(state == PersistentReservations())
        try state.execute(request(.registerAndIgnoreExistingKey, a, key: 99, to: 1))
        try state.execute(request(.registerAndIgnoreExistingKey, a, key: 98, to: 2))
        #expect(keys == [2])
        try state.execute(request(.registerAndIgnoreExistingKey, a, key: 97))
        #expect(keys == [])
        #expect(state.generation == 3)
    }

    @Test mutating func sharedKeysAreSeparateRegistrations() throws {
        try state.execute(request(.register, a, to: 5))
        try state.execute(request(.register, b, to: 5))
        try state.execute(request(.register, a, key: 5))
        #expect(state.registrations.map(\.nexus) == [b])
    }

    @Test mutating func lastAPTPLCounts() throws {
        try state.execute(request(.register, a, to: 1, persists: true))
        #expect(state.persistsThroughPowerLoss)
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        #expect(state.persistsThroughPowerLoss)
        try state.execute(request(.register, b, to: 2))
        #expect(!state.persistsThroughPowerLoss)
    }

    @Test mutating func powerLossKeepsWhatAPTPLSays() throws {
        for persists in [true, false] {
            state = PersistentReservations()
            try state.execute(request(.register, b, to: 2))
            try state.execute(request(.register, a, to: 1, persists: persists))
            try state.execute(request(.reserve, a, key: 1, type: .exclusiveAccess))
            state.establish(.reservationsReleased, for: b)
            state.losePower()
            #expect(state.generation == 0)
            #expect(state.attentions.isEmpty)
            #expect(keys == (persists ? [2, 1] : []))
            #expect(state.isHolder(a) == persists)
        }
    }

    @Test mutating func registrationsAreLimited() throws {
        for index in 0..<PersistentReservations.registrationLimit {
            let nexus = Nexus(initiator: .node("n\(index)"), targetPort: 1)
            try state.execute(request(.register, nexus, to: 1))
        }
        expect(.insufficientRegistrationResources, of: request(.register, a, to: 1))
        // Changing a key needs no room.
        try state.execute(request(.registerAndIgnoreExistingKey, .init(initiator: .node("n0"), targetPort: 1), to: 3))
    }

    // MARK: ALL_TG_PT and SPEC_I_PT

    @Test mutating func allTargetPortsRegistersEach() throws {
        try state.execute(request(.register, a, to: 1, allTargetPorts: true))
        #expect(state.registrations.map(\.nexus.targetPort) == [1, 2])
        try state.execute(request(.register, a, key: 1, to: 4, allTargetPorts: true))
        #expect(keys == [4, 4])
        try state.execute(request(.register, a, key: 4, allTargetPorts: true))
        #expect(keys == [])
    }

    @Test mutating func allTargetPortsIsAllOrNothing() throws {
        try state.execute(request(.register, a, to: 1))
        // Port 2 is not registered, so it would refuse a request that names a key.
        expect(.conflict, of: request(.register, a, key: 1, to: 2, allTargetPorts: true))
        try state.execute(request(.registerAndIgnoreExistingKey, a, to: 2, allTargetPorts: true))
        #expect(keys == [2, 2])
    }

    @Test mutating func namedInitiatorsAreRegistered() throws {
        let ports = [b, c, b].map(\.initiator.transportID)
        try state.execute(request(.register, a, to: 1, ports: ports))
        #expect(state.registrations.map(\.nexus) == [a, b, c])
        #expect(state.generation == 1)
        state = PersistentReservations()
        try state.execute(request(.register, a, to: 1, allTargetPorts: true, ports: [b.initiator.transportID]))
        #expect(keys.count == 4)
    }

    @Test mutating func namedInitiatorsMustBeUnregistered() throws {
        try state.execute(request(.register, b, to: 2))
        let ports = [c, b].map(\.initiator.transportID)
        expect(
            .invalidParameter(octet: 28 + ports[0].count), of: request(.register, a, to: 1, ports: ports))
        try state.execute(request(.register, a, to: 1))
        expect(
            .invalidParameter(octet: 20, bit: 3),
            of: request(.register, a, key: 1, to: 3, ports: [c.initiator.transportID]))
        expect(
            .invalidParameter(octet: 28), of: request(.register, d, to: 1, ports: [[UInt8](repeating: 0, count: 24)]))
    }

    @Test(arguments: SCSICommand.ReserveOutAction.allCases.filter { $0 != .register })
    mutating func namedInitiatorsBelongToRegister(action: SCSICommand.ReserveOutAction) throws {
        try register(a)
        expect(
            .invalidParameter(octet: 20, bit: 3),
            of: request(action, a, key: 1, to: 1, type: .writeExclusive, ports: [b.initiator.transportID]))
    }

    // MARK: RESERVE and RELEASE

    @Test mutating func reservingNeedsTheRegisteredKey() throws {
        expect(.conflict, of: request(.reserve, a, type: .writeExclusive))
        try register(a)
        expect(.conflict, of: request(.reserve, a, key: 2, type: .writeExclusive))
        // The key is looked at before scope and type.
        expect(.conflict, of: request(.reserve, a, key: 2, scope: 1, rawType: 0xF))
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        #expect(state.isHolder(a))
        #expect(state.generation == 1)
    }

    @Test mutating func reservingAgainIsTheSameOrAConflict() throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        let before = state
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        #expect(state == before)
        expect(.conflict, of: request(.reserve, a, key: 1, type: .exclusiveAccess))
        expect(.conflict, of: request(.reserve, b, key: 2, type: .writeExclusive))
    }

    @Test(arguments: [0, 2, 4, 9, 10, 11, 12, 13, 14, 15] as [UInt8])
    mutating func unknownTypesAreInvalid(type: UInt8) throws {
        try register(a, b)
        expect(.invalidType, of: request(.reserve, a, key: 1, rawType: type))
        try state.execute(request(.reserve, b, key: 2, type: .writeExclusive))
        expect(.invalidType, of: request(.preempt, a, key: 1, to: 2, rawType: type))
    }

    @Test(arguments: 1...15 as ClosedRange<UInt8>)
    mutating func unknownScopesAreInvalid(scope: UInt8) throws {
        try register(a, b)
        expect(.invalidScope, of: request(.reserve, a, key: 1, type: .writeExclusive, scope: scope))
        try state.execute(request(.reserve, b, key: 2, type: .writeExclusive))
        expect(.invalidScope, of: request(.preempt, a, key: 1, to: 2, type: .writeExclusive, scope: scope))
    }

    @Test mutating func scopeAndTypeAreIgnoredWhereTheTableSaysSo() throws {
        try state.execute(request(.register, a, to: 1, scope: 9, rawType: 0xF))
        try state.execute(request(.register, b, to: 2, scope: 9, rawType: 0xF))
        // Removing registrations ignores both (5.6.10.4.4), and so does CLEAR.
        try state.execute(request(.preempt, a, key: 1, to: 2, scope: 9, rawType: 0xF))
        try state.execute(request(.clear, a, key: 1, scope: 9, rawType: 0xF))
        #expect(keys == [])
    }

    @Test(arguments: ReservationType.allCases)
    mutating func releasingTellsTheRegistrants(type: ReservationType) throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: type))
        try state.execute(request(.release, a, key: 1, type: type))
        #expect(state.reservation == nil)
        #expect(keys == [1, 2])
        #expect(state.generation == 2)
        #expect(attentions(of: a) == [])
        #expect(attentions(of: b) == (type.admitsRegistrants ? [.reservationsReleased] : []))
    }

    @Test mutating func releasingByOthersChangesNothing() throws {
        try register(a, b)
        var before = state
        try state.execute(request(.release, b, key: 2, type: .writeExclusive))
        #expect(state == before)
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        before = state
        try state.execute(request(.release, b, key: 2, type: .writeExclusive))
        #expect(state == before)
        expect(.conflict, of: request(.release, b, key: 1, type: .writeExclusive))
        expect(.conflict, of: request(.release, c, type: .writeExclusive))
    }

    @Test mutating func releasingAnotherTypeIsInvalid() throws {
        try register(a)
        try state.execute(request(.reserve, a, key: 1, type: .writeExclusive))
        expect(.invalidRelease, of: request(.release, a, key: 1, type: .exclusiveAccess))
        expect(.invalidRelease, of: request(.release, a, key: 1, type: .writeExclusive, scope: 1))
    }

    // MARK: Unregistering (5.6.10.3)

    @Test(arguments: ReservationType.allCases)
    mutating func unregisteringTheHolderReleases(type: ReservationType) throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: type))
        try state.execute(request(.register, a, key: 1))
        if type.isAllRegistrants {
            #expect(state.isHolder(b))
            #expect(attentions(of: b) == [])
            try state.execute(request(.register, b, key: 2))
        } else {
            #expect(attentions(of: b) == (type.admitsRegistrants ? [.reservationsReleased] : []))
        }
        #expect(state.reservation == nil)
    }

    @Test(arguments: ReservationType.allCases)
    mutating func unregisteringAnotherKeepsTheReservation(type: ReservationType) throws {
        try register(a, b)
        try state.execute(request(.reserve, a, key: 1, type: type))
        try state.execute(request(.registerAndIgnoreExistingKey, b))
        #expect(state.isHolder(a))
        #expect(!state.isHolder(b))
        #expect(state.attentions.isEmpty)
    }

    // MARK: CLEAR

    @Test mutating func clearingRemovesEverythingAndTellsTheOthers() throws {
        try register(a, b, c)
        try state.execute(request(.reserve, a, key: 1, type: .exclusiveAccess))
        try state.execute(request(.clear, b, key: 2))
        #expect(state.reservation == nil)
        #expect(keys == [])
        #expect(attentions(of: a) == [.reservationsPreempted])
        #expect(attentions(of: b) == [])
        #expect(attentions(of: c) == [.reservationsPreempted])
        #expect(state.generation == 4)
        expect(.conflict, of: request(.clear, b, key: 2))
    }
}
