import Glibc
import Synchronization
import Testing

@testable import Reservations

/// The SG_IO transport with the kernel's part played by the test.
@Suite struct LocalSCSITests {
    typealias Command = SCSIGenericTransport.Command
    typealias Answer = SCSIGenericTransport.Answer

    /// Plays the kernel: keeps the commands and gives the answers in turn, GOOD when there are none left.
    final class Kernel: Sendable {
        private let state: Mutex<(commands: [Command], answers: [Answer])>

        init(_ answers: [Answer] = []) {
            state = Mutex(([], answers))
        }

        var commands: [Command] { state.withLock { $0.commands } }

        func send(_ command: Command) -> Answer {
            state.withLock { state in
                state.commands.append(command)
                var answer = state.answers.isEmpty ? Answer() : state.answers.removeFirst()
                if answer.data.isEmpty { answer.data = [UInt8](repeating: 0xAB, count: command.dataInLength) }
                return answer
            }
        }

        func transport(maximumTransfer: Int = 1 << 20) -> SCSIGenericTransport {
            SCSIGenericTransport(
                name: "/dev/sdx", attachment: DiskAttachment(bus: .sas), maximumTransfer: maximumTransfer,
                timeout: .seconds(30)
            ) { command throws(FileError) in self.send(command) }
        }
    }

    @Test func commandsReachTheDeviceAsTheyAre() throws {
        let kernel = Kernel()
        let cdb = SCSICommand.persistentReserveOut(.reserve, scope: 0, type: 5, parameterListLength: 24).cdb
        let list = [UInt8](repeating: 7, count: 24)
        let result = try kernel.transport().execute(cdb: cdb, dataOut: list, dataInLength: 0)
        #expect(result == SCSIResult(status: .good))
        // SPC-3 6.12: 5Fh, service action 01h, scope and type, the length of the list in octets 5 to 8.
        #expect(kernel.commands.map(\.cdb) == [octets("5F 01 05 00 00 00 00 00 18 00")])
        #expect(kernel.commands.map(\.dataOut) == [list])
        #expect(kernel.commands.map(\.timeout) == [.seconds(30)])
    }

    @Test func whatWasNotTransferredIsNotHandedOver() throws {
        let kernel = Kernel([Answer(residual: 60), Answer(residual: -4)])
        let transport = kernel.transport()
        let inquiry = SCSICommand.inquiry(page: nil, allocationLength: 96).cdb
        #expect(try transport.execute(cdb: inquiry, dataOut: [], dataInLength: 96).data.count == 36)
        #expect(try transport.execute(cdb: inquiry, dataOut: [], dataInLength: 96).data.count == 96)
    }

