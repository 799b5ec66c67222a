import TestSupport
import Testing

@testable import Reservations

/// What a target sends that libiscsi could not bear, or that its digests do not fit.
@Suite(.offThePool) struct ISCSIGuardTests {
    /// Long enough for what answers, short enough to wait for what does not.
    private static let brief = Duration.seconds(2)

    private func transport(
        _ server: FakeServer, options: String = "", secret: ISCSISecret? = nil, timeout: Duration = .seconds(20),
        log: LogLines = LogLines()
    ) throws -> ISCSITransport {
        try ISCSITransport(port: server.port, options: options, secret: secret, timeout: timeout, log: log)
    }

    // MARK: - Messages that answer nothing

    /// Why the session ended, of a target that answers a write of eight blocks with these requests for data.
    private func failure(requesting ranges: [(offset: UInt32, length: UInt32)]) throws -> ISCSIError.Reason? {
        let server = try FakeServer.target { session, command in
            for (number, range) in ranges.enumerated() {
                var request = FakeUnit(0x31, to: command, statusNumber: 1)
                request.header.set(UInt32(number), at: 36)
                request.header.set(range.offset, at: 40)
                request.header.set(range.length, at: 44)
                session.stream.write(request.octets)
            }
            // The data comes in segments of 8192 octets at most.
            for _ in ranges { _ = session.stream.readUnit() }
            session.respond(command, status: 0)
            return true
        }
        let transport = try transport(server)
        let write = SCSICommand.write(.init(first: 0, count: 8), form: .ten, forceUnitAccess: false)
        return iscsiFailure { try transport.send(write, [UInt8](repeating: 1, count: 4096)) }
    }

    @Test func requestsForDataThatIsThereAreAnswered() throws {
        #expect(try failure(requesting: [(0, 4096)]) == nil)
        #expect(try failure(requesting: [(0, 2048), (2048, 2048)]) == nil)
        // Asking for the same again is a recovery (RFC 3720 6.2).
        #expect(try failure(requesting: [(0, 4096), (0, 4096)]) == nil)
    }

    @Test(
        arguments: [
            [(0, 4097)], [(4096, 1)], [(UInt32.max, UInt32.max)], [(0, 0)], [(0, 4096), (0, 4096), (0, 1)],
        ] as [[(UInt32, UInt32)]])
    func requestsForMoreEndTheSession(_ ranges: [(UInt32, UInt32)]) throws {
        guard case .connectionLost(let cause) = try failure(requesting: ranges) else {
            Issue.record("\(ranges) was let pass")
            return
        }
        #expect(cause.contains("request for"))
    }

    /// Data, an answer to a login, a logout or a text request, and what no target may send at all.
    @Test(arguments: [0x25, 0x26, 0x24, 0x21, 0x31, 0x00, 0x3E] as [UInt8])
    func whatIsNoAnswerToALoginEndsIt(_ operation: UInt8) throws {
        let server = try FakeServer { stream, number in
            let session = FakeTargetSession(stream: stream, number: number)
            guard let login = stream.readUnit() else { return }
            var answer = FakeUnit(operation, to: login, statusNumber: session.nextStatus)
            answer.header[1] = 0x81
            answer.data = [UInt8](repeating: 0, count: 64)
            stream.write(answer.octets)
            while stream.readSome() != nil {}
        }
        guard case .loginRefused(let cause) = iscsiFailure({ try transport(server).connect() }) else {
            Issue.record("\(operation) was let pass")
            return
        }
        #expect(cause.contains("unexpected message"))
    }

    @Test func dataForACommandWithoutDataEndsTheSession() throws {
        let server = try FakeServer.target { session, command in
            session.respond(command, data: [1, 2, 3, 4])
            return true
        }
        guard case .connectionLost = iscsiFailure({ try transport(server).send(.testUnitReady) }) else {
            Issue.record("data came from nowhere")
            return
        }
    }

    /// A target that talks for ever, with pings that libiscsi keeps answers ready for: the limit is tested from both sides.
    @Test(arguments: [0, 1]) func messagesWithoutEndEndTheSession(_ excess: Int) throws {
        let server = try FakeServer.target { session, command in
            var ping = FakeUnit(0x20, to: command, statusNumber: 1)
            ping.header.replaceSubrange(16..<20, with: octets("FF FF FF FF"))
            ping.header.replaceSubrange(20..<24, with: octets("00 00 00 01"))
            let count = ISCSIGuard.basicHeaderLimit - 1 + excess
            session.stream.write([[UInt8]](repeating: ping.octets, count: count).flatMap(\.self))
            session.respond(command, status: 0)
            return true
        }
        let transport = try transport(server)
        let failure = iscsiFailure { try transport.send(.testUnitReady) }
        if excess == 0 {
            #expect(failure == nil)
        } else {
            guard case .connectionLost(let cause) = failure else {
                Issue.record("a target may talk for ever")
                return
            }
            #expect(cause.contains("more than 4096 messages"))
        }
    }

