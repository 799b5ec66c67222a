import ClusterProtocols
import ErrorCodes
import Foundation
import Reservations
import Testing
import Volumes

@testable import ClusPrepServer

/// [MS-CSVP] 3.2.4.16 to 3.2.4.24 and 3.4.4.9 to 3.4.4.15: each method between two nodes on one disk.
struct ReservationMethodTests {
    /// Two nodes with an activation each on one disk, and what the disk itself says.
    static func twoNodes(_ body: (Activation, Activation, Onlooker) async throws -> Void) async throws {
        try await withImages([.gpt]) { images async throws in
            let first = try await Activation.attached([TestNode(name: "a").disk(images[0].path)])
            let second = try await Activation.attached([TestNode(name: "b").disk(images[0].path)])
            try await body(first, second, try Onlooker(images[0].path))
            await first.release()
            await second.release()
        }
    }

    /// The sequence of 3.3.4.6 up to CprepDiskPRReserve, and back.
    @Test
    func registeringReservingReleasing() async throws {
        try await Self.twoNodes { first, second, disk async throws in
            #expect(try await first.presence() == 0)
            #expect(try await first.register() == Code.ok)
            #expect(try disk.keys().count == 1)
            #expect(try await first.presence() == 0, "a registration is no reservation")
            #expect(try await first.reserve() == Code.ok)
            #expect(try await first.reserve() == Code.ok, "the holder may ask again")
            #expect(try disk.type() == .writeExclusiveRegistrantsOnly)
            #expect(try await first.presence() == 2)
            #expect(try await second.presence() == 1)

            #expect(try await second.write() == Code.busy)
            #expect(try await second.read() == Code.ok)
            #expect(try await first.write() == Code.ok)
            #expect(try await second.register() == Code.ok)
            #expect(try await second.reserve() == Code.busy)
            #expect(try await second.write() == Code.ok, "registrants only: every registrant writes")
            #expect(
                try await second.giveBack() == Code.ok, "RELEASE by a registrant that does not hold it does nothing")
            #expect(try await first.presence() == 2)

            #expect(try await first.giveBack() == Code.ok)
            #expect(try await second.presence() == 0)
            #expect(try disk.keys().count == 2)
            #expect(try await first.unregister() == Code.ok)
            #expect(try await first.unregister() == Code.ok)
            #expect(try disk.keys().count == 1)
        }
    }

    @Test
    func withoutARegistrationNothingGoes() async throws {
        try await Self.twoNodes { first, second, disk async throws in
            #expect(try await first.register() == Code.ok)
            #expect(try await first.reserve() == Code.ok)
            for code in try await [second.reserve(), second.giveBack(), second.preempt(), second.clear()] {
                #expect(code == Code.busy)
            }
            let keyed = try await [second.reserve(7), second.giveBack(7), second.preempt(owner: 1, 7), second.clear(7)]
            #expect(keyed.allSatisfy { $0 == Code.busy })
            #expect(try await second.unregister() == Code.ok)
            #expect(try await first.presence() == 2)
            #expect(try disk.keys().count == 1)
        }
    }

    @Test
    func unregisteringTheHolderEndsTheReservation() async throws {
        try await Self.twoNodes { first, second, _ async throws in
            _ = try await [first.register(), first.reserve(), second.register()]
            #expect(try await first.unregister() == Code.ok)
            #expect(try await second.presence() == 0)
            #expect(try await second.reserve() == Code.ok)
            #expect(try await first.presence() == 1)
            #expect(try await first.write() == Code.busy)
        }
    }

    @Test
    func preempting() async throws {
        try await Self.twoNodes { first, second, disk async throws in
            _ = try await [first.register(), first.reserve(), second.register()]
            #expect(try await second.preempt() == Code.ok)
            #expect(try await second.presence() == 2)
            #expect(try await first.presence() == 1)
            #expect(try disk.keys().count == 1)
            #expect(try await first.write() == Code.busy)
            #expect(try await first.reserve() == Code.busy)
            #expect(try await first.preempt() == Code.busy)
            // The holder may preempt itself, which changes nothing here (SPC-3 5.6.10.4.3).
            #expect(try await second.preempt() == Code.ok)
            #expect(try await second.presence() == 2)
        }
    }

    /// "CprepDiskPRReserve SHOULD be called before CprepDiskPRPreempt": nobody is registered with a key of zero (SPC-3 5.6.10.4.1).
    @Test
    func preemptingNobody() async throws {
        try await Self.twoNodes { first, _, _ async throws in
            _ = try await first.register()
            #expect(try await first.preempt() == Code.busy)
        }
    }

    @Test
    func clearing() async throws {
        try await Self.twoNodes { first, second, disk async throws in
            _ = try await [first.register(), first.reserve(), second.register()]
            #expect(try await second.clear() == Code.ok)
            #expect(try await first.presence() == 0)
            #expect(try disk.keys() == [])
            #expect(try await first.reserve() == Code.busy)
            #expect(try await first.write() == Code.ok, "nobody is in the way any more")
            _ = try await [second.register(), second.reserve()]
            #expect(try await second.presence() == 2)
        }
    }

    /// PERSISTENT RESERVE OUT with APTPL where the unit can do it.
    @Test
    func registrationsPersist() async throws {
        try await Self.twoNodes { first, _, disk async throws in
            _ = try await first.register()
            #expect(try disk.persists())
        }
    }

    // MARK: With keys

    @Test
    func keys() async throws {
        try await Self.twoNodes { first, second, disk async throws in
            #expect(try await first.finds(0) == false)
            #expect(try await first.register(0, 0x0102_0304_0506_0708) == Code.ok)
            #expect(try disk.keys() == [0x0102_0304_0506_0708])
            #expect(try await second.finds(0) == true)
            #expect(try await second.finds(0x0102_0304_0506_0708) == true)
            #expect(try await second.finds(0x0807_0605_0403_0201) == false)
            // REGISTER: the old key has to be right.
            #expect(try await first.register(0x99, 0x11) == Code.busy)
            #expect(try await first.register(0x0102_0304_0506_0708, 0x11) == Code.ok)
            #expect(try await second.register(0x22, 0x22) == Code.busy, "not registered, so there is no old key")
            #expect(try await second.register(0, 0x22) == Code.ok)

            #expect(try await first.reserve(0x22) == Code.busy)
            #expect(try await first.reserve(0x11) == Code.ok)
            #expect(try await second.isReserved(0x11) == Code.ok)
            #expect(try await second.isReserved(0x22) == Code.notFound)
            #expect(try await second.isReserved(0) == Code.notFound)
            #expect(try await second.reserve(0x22) == Code.busy)
            #expect(try await first.giveBack(0x22) == Code.busy)
            #expect(try await first.giveBack(0x11) == Code.ok)
            #expect(try await first.isReserved(0x11) == Code.notFound)

            #expect(try await first.reserve(0x11) == Code.ok)
            #expect(try await second.preempt(owner: 0x33, 0x22) == Code.busy, "nobody is registered with it")
            #expect(try await second.preempt(owner: 0x11, 0x22) == Code.ok)
            #expect(try await second.isReserved(0x22) == Code.ok)
            #expect(try await first.finds(0x11) == false)
            #expect(try await second.clear(0x11) == Code.busy)
            #expect(try await second.clear(0x22) == Code.ok)
            #expect(try await second.finds(0) == false)
            #expect(try await second.isReserved(0x22) == Code.notFound)
        }
    }

    @Test
    func aNewKeyOfZeroUnregisters() async throws {
        try await Self.twoNodes { first, _, disk async throws in
            _ = try await first.register(0, 5)
            #expect(try await first.register(4, 0) == Code.busy)
            #expect(try await first.register(5, 0) == Code.ok)
            #expect(try disk.keys() == [])
            _ = try await first.register(0, 6)
            #expect(try await first.register(0, 0) == Code.ok)
            #expect(try disk.keys() == [])
        }
    }

    /// "One object, one state": what one face registers, the other goes by.
    @Test
    func theTwoInterfacesShareARegistration() async throws {
        try await Self.twoNodes { first, second, disk async throws in
            _ = try await first.register(0, 0x77)
            #expect(try await first.reserve() == Code.ok)
            #expect(try await first.presence() == 2)
            #expect(try await first.isReserved(0x77) == Code.ok)
            #expect(try await first.register() == Code.ok)
            #expect(try disk.keys() == [0x77])
            #expect(try await second.register() == Code.ok)
            #expect(try await second.preempt() == Code.ok)
            let key = try #require(try disk.holder())
            #expect(try await second.giveBack(key) == Code.ok)
            #expect(try await second.presence() == 0)
        }
    }

    /// Keys are told, nodes are not: with one key on two nodes it counts who has reserved.
    @Test
    func oneKeyOnTwoNodes() async throws {
        try await Self.twoNodes { first, second, _ async throws in
            _ = try await [first.register(0, 1), second.register(0, 1), first.reserve(1)]
            #expect(try await first.presence() == 2)
            #expect(try await second.presence() == 1)
        }
    }

    // MARK: States

    /// What every one of these methods answers where it may not run.
    @Test
    func states() async throws {
        try await withImages([.gpt]) { images async throws in
            let disks = [TestNode(name: "a").disk(images[0].path)]
            var activation = Activation(ClusterStorage(environment: Activation.environment(disks)))
            #expect(try await Self.codes(activation).allSatisfy { $0 == Code.invalidServerState })
            _ = try await activation.storage2.cprepPrepareNode(.init())
            #expect(try await Self.codes(activation).allSatisfy { $0 == Code.invalidServerState })
            _ = try await activation.storage2.cprepPrepareNodePhase2(.init())
            #expect(try await Self.codes(activation).allSatisfy { $0 == Code.invalidState })
            #expect(try await activation.setOnline() == Code.notFound)
            #expect(try await activation.storage3.cprepIsNodeClustered3(.init()).returnValue == .ok)
            activation.disk = .number(1)
            #expect(try await Self.codes(activation).allSatisfy { $0 == Code.fileNotFound })
            #expect(try await activation.setOnline() == Code.fileNotFound)
            activation.disk = .number(0)
            #expect(try await activation.attach() == Code.ok)
            #expect(try await activation.setOnline() == Code.invalidState)
        }
    }

    static func codes(_ activation: Activation) async throws -> [UInt32] {
        let disk = activation.disk
        return try await [
            activation.register(), activation.unregister(), activation.reserve(), activation.giveBack(),
            activation.preempt(), activation.clear(), activation.isReadable(), activation.verifyUnique(),
            activation.storage2.cprepDiskIsPRPresent(.init(DiskId: disk)).returnValue.rawValue,
            activation.register(0, 1), activation.reserve(1), activation.giveBack(1),
            activation.preempt(owner: 1, 1), activation.clear(1), activation.isReserved(1),
            activation.storage3.cprepDiskFindKey3(.init(DiskId: disk, Key: 1)).returnValue.rawValue,
            activation.storage3.cprepDiskIsReadOnly3(.init(DiskId: disk)).returnValue.rawValue,
        ]
    }
}