    @Test func aWriteThatTheDeviceTookInPartIsAnError() throws {
        let transport = Kernel([Answer(residual: 512)]).transport()
        let write = SCSICommand.write(.init(first: 0, count: 2), form: .ten, forceUnitAccess: false).cdb
        #expect(throws: SCSIError.self) {
            try transport.execute(cdb: write, dataOut: [UInt8](repeating: 1, count: 1024), dataInLength: 0)
        }
    }

    /// Fixed format sense data (SPC-3 4.5.3): ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE.
    static let sense = octets("70 00 05 00 00 00 00 0A 00 00 00 00 20 00 00 00 00 00")

    @Test func senseData() throws {
        let kernel = Kernel([
            Answer(status: 0x02, driverStatus: 0x08, sense: Self.sense),
            // Sense data whose status got lost on the way.
            Answer(status: 0x00, driverStatus: 0x08, sense: Self.sense),
            Answer(status: 0x02),
        ])
        let transport = kernel.transport()
        for _ in 0..<2 {
            let result = try transport.execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0)
            #expect(result.status == .checkCondition)
            #expect(result.sense?.code == .invalidOperationCode)
        }
        let bare = try transport.execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0)
        #expect(bare == SCSIResult(status: .checkCondition))
    }

    @Test(arguments: [0x00, 0x10, 0x11, 0x12, 0x13] as [UInt16])
    func aStatusCountsWhateverTheAdapterAddsToIt(_ hostStatus: UInt16) throws {
        // Older kernels say "nexus failure" beside RESERVATION CONFLICT.
        let kernel = Kernel([
            Answer(status: 0x18, hostStatus: hostStatus), Answer(status: 0x08, hostStatus: hostStatus),
        ])
        let transport = kernel.transport()
        for status in [SCSIStatus.reservationConflict, .busy] {
            #expect(try transport.execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0).status == status)
        }
    }

    @Test(arguments: [0x01, 0x02, 0x04, 0x05, 0x07, 0x08, 0x0B, 0x0E, 0x0F, 0x14] as [UInt16])
    func anAdapterThatFailsIsNoStatus(_ hostStatus: UInt16) throws {
        let transport = Kernel([Answer(hostStatus: hostStatus)]).transport()
        #expect {
            try transport.execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0)
        } throws: { error in
            guard case SCSIError.transport("/dev/sdx", let cause as HostAdapterError) = error else { return false }
            return cause.hostStatus == hostStatus
        }
    }

    @Test(arguments: [(0x03, 0x00), (0x00, 0x06)] as [(UInt16, UInt16)])
    func timeOuts(_ hostStatus: UInt16, _ driverStatus: UInt16) throws {
        let transport = Kernel([Answer(hostStatus: hostStatus, driverStatus: driverStatus)]).transport()
        #expect {
            try transport.execute(cdb: SCSICommand.testUnitReady.cdb, dataOut: [], dataInLength: 0)
        } throws: { error in
            guard case SCSIError.timedOut("/dev/sdx", .seconds(30)) = error else { return false }
            return true
        }
    }

    @Test func whatCameBackUnsentIsSentAgainForSomeTime() throws {
        let again = Answer(hostStatus: 0x0D)
        let kernel = Kernel([Answer(hostStatus: 0x0C), again, again, again, again])
        _ = try kernel.transport().execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0)
        #expect(kernel.commands.count == 6)
        let stubborn = Kernel([Answer](repeating: again, count: 6))
        #expect(throws: SCSIError.self) {
            try stubborn.transport().execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0)
        }
        #expect(stubborn.commands.count == 6)
    }

    @Test func anErrorNumberIsATransportError() throws {
        let transport = SCSIGenericTransport(
            name: "/dev/sdx", attachment: DiskAttachment(), maximumTransfer: 512, timeout: .seconds(1)
        ) { _ throws(FileError) in throw FileError("SG_IO", "/dev/sdx", 19) }
        #expect {
            try transport.execute(cdb: [0, 0, 0, 0, 0, 0], dataOut: [], dataInLength: 0)
        } throws: { error in
            guard case SCSIError.transport(_, let cause as FileError) = error else { return false }
            return cause.number == 19
        }
    }

    @Test func largeTransfersAreCut() throws {
        let kernel = Kernel()
        let transport = kernel.transport(maximumTransfer: 1024)
        let read = SCSICommand.read(.init(first: 0xFFFF_FFFF, count: 5), form: .sixteen).cdb
        let result = try transport.execute(cdb: read, dataOut: [], dataInLength: 5 * 512)
        #expect(result.data.count == 5 * 512)
        // READ (16) (SBC-2 5.8): the address in octets 2 to 9, the count in 10 to 13.
        #expect(
            kernel.commands.map(\.cdb) == [
                octets("88 00 00000000FFFFFFFF 00000002 00 00"), octets("88 00 0000000100000001 00000002 00 00"),
                octets("88 00 0000000100000003 00000001 00 00"),
            ])
        #expect(kernel.commands.map(\.dataInLength) == [1024, 1024, 512])
        // Exactly what fits goes as it is.
        let small = SCSICommand.read(.init(first: 0, count: 2), form: .ten).cdb
        _ = try transport.execute(cdb: small, dataOut: [], dataInLength: 1024)
        #expect(kernel.commands.last?.cdb == small)

        let writes = Kernel([Answer(), Answer(status: 0x18)])
        let write = SCSICommand.write(.init(first: 8, count: 6), form: .ten, forceUnitAccess: true).cdb
        let data = (0..<3072).map { UInt8($0 / 512) }
        let conflict = try writes.transport(maximumTransfer: 1024).execute(cdb: write, dataOut: data, dataInLength: 0)
        #expect(conflict.status == .reservationConflict)
        #expect(
            writes.commands.map(\.cdb) == [
                octets("8A 08 0000000000000008 00000002 00 00"), octets("8A 08 000000000000000A 00000002 00 00"),
            ])
        #expect(writes.commands.map { $0.dataOut[0] } == [0, 2])
    }

    /// Fixed format sense data: RECOVERED ERROR, RECOVERED DATA WITH RETRIES. It is a success, so it must not be the answer to a
    /// part of what was to be written.
    @Test func aRecoveredErrorDoesNotEndALargeTransfer() throws {
        let recovered = Answer(
            status: 0x02, driverStatus: 0x08, sense: octets("70 00 01 00 00 00 00 0A 00 00 00 00 17 01 00 00 00 00"))
        let writes = Kernel([recovered])
        let write = SCSICommand.write(.init(first: 8, count: 6), form: .ten, forceUnitAccess: false).cdb
        let written = try writes.transport(maximumTransfer: 1024).execute(
            cdb: write, dataOut: [UInt8](repeating: 1, count: 3072), dataInLength: 0)
        #expect(written.status == .good)
        #expect(writes.commands.count == 3)
        let reads = Kernel([Answer(), recovered])
        let read = SCSICommand.read(.init(first: 8, count: 6), form: .ten).cdb
        let result = try reads.transport(maximumTransfer: 1024).execute(cdb: read, dataOut: [], dataInLength: 3072)
        #expect(result.status == .good)
        #expect(result.data.count == 3072)
    }

    @Test func synchronizingTakesItsTime() throws {
        let kernel = Kernel()
        let cdb = SCSICommand.synchronizeCache(.init(first: 0, count: 0), isSixteenOctets: false).cdb
        _ = try kernel.transport().execute(cdb: cdb, dataOut: [], dataInLength: 0)
        #expect(kernel.commands.map(\.timeout) == [.seconds(60)])
    }

    @Test(
        arguments: [
            (Duration.zero, 1), (.seconds(30), 30_000), (.microseconds(1500), 2), (.seconds(1 << 40), 4_294_967_294),
        ] as [(Duration, UInt32)])
    func milliseconds(_ duration: Duration, _ expected: UInt32) {
        #expect(duration.milliseconds == expected)
    }
}

