import Testing

@testable import Reservations

/// The rules of arbitration and defence, one event at a time.
@Suite struct OwnershipMachineTests {
    let ours = key(1)
    let theirs = key(2)
    var machine = OwnershipMachine(key: key(1), tolerance: 3)

    func seen(
        _ holder: ReservationKey?, _ keys: ReservationKey..., type: ReservationType = OwnershipMachine.type
    ) -> OwnershipMachine.Event {
        .observed(.init(holder: holder.map { .init(key: $0, type: type) }, keys: keys))
    }

    /// A machine that owns the disk, by way of real transitions.
    mutating func makeOwner() {
        _ = machine.handle(.arbitrate)
        _ = machine.handle(.done)
        #expect(machine.handle(.done) == .finish(.owned))
        #expect(machine.isOwned)
    }

    /// A machine in the challenge time of `theirs`.
    mutating func makeChallenger() {
        _ = machine.handle(.arbitrate)
        _ = machine.handle(.done)
        _ = machine.handle(.conflict)
        #expect(machine.handle(seen(theirs, theirs, ours)) == .waitForDefence)
    }

    @Test mutating func freeDisk() {
        #expect(machine.handle(.arbitrate) == .register)
        #expect(machine.handle(.done) == .reserve)
        #expect(machine.handle(.done) == .finish(.owned))
        #expect(machine.isOwned)
    }

    @Test mutating func silentOwnerIsPreempted() {
        makeChallenger()
        #expect(!machine.isOwned)
        #expect(machine.handle(.done) == .observe)
        #expect(machine.handle(seen(theirs, theirs, ours)) == .preempt(theirs))
        #expect(machine.handle(.done) == .observe)
        #expect(machine.handle(seen(ours, ours)) == .finish(.owned))
        #expect(machine.isOwned)
    }

    @Test mutating func defendedDiskIsAnothers() {
        makeChallenger()
        #expect(machine.handle(.done) == .observe)
        #expect(machine.handle(seen(theirs, theirs)) == .unregister)
        #expect(machine.handle(.done) == .finish(.ownedByAnother(theirs)))
        #expect(!machine.isOwned)
    }

    @Test mutating func fasterChallengerWins() {
        makeChallenger()
        _ = machine.handle(.done)
        #expect(machine.handle(seen(key(3), key(3), ours)) == .unregister)
        #expect(machine.handle(.failed) == .finish(.ownedByAnother(key(3))))
    }

    @Test mutating func ownerDefendsBeforeThePreempt() {
        makeChallenger()
        _ = machine.handle(.done)
        _ = machine.handle(seen(theirs, theirs, ours))
        #expect(machine.handle(.conflict) == .unregister)
        #expect(machine.handle(.done) == .finish(.ownedByAnother(theirs)))
    }

    @Test mutating func ownerReleasesBeforeThePreempt() {
        makeChallenger()
        _ = machine.handle(.done)
        _ = machine.handle(seen(theirs, theirs, ours))
        #expect(machine.handle(.done) == .observe)
        #expect(machine.handle(seen(nil, ours)) == .reserve)
        #expect(machine.handle(.done) == .finish(.owned))
    }

    @Test mutating func ownerReleasesDuringTheChallenge() {
        makeChallenger()
        _ = machine.handle(.done)
        #expect(machine.handle(seen(nil, ours)) == .reserve)
        #expect(machine.handle(.done) == .finish(.owned))
    }

    @Test mutating func ownerReleasesAtOnce() {
        _ = machine.handle(.arbitrate)
        _ = machine.handle(.done)
        #expect(machine.handle(.conflict) == .observe)
        #expect(machine.handle(seen(nil, ours)) == .reserve)
    }

    @Test mutating func diskThatChangesHandsForeverIsAnothers() {
        _ = machine.handle(.arbitrate)
        _ = machine.handle(.done)
        for _ in 0..<4 {
            #expect(machine.handle(.conflict) == .observe)
            #expect(machine.handle(seen(nil, ours)) == .reserve)
        }
        #expect(machine.handle(.conflict) == .observe)
        #expect(machine.handle(seen(nil, ours)) == .unregister)
        #expect(machine.handle(.done) == .finish(.ownedByAnother(.none)))
    }

    @Test mutating func ourOwnReservationOfAnotherTypeIsConverted() {
        _ = machine.handle(.arbitrate)
        _ = machine.handle(.done)
        _ = machine.handle(.conflict)
        #expect(machine.handle(seen(ours, ours, type: .exclusiveAccess)) == .preempt(ours))
        #expect(machine.handle(.done) == .observe)
        #expect(machine.handle(seen(ours, ours)) == .finish(.owned))
    }

