import ErrorCodes
import NDR
import Testing

@testable import ClusPrepServer

/// [MS-CSVP] 3.2.4 and 3.4.4: every method against every state, with the expected codes spelt out here a second time.
struct StorageStateTests {
    /// The states a disk can be in, in the order in which a client reaches them.
    enum Stage: Int, CaseIterable {
        case detached, attached, lostArbitration, owned, online
    }

    static let invalidServerState: UInt32 = 0x8007_0548
    static let invalidState: UInt32 = 0x8007_139F
    static let fileNotFound: UInt32 = 0x8007_0002
    static let notFound: UInt32 = 0x8007_0490

    /// Disk 0 is MBR, disk 1 GPT, disk 2 raw; all as far as the stage says.
    static func state(_ stage: Stage) -> StorageState {
        var state = StorageState()
        state.didPrepare()
        state.didPrepare(disks: [
            .init(signature: 0x1234_5678), .init(guid: "11111111-2222-3333-4444-555555555555"), .init(),
        ])
        for number in 0..<3 {
            if stage == .detached { continue }
            state.didAttach(number)
            if stage == .attached { continue }
            state.didArbitrate(number, won: stage != .lostArbitration)
            if stage == .online { state.didBringOnline(number, partitions: 2) }
        }
        return state
    }

    static func code(_ body: () throws -> Void) -> UInt32 {
        do {
            try body()
            return 0
        } catch let error as Win32Error {
            return error.hresult.rawValue
        } catch {
            return 0xFFFF_FFFF
        }
    }

    @Test(arguments: StorageMethod.allCases)
    func prepareState(_ method: StorageMethod) {
        let initial = StorageState()
        var preparing = StorageState()
        preparing.didPrepare()
        let online = Self.state(.online)
        let states = [initial, preparing, online]
        let admitted: Int =
            switch method {
            case .CprepPrepareNode: 0
            case .CprepPrepareNodePhase2: 1
            default: 2
            }
        for (index, state) in states.enumerated() {
            let code = Self.code { try state.admit(method) }
            #expect(code == (index == admitted ? 0 : Self.invalidServerState), "\(method) in \(state.prepareState)")
        }
        // The wrong Prepare State comes before anything about the disk.
        if method.requirement != nil {
            #expect(Self.code { _ = try initial.admit(method, disk: .unknown) } == Self.invalidServerState)
        }
    }

    /// The lists of 3.2.4 and 3.4.4: the first stage at which a method is let in.
    static let expected: [(Stage, [StorageMethod])] = [
        (
            .detached,
            [
                .CprepDiskGetProps, .CprepDiskGetProps3, .CprepDiskGetUniqueIds, .CprepDiskGetUniqueIds3,
                .CprepDiskAttach,
            ]
        ),
        (
            .attached,
            [
                .CprepDiskRawRead, .CprepDiskRawWrite, .CprepDiskVerifyUnique, .CprepDiskPRArbitrate,
                .CprepDiskPRRegister,
                .CprepDiskPRUnRegister, .CprepDiskPRReserve, .CprepDiskPRRelease, .CprepDiskGetArbSectors,
                .CprepDiskIsPRPresent, .CprepDiskPRPreempt, .CprepDiskPRClear, .CprepDiskIsOnline, .CprepDiskIsReadable,
                .CprepDiskPRRegister3, .CprepDiskFindKey3, .CprepDiskPRPreempt3, .CprepDiskPRReserve3,
                .CprepDiskIsPRPresent3, .CprepDiskPRRelease3, .CprepDiskPRClear3, .CprepDiskIsReadOnly3,
            ]
        ),
        (.owned, [.CprepDiskStopDefense, .CprepDiskOnline, .CprepDiskSetOnline]),
        (
            .online,
            [
                .CprepDiskWriteFileData, .CprepDiskVerifyFileData, .CprepDiskDeleteFile, .CprepDiskOffline,
                .CprepDiskDiskPartitionIsNtfs, .CprepDiskGetFSName,
            ]
        ),
    ]