/// A disk that the kernel takes away and gives back.
@Suite struct LocalPathTests {
    /// What the test's kernel has under the name.
    private final class Slot: Sendable {
        let state: Mutex<(identity: String?, fails: Int32?, openings: Int)>

        init(_ identity: String?) {
            state = Mutex((identity, nil, 0))
        }

        func path() -> LocalPath {
            LocalPath(name: "/dev/sdx", attachment: DiskAttachment()) {
                self.state.withLock { $0.identity }
            } connect: {
                try self.state.withLock { state in
                    state.openings += 1
                    if let number = state.fails {
                        throw LocalDeviceError.cannotOpen(FileError("open", "/dev/sdx", number))
                    }
                }
                return SCSIGenericTransport(
                    name: "/dev/sdx", attachment: DiskAttachment(), maximumTransfer: 512, timeout: .seconds(1)
                ) { _ throws(FileError) in
                    if let number = self.state.withLock({ $0.fails }) { throw FileError("SG_IO", "/dev/sdx", number) }
                    return .init()
                }
            }
        }
    }

    private func send(_ path: LocalPath) throws {
        _ = try path.execute(cdb: SCSICommand.testUnitReady.cdb, dataOut: [], dataInLength: 0)
    }

    @Test func isOpenedAgainAfterItWasTakenAway() throws {
        let slot = Slot("naa.1")
        let path = slot.path()
        try send(path)
        try send(path)
        #expect(slot.state.withLock { $0.openings } == 1)
        slot.state.withLock { $0.fails = ENODEV }
        for _ in 0..<2 { #expect(Ending { try send(path) } == .lost) }
        slot.state.withLock { $0.fails = nil }
        try send(path)
        #expect(slot.state.withLock { $0.openings } == 3)
        // Another error says nothing about the device being there.
        slot.state.withLock { $0.fails = EIO }
        #expect(Ending { try send(path) } == .lost)
        slot.state.withLock { $0.fails = nil }
        try send(path)
        #expect(slot.state.withLock { $0.openings } == 3)
    }

    @Test(arguments: ["naa.2", nil] as [String?])
    func anotherUnitUnderTheSameNameIsRefused(_ other: String?) throws {
        for first in ["naa.1", nil] as [String?] {
            let slot = Slot(first)
            let path = slot.path()
            try send(path)
            slot.state.withLock { ($0.fails, $0.identity) = (ENXIO, other) }
            #expect(Ending { try send(path) } == .lost)
            slot.state.withLock { $0.fails = nil }
            for _ in 0..<2 {
                #expect {
                    try send(path)
                } throws: { error in
                    guard case SCSIError.identityChanged("/dev/sdx", _, _) = error else { return false }
                    return true
                }
            }
        }
    }
}
