import TestSupport
import Testing

@testable import Reservations

/// Targets that do not behave, each a few lines of a fake one.
@Suite(.offThePool) struct ISCSIHostileTests {
    /// Long enough for what answers, short enough to wait for what does not.
    private static let brief = Duration.seconds(2)

    private func transport(
        _ server: FakeServer, options: String = "", secret: ISCSISecret? = nil, timeout: Duration = .seconds(20),
        log: LogLines = LogLines()
    ) throws -> ISCSITransport {
        try ISCSITransport(port: server.port, options: options, secret: secret, timeout: timeout, log: log)
    }

    private func isTimedOut<T>(_ body: () throws -> T) -> Bool {
        do {
            _ = try body()
            return false
        } catch SCSIError.timedOut {
            return true
        } catch {
            return false
        }
    }

    // MARK: - Connecting and logging in

    @Test func aPortalThatSaysNothingIsGivenUp() throws {
        let server = try FakeServer { stream, _ in while stream.readSome() != nil {} }
        #expect(
            iscsiFailure { try transport(server, timeout: Self.brief).connect() }
                == .noAnswer(seconds: Self.brief.seconds))
    }

    @Test func aPortalThatClosesAtOnceIsAnError() throws {
        let server = try FakeServer { _, _ in }
        guard case .loginRefused = iscsiFailure({ try transport(server).connect() }) else {
            Issue.record("a closed connection was not noticed")
            return
        }
    }

    @Test func aPortalOfAnotherProtocolIsAnError() throws {
        // 48 octets and no more: they are read as a header, of an opcode no initiator expects.
        let server = try FakeServer { stream, _ in
            stream.write(Array("HTTP/1.1 400 Bad Request\r\nServer: not-iscsi/1.0\r\n\r\n".utf8))
            while stream.readSome() != nil {}
        }
        #expect(iscsiFailure { try transport(server, timeout: Self.brief).connect() } != nil)
    }

    @Test(arguments: [
        "MaxRecvDataSegmentLength=0\0", "MaxRecvDataSegmentLength=511\0", "MaxRecvDataSegmentLength=16777216\0",
        "FirstBurstLength=-1\0", "MaxBurstLength=many\0",
    ])
    func parametersOutOfRangeAreRefused(_ replies: String) throws {
        let server = try FakeServer.target(replies: replies) { session, command in
            session.respond(command, status: 0)
            return true
        }
        guard case .badParameter = iscsiFailure({ try transport(server).connect() }) else {
            Issue.record("\(replies) was accepted")
            return
        }
    }

    @Test(arguments: ["MaxRecvDataSegmentLength=512\0", "MaxRecvDataSegmentLength=16777215\0", ""])
    func parametersInRangeAreAccepted(_ replies: String) throws {
        let server = try FakeServer.target(replies: replies) { session, command in
            session.respond(command, status: 0)
            return true
        }
        let transport = try transport(server)
        #expect(try transport.send(.testUnitReady).status == .good)
    }

    @Test func redirectionsEnd() throws {
        let box = PortBox()
        let server = try FakeServer { stream, _ in
            let session = FakeTargetSession(stream: stream, number: 0)
            while let request = stream.readUnit() {
                // Status class 1, detail 1: the target moved, for now.
                var answer = FakeUnit(0x23, to: request, statusNumber: session.nextStatus)
                answer.header[1] = 0
                answer.header[36] = 1
                answer.header[37] = 1
                answer.data = Array("TargetAddress=127.0.0.1:\(box.port),1\0".utf8)
                stream.write(answer.octets)
            }
        }
        box.port = server.port
        #expect(iscsiFailure { try transport(server).connect() } == .tooManyRedirections)
        #expect(server.connections == 4)
    }

    @Test func aRedirectionIsFollowed() throws {
        let final = try FakeServer.target { session, command in
            session.respond(command, status: 0)
            return true
        }
        let port = final.port
        let server = try FakeServer { stream, _ in
            let session = FakeTargetSession(stream: stream, number: 0)
            guard let request = stream.readUnit() else { return }
            var answer = FakeUnit(0x23, to: request, statusNumber: session.nextStatus)
            answer.header[1] = 0
            answer.header[36] = 1
            answer.header[37] = 1
            answer.data = Array("TargetAddress=127.0.0.1:\(port),1\0".utf8)
            stream.write(answer.octets)
            while stream.readSome() != nil {}
        }
        let transport = try transport(server)
        #expect(try transport.send(.testUnitReady).status == .good)
        #expect(final.connections == 1)
    }

    /// A false target that would be let in by who only looks at what it is sent.
    @Test(
        arguments: [
            // Straight to the next stage, as if nobody had asked for security.
            [(UInt8(0x87), "")],
            // A proof of zeroes together with the challenge, before ours was sent.
            [
                (0x00, "AuthMethod=CHAP\0"),
                (
                    0x81,
                    "CHAP_A=5\0CHAP_I=1\0CHAP_C=0x00112233\0CHAP_N=storage\0CHAP_R=0x\(String(repeating: "0", count: 32))\0"
                ),
            ],
        ] as [[(UInt8, String)]])
    func aFalseTargetDoesNotPassForTheRightOne(_ script: [(flags: UInt8, replies: String)]) throws {
        let server = try FakeServer { stream, _ in
            let session = FakeTargetSession(stream: stream, number: 0)
            for (flags, replies) in script {
                guard let request = stream.readUnit() else { return }
                session.logIn(request, replies: replies, flags: flags)
            }
            session.serve(replies: "") { session, command in
                session.respond(command, status: 0)
                return true
            }
        }
        let secret = ISCSISecret(
            user: "node1", password: "in-secret-12345", targetUser: "storage", targetPassword: "out-secret-1234")
        #expect(
            iscsiFailure { try transport(server, secret: secret).connect() }
                == .targetNotAuthenticated)
    }

    // MARK: - Commands

    @Test(arguments: [0x08, 0x18, 0x28, 0x30, 0x40] as [UInt8]) func statusesAreResults(_ status: UInt8) throws {
        let server = try FakeServer.target { session, command in
            session.respond(command, status: status)
            return true
        }
        let transport = try transport(server)
        #expect(try transport.send(.testUnitReady) == SCSIResult(status: SCSIStatus(rawValue: status)))
        // The session goes on.
        #expect(try transport.send(.testUnitReady).status.rawValue == status)
        #expect(server.connections == 1)
    }

    @Test func senseDataIsReadInBothFormats() throws {
        let fixed = octets("70 00 03 00 00 00 2A 0A 00 00 00 00 11 00 00 00 00 00")
        let descriptors = octets("72 03 11 00 00 00 00 00")
        let server = try FakeServer.target { session, command in
            session.respond(command, status: 0x02, sense: command.cdb[0] == 0 ? fixed : descriptors)
            return true
        }
        let transport = try transport(server)
        #expect(try transport.send(.testUnitReady).sense == SenseData(key: .mediumError, code: .unrecoveredReadError))
        let read = try transport.send(.read(.init(first: 0, count: 1), form: .ten), dataIn: 512)
        #expect(read.sense == SenseData(key: .mediumError, code: .unrecoveredReadError))
        #expect(read.data.isEmpty)
    }

    @Test func checkConditionMayComeWithoutSenseData() throws {
        // No segment, one that holds only the length, and one whose length runs over its end.
        let server = try FakeServer.target { session, command in
            let segment: [UInt8] =
                switch command.cdb[0] {
                case 0x00: []
                case 0x12: [0, 0, 0, 0]
                default: [0xFF, 0xFF, 0x70, 0, 6, 0]
                }
            session.respond(command, status: 0x02, data: segment)
            return true
        }
        let transport = try transport(server)
        #expect(try transport.send(.testUnitReady) == SCSIResult(status: .checkCondition))
        let inquiry = SCSICommand.inquiry(page: nil, allocationLength: 36)
        #expect(try transport.send(inquiry, dataIn: 36) == SCSIResult(status: .checkCondition))
        let over = try transport.send(.readCapacity10, dataIn: 8)
        #expect(over.status == .checkCondition)
        #expect(over.sense?.key == .unitAttention)
    }

    @Test func dataBeyondTheBufferIsNotWritten() throws {
        let server = try FakeServer.target { session, command in
            // 512 octets were asked for; the second time they are to go to an offset outside.
            if session.number == 0 {
                session.respond(command, data: [UInt8](repeating: 0xEE, count: 4096))
            } else {
                session.respond(command, data: [UInt8](repeating: 0xEE, count: 512), offset: 0xFFFF_0000)
            }
            return true
        }
        let transport = try transport(server, timeout: .seconds(2))
        let command = SCSICommand.read(.init(first: 0, count: 1), form: .ten)
        for _ in 0..<2 {
            if let result = try? transport.send(command, dataIn: 512) { #expect(result.data.count <= 512) }
        }
    }

    @Test func shortDataIsCut() throws {
        let server = try FakeServer.target { session, command in
            session.respond(command, data: [1, 2, 3])
            return true
        }
        #expect(try transport(server).send(.readCapacity10, dataIn: 8).data == [1, 2, 3])
    }

    @Test func aCommandWithoutAnswerTimesOut() throws {
        let server = try FakeServer.target { _, _ in true }
        let transport = try transport(server, timeout: Self.brief)
        #expect(isTimedOut { try transport.send(.testUnitReady) })
        // Not repeated: the second connection is the second command's.
        #expect(server.connections == 1)
        #expect(isTimedOut { try transport.send(.testUnitReady) })
        #expect(server.connections == 2)
    }

    @Test func aTargetThatAnswersAgainIsUsedAgain() throws {
        let server = try FakeServer.target { session, command in
            if session.number > 0 { session.respond(command, status: 0) }
            return true
        }
        let transport = try transport(server, timeout: Self.brief)
        #expect(isTimedOut { try transport.send(.testUnitReady) })
        #expect(try transport.send(.testUnitReady).status == .good)
    }

    @Test func aConnectionThatAlwaysBreaksIsAnErrorAfterOneRepetition() throws {
        let server = try FakeServer.target { _, _ in false }
        let transport = try transport(server)
        guard case .connectionLost = iscsiFailure({ try transport.send(.testUnitReady) }) else {
            Issue.record("a broken connection was not noticed")
            return
        }
        #expect(server.connections == 2)
        guard
            case .connectionLost = iscsiFailure({ try transport.send(.init(reserveKey: 1), ReserveOutParameters.some) })
        else {
            Issue.record("a broken connection was not noticed")
            return
        }
        #expect(server.connections == 3)
    }

    @Test func writingToAClosedConnectionDoesNotEndTheProcess() throws {
        // Reads the command's header and closes with data still to come: the next write meets a reset.
        let server = try FakeServer { stream, number in
            let session = FakeTargetSession(stream: stream, number: number)
            guard let request = stream.readUnit() else { return }
            session.logIn(request, replies: "MaxRecvDataSegmentLength=16777215\0FirstBurstLength=16777215\0")
            _ = stream.read(48)
        }
        let transport = try transport(server)
        let blocks = [UInt8](repeating: 0, count: 8 << 20)
        let command = SCSICommand.write(.init(first: 0, count: 16384), form: .ten, forceUnitAccess: false)
        for _ in 0..<3 {
            #expect(throws: SCSIError.self) {
                try transport.execute(cdb: command.cdb, dataOut: blocks, dataInLength: 0)
            }
        }
    }

    @Test func aDescriptorBlockTooLongIsNotSent() throws {
        let server = try FakeServer.target { session, command in
            session.respond(command, status: 0)
            return true
        }
        let transport = try transport(server)
        guard
            case .notSent = iscsiFailure({
                try transport.execute(cdb: [UInt8](repeating: 0, count: 17), dataOut: [], dataInLength: 0)
            })
        else {
            Issue.record("17 octets were sent")
            return
        }
        #expect(try transport.send(.testUnitReady).status == .good)
    }

    @Test func pingsAreAnswered() throws {
        // NOP-In that asks for an answer (RFC 3720 10.19) before the response to a command.
        let answered = PortBox()
        let server = try FakeServer { stream, number in
            let session = FakeTargetSession(stream: stream, number: number)
            guard let login = stream.readUnit() else { return }
            session.logIn(login, replies: "")
            while let command = stream.readUnit() {
                if command.opcode == 0x00 {
                    answered.port += 1
                    continue
                }
                guard command.opcode == 0x01 else { return }
                var ping = FakeUnit(0x20, to: command, statusNumber: session.nextStatus)
                ping.header.set(UInt32.max, at: 16)
                ping.header.set(UInt32(7), at: 20)
                stream.write(ping.octets)
                session.respond(command, status: 0)
            }
        }
        let transport = try transport(server)
        #expect(try transport.send(.testUnitReady).status == .good)
        #expect(try transport.send(.testUnitReady).status == .good)
        #expect(answered.port >= 1)
    }
}

extension SCSICommand {
    /// PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY.
    fileprivate init(reserveKey: UInt8) {
        self = .persistentReserveOut(.registerAndIgnoreExistingKey, scope: 0, type: 0, parameterListLength: 24)
    }
}

extension ReserveOutParameters {
    fileprivate static var some: [UInt8] {
        ReserveOutParameters(key: .none, serviceActionKey: ReservationKey(rawValue: 1)).octets
    }
}