    @Test(arguments: Stage.allCases)
    func diskStates(_ stage: Stage) {
        let state = Self.state(stage)
        for (first, methods) in Self.expected {
            for method in methods {
                let code = Self.code { _ = try state.admit(method, disk: .number(1)) }
                let expected: UInt32
                if stage.rawValue >= first.rawValue {
                    // A disk that is online is not given up before it is taken offline.
                    expected = method == .CprepDiskStopDefense && stage == .online ? Self.invalidState : 0
                } else if stage == .detached, method == .CprepDiskIsOnline || method == .CprepDiskSetOnline {
                    expected = Self.notFound
                } else {
                    expected = Self.invalidState
                }
                #expect(code == expected, "\(method) at \(stage)")
            }
        }
    }

    @Test
    func everyMethodWithADiskIsInTheLists() {
        let listed = Set(Self.expected.flatMap(\.1))
        #expect(listed == Set(StorageMethod.allCases.filter { $0.requirement != nil }))
    }

    @Test(arguments: StorageMethod.allCases.filter { $0.requirement != nil })
    func noSuchDisk(_ method: StorageMethod) {
        let state = Self.state(.online)
        let absent: [StorageState.DiskName] = [
            .number(3), .number(.max), .signature(0), .guid(.zero), .unknown,
        ]
        for name in absent {
            let code = Self.code { _ = try state.admit(method, disk: name) }
            #expect(code == (method == .CprepDiskAttach ? Self.notFound : Self.fileNotFound))
        }
    }

    @Test
    func namesOfADisk() {
        let state = Self.state(.attached)
        #expect(state.number(of: .number(0)) == 0)
        #expect(state.number(of: .number(2)) == 2)
        #expect(state.number(of: .signature(0x1234_5678)) == 0)
        #expect(state.number(of: .guid("11111111-2222-3333-4444-555555555555")) == 1)
        // The raw disk has no signature, so no value of one finds it.
        #expect(state.number(of: .signature(0)) == nil)
    }

    @Test
    func theFirstOfTwoAlikeIsTaken() {
        var state = StorageState()
        state.didPrepare()
        state.didPrepare(disks: [.init(), .init(signature: 7), .init(signature: 7)])
        #expect(state.number(of: .signature(7)) == 1)
    }

    @Test
    func partitionNumbers() throws {
        let state = Self.state(.online)
        #expect(Self.code { _ = try state.partition(0, ofDisk: 0) } == Self.fileNotFound)
        #expect(try state.partition(1, ofDisk: 0) == 0)
        #expect(try state.partition(2, ofDisk: 0) == 1)
        #expect(Self.code { _ = try state.partition(3, ofDisk: 0) } == Self.fileNotFound)
        #expect(Self.code { _ = try state.partition(.max, ofDisk: 0) } == Self.fileNotFound)
        #expect(Self.code { _ = try Self.state(.owned).partition(1, ofDisk: 0) } == Self.fileNotFound)
    }

    @Test
    func losingTheReservationTakesTheDiskOffline() {
        var state = Self.state(.online)
        state.didLoseOwnership(0)
        #expect(!state.disks[0].isOnline)
        #expect(state.disks[0].ownership == .ownedByAnotherServer)
        #expect(state.disks[0].isAttached)
        #expect(state.disks[1].isOnline)
        // News of a loss that comes after the disk was given up changes nothing.
        state.didTakeOffline(1)
        state.didStopDefense(1)
        state.didLoseOwnership(1)
        #expect(state.disks[1].ownership == .notOwned)
    }

    @Test
    func offlineAndStopDefense() {
        var state = Self.state(.online)
        state.didTakeOffline(2)
        #expect(state.disks[2].ownership == .ownedByThisServer)
        #expect(Self.code { _ = try state.admit(.CprepDiskStopDefense, disk: .number(2)) } == 0)
        state.didStopDefense(2)
        #expect(Self.code { _ = try state.admit(.CprepDiskOnline, disk: .number(2)) } == Self.invalidState)
        #expect(Self.code { _ = try state.admit(.CprepDiskPRArbitrate, disk: .number(2)) } == 0)
    }
}