    /// So much data that what a target may say has to grow with it: 2 MiB in segments of 512 octets are 4096 messages, and a status.
    @Test func dataInSmallSegmentsIsTaken() throws {
        let server = try FakeServer.target { session, command in
            let length = Int(command.header.field32(20))
            for offset in stride(from: 0, to: length, by: 512) {
                var part = FakeUnit(0x25, to: command, statusNumber: 0)
                part.header[1] = 0
                part.header.set(UInt32.max, at: 20)
                part.header.set(UInt32(offset / 512), at: 36)
                part.header.set(UInt32(offset), at: 40)
                part.data = [UInt8](repeating: UInt8(truncatingIfNeeded: offset / 512), count: 512)
                session.stream.write(part.octets)
            }
            var answer = FakeUnit(0x21, to: command, statusNumber: session.nextStatus)
            answer.header[3] = 0
            session.stream.write(answer.octets)
            return true
        }
        let read = SCSICommand.read(.init(first: 0, count: 4096), form: .ten)
        let result = try transport(server).send(read, dataIn: 2 << 20)
        #expect(result.status == .good)
        #expect(result.data == (0..<4096).flatMap { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 512) })
    }

    @Test func dataThatAnswersALogoutIsNotTaken() throws {
        let isOver = PortBox()
        let server = try FakeServer { stream, number in
            let session = FakeTargetSession(stream: stream, number: number)
            while let request = stream.readUnit() {
                switch request.opcode {
                case 0x03: session.logIn(request, replies: "")
                case 0x01: session.respond(request, status: 0)
                default:
                    session.respond(request, data: [UInt8](repeating: 0, count: 16))
                    isOver.port = 1
                }
            }
        }
        do {
            let transport = try transport(server)
            #expect(try transport.send(.testUnitReady).status == .good)
        }
        // The transport has gone with its scope; that there is still a process to ask is what counts.
        #expect(isOver.port <= 1)
    }

    // MARK: - Header digests

    @Test func digestsAreOfTheStandard() {
        // RFC 3720 B.4: 32 octets of zero, and 32 of ones, with the low octet of the checksum first.
        #expect(FakeTargetSession.digest([UInt8](repeating: 0, count: 32)) == octets("AA 36 91 8A"))
        #expect(FakeTargetSession.digest([UInt8](repeating: 0xFF, count: 32)) == octets("43 AB A8 62"))
    }

    @Test(arguments: [true, false]) func headersAreChecked(_ isRight: Bool) throws {
        let wrong = PortBox()
        let server = try FakeServer { stream, number in
            let session = FakeTargetSession(stream: stream, number: number)
            guard let login = stream.readUnit() else { return }
            #expect(login.text.contains("HeaderDigest=CRC32C\0"))
            session.logIn(login, replies: "HeaderDigest=CRC32C\0")
            while let header = stream.read(48), let digest = stream.read(4) {
                if digest != FakeTargetSession.digest(header) { wrong.port += 1 }
                let request = FakeUnit(header: header, data: [])
                guard request.opcode == 0x01 else { return }
                var answer = FakeUnit(0x21, to: request, statusNumber: session.nextStatus)
                answer.header[3] = 0
                let checksum = FakeTargetSession.digest(answer.header)
                stream.write(answer.header + (isRight ? checksum : checksum.reversed()))
            }
        }
        let transport = try transport(
            server, options: "header-digest=crc32c", timeout: isRight ? .seconds(20) : Self.brief)
        if isRight {
            #expect(try transport.send(.testUnitReady).status == .good)
        } else {
            #expect(throws: SCSIError.self) { try transport.send(.testUnitReady) }
        }
        #expect(wrong.port == 0)
    }
}

extension FakeTargetSession {
    /// The header digest of these octets as it is sent (RFC 3720 12.1).
    fileprivate static func digest(_ octets: [UInt8]) -> [UInt8] {
        let checksum = CRC32C.checksum(octets)
        return (0..<4).map { UInt8(truncatingIfNeeded: checksum >> ($0 * 8)) }
    }
}