    @Test mutating func allRegistrantsReservationIsPreemptedWithZero() {
        _ = machine.handle(.arbitrate)
        _ = machine.handle(.done)
        _ = machine.handle(.conflict)
        let all = seen(ReservationKey.none, theirs, ours, type: .writeExclusiveAllRegistrants)
        #expect(machine.handle(all) == .waitForDefence)
        _ = machine.handle(.done)
        #expect(machine.handle(all) == .preempt(.none))
    }

    @Test mutating func cancelledChallengeWithdraws() {
        makeChallenger()
        #expect(machine.handle(.cancelled) == .unregister)
        #expect(machine.handle(.done) == .finish(.cancelled))
    }

    @Test mutating func failedCommandWithdraws() {
        _ = machine.handle(.arbitrate)
        #expect(machine.handle(.failed) == .unregister)
        #expect(machine.handle(.failed) == .finish(.failed))
        // And the next attempt starts anew.
        #expect(machine.handle(.arbitrate) == .register)
    }

    @Test mutating func ownerLooksAndRests() {
        makeOwner()
        for _ in 0..<3 {
            #expect(machine.handle(.defend) == .observe)
            #expect(machine.handle(seen(ours, ours)) == .finish(.owned))
        }
    }

    @Test mutating func ownerRemovesChallengers() {
        makeOwner()
        _ = machine.handle(.defend)
        #expect(machine.handle(seen(ours, theirs, ours, key(3), theirs)) == .preempt(theirs))
        #expect(machine.handle(.done) == .preempt(key(3)))
        #expect(machine.handle(.conflict) == .finish(.owned))
        #expect(machine.isOwned)
    }

    @Test mutating func ownerNoticesTheLoss() {
        makeOwner()
        _ = machine.handle(.defend)
        #expect(machine.handle(seen(theirs, theirs)) == .unregister)
        #expect(!machine.isOwned)
        #expect(machine.handle(.done) == .finish(.lost(theirs)))
    }

    /// Another may have come and gone since the last look.
    @Test(arguments: [true, false]) mutating func clearedOwnerHasLost(isRegistered: Bool) {
        makeOwner()
        _ = machine.handle(.defend)
        #expect(machine.handle(isRegistered ? seen(nil, ours) : seen(nil)) == .unregister)
        #expect(!machine.isOwned)
        #expect(machine.handle(.done) == .finish(.lost(.none)))
    }

    /// A reservation of a key that is not registered is none that we made.
    @Test mutating func ownerWithoutRegistrationHasLost() {
        makeOwner()
        _ = machine.handle(.defend)
        #expect(machine.handle(seen(ours, theirs)) == .unregister)
        #expect(machine.handle(.done) == .finish(.lost(ours)))
    }

    @Test mutating func failedLooksAreToleratedForTheChallengeTime() {
        makeOwner()
        for round in 1...5 {
            _ = machine.handle(.defend)
            if round == 3 {
                // A good look in between starts the count anew.
                #expect(machine.handle(seen(ours, ours)) == .finish(.owned))
            } else if round < 5 {
                #expect(machine.handle(.failed) == .finish(.owned))
            }
        }
        #expect(machine.handle(.failed) == .finish(.owned))
        _ = machine.handle(.defend)
        #expect(machine.handle(.failed) == .unregister)
        #expect(machine.handle(.failed) == .finish(.unreachable))
        #expect(!machine.isOwned)
    }

    @Test mutating func stoppingReleasesAndUnregisters() {
        makeOwner()
        #expect(machine.handle(.stop) == .release)
        #expect(machine.handle(.done) == .unregister)
        #expect(machine.handle(.done) == .finish(.released))
        #expect(machine.handle(.stop) == .finish(.released))
    }

    @Test mutating func stoppingALostDiskIsNoError() {
        makeOwner()
        #expect(machine.handle(.stop) == .release)
        #expect(machine.handle(.conflict) == .unregister)
        #expect(machine.handle(.done) == .finish(.released))
    }

    @Test mutating func stoppingAnUnreachableDiskFails() {
        makeOwner()
        _ = machine.handle(.stop)
        #expect(machine.handle(.failed) == .unregister)
        #expect(machine.handle(.done) == .finish(.failed))
        #expect(!machine.isOwned)
    }

    @Test func timing() {
        #expect(OwnershipTiming.standard == OwnershipTiming(challenge: .seconds(7), defence: .seconds(3)))
        #expect(OwnershipTiming.standard.tolerance == 3)
        #expect(OwnershipTiming(challenge: .seconds(6), defence: .seconds(3)) == nil)
        #expect(OwnershipTiming(challenge: .seconds(7), defence: .zero) == nil)
    }
}
