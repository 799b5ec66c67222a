import Reservations
import Testing
import Volumes

@testable import ClusPrepServer

/// What an object makes of disks that fail.
struct ClusterStorageFaultTests {
    /// An arbitration that did not come to know whose the disk is takes it from nobody: it is online as before, and can be given up.
    @Test
    func arbitratingAgainLosesNothing() async throws {
        try await ReservationInterplayTests.oneNode { disk, node, _, onlooker async throws in
            let owner = try await Activation.attached([disk])
            _ = try await [owner.arbitrate(), owner.online()]
            node.faults.fail(0x5E)
            #expect(try await owner.arbitrate() == Code.ioDevice)
            node.faults.fail()
            #expect(try await owner.isOnline() == Code.ok)
            #expect(try await owner.writeFile() == Code.ok)
            #expect(try await owner.offline() == Code.ok)
            #expect(try await owner.stopDefense() == Code.ok)
            #expect(try onlooker.keys() == [])
            // One that owns nothing has won nothing.
            node.faults.fail(NodeDiskFaultTests.reserveOut)
            #expect(try await owner.arbitrate() == Code.ioDevice)
            node.faults.fail()
            #expect(try await owner.online() == Code.invalidState)
            await owner.release()
        }
    }

    /// One that came to know that it is another's does.
    @Test
    func arbitratingAgainMeetsAnotherOwner() async throws {
        try await ReservationInterplayTests.oneNode { disk, _, path, _ async throws in
            let owner = try await Activation.attached([disk])
            _ = try await [owner.arbitrate(), owner.online()]
            let elsewhere = try await Activation.attached([TestNode(name: "b").disk(path)])
            _ = try await [elsewhere.register(), elsewhere.preempt()]
            #expect(try await owner.arbitrate() == Code.busy)
            #expect(try await owner.isOnline() == Code.notReady)
            #expect(try await owner.online() == Code.invalidState)
            await owner.release()
            await elsewhere.release()
        }
    }

    /// 0x8007001D says that there were more than 512 octets (3.2.4.2), so it cannot say that the medium is bad.
    @Test
    func aMediumThatCannotBeWritten() async throws {
        try await ReservationInterplayTests.oneNode { disk, node, _, _ async throws in
            let activation = try await Activation.attached([disk])
            node.faults.fail(NodeDiskFaultTests.write, sense: SenseData(key: .mediumError, code: .writeError))
            #expect(try await activation.write() == Code.ioDevice)
            node.faults.fail()
            #expect(try await activation.write() == Code.ok)
            await activation.release()
        }
    }
}
