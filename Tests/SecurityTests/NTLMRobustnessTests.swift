import Testing

@testable import Security

/// Broken tokens are refused, and nothing worse.
@Suite struct NTLMRobustnessTests {
    private func tokens() async throws -> (negotiate: [UInt8], challenge: [UInt8], authenticate: [UInt8]) {
        let initiator = try Sample.initiator()
        let negotiate = try await initiator.initiate(nil).reply()
        let challenge = try await Sample.acceptor().accept(negotiate).reply()
        let authenticate = try #require(try await initiator.initiate(challenge).completed().reply)
        return (negotiate, challenge, authenticate)
    }

    @Test func everyCutIsRefused() async throws {
        let tokens = try await tokens()
        // An offer may end behind its flags.
        for length in 0..<16 {
            await #expect(throws: SecurityError.self) {
                try await Sample.acceptor().accept(Array(tokens.negotiate[..<length]))
            }
        }
        for length in tokens.challenge.indices {
            let initiator = try Sample.initiator()
            _ = try await initiator.initiate(nil)
            await #expect(throws: SecurityError.self) {
                try await initiator.initiate(Array(tokens.challenge[..<length]))
            }
        }
        for length in tokens.authenticate.indices {
            let acceptor = Sample.acceptor()
            _ = try await acceptor.accept(tokens.negotiate)
            await #expect(throws: SecurityError.self) {
                try await acceptor.accept(Array(tokens.authenticate[..<length]))
            }
        }
    }

    /// What an acceptor keeps of a stranger is bounded.
    @Test(arguments: [(2048, true), (2049, false)])
    func longOffers(length: Int, isTaken: Bool) async throws {
        let offer = try await tokens().negotiate
        let token = offer + [UInt8](repeating: 0, count: length - offer.count)
        if isTaken {
            _ = try await Sample.acceptor().accept(token).reply()
        } else {
            await #expect(throws: SecurityError.self) { try await Sample.acceptor().accept(token) }
        }
    }

    /// However few characters they are: a letter may carry any number of marks.
    @Test(arguments: [(1024, true), (1025, false)])
    func longNames(count: Int, isTaken: Bool) throws {
        let long = NTLMName(units: [0x61] + [UInt16](repeating: 0x20D0, count: count - 1))
        let empty = NTLMName("")
        #expect(long.text.count == 1 && long.text.cut(to: 256).unicodeScalars.count == 256)
        for (domain, user, workstation) in [(long, empty, empty), (empty, long, empty), (empty, empty, long)] {
            let token = NTLMAuthenticate(
                flags: .indispensable, lmResponse: [], ntResponse: [], domain: domain, user: user,
                workstation: workstation, encryptedSessionKey: [], integrityCode: nil
            ).encoded
            if isTaken {
                #expect(throws: Never.self) { try NTLMAuthenticate(token) }
            } else {
                #expect(throws: SecurityError.self) { try NTLMAuthenticate(token) }
            }
        }
    }

    /// Every attribute number there is, each once: what a client may send before anybody knows him takes as long as its length
    /// says. (By its square, these would take minutes.)
    @Test func aListOfEveryAttributeIsRead() throws {
        var octets: [UInt8] = []
        for number in 11...UInt16.max {
            octets.appendLittleEndian(number)
            octets.appendLittleEndian(UInt16(0))
        }
        let list = try AVPairs((octets + [0, 0, 0, 0])[...])
        #expect(list.pairs.count == 65525)
        #expect(throws: SecurityError.self) { try AVPairs((octets + octets.suffix(4) + [0, 0, 0, 0])[...]) }
    }

    /// What the server says of itself comes back in our response, which has to fit.
    @Test(arguments: [(0, true), (1, false), (49_000, false)])
    func aLongDescriptionIsRefused(surplus: Int, isTaken: Bool) async throws {
        var info = Sample.environment.targetInfo
        let room = NTLMInitiator.longestTargetInfo - info.encoded.count - 4
        info[.init(rawValue: 99)] = [UInt8](repeating: 1, count: room + surplus)
        let challenge = NTLMChallenge(
            flags: NTLMFlags.indispensable.union([.sign, .seal, .targetInfo]),
            serverChallenge: Sample.serverChallenge, targetName: NTLMName("X"), targetInfo: info)
        let initiator = try Sample.initiator()
        _ = try await initiator.initiate(nil)
        if isTaken {
            let reply = try #require(try await initiator.initiate(challenge.encoded).completed().reply)
            #expect(try NTLMv2Response(NTLMAuthenticate(reply).ntResponse).pairs[.init(rawValue: 99)]?.count == room)
        } else {
            await #expect(throws: SecurityError.self) { try await initiator.initiate(challenge.encoded) }
        }
    }

    @Test func everyAlteredOctetIsRefused() async throws {
        let tokens = try await tokens()
        for index in tokens.authenticate.indices {
            for bit in [UInt8(0x01), 0x80] {
                let acceptor = Sample.acceptor()
                _ = try await acceptor.accept(tokens.negotiate)
                var altered = tokens.authenticate
                altered[index] ^= bit
                await #expect(throws: SecurityError.self, "octet \(index), bit \(bit)") {
                    try await acceptor.accept(altered)
                }
            }
        }
    }

    // The MIC covers what the client sent and what it received.
    @Test func everyAlteredOctetOnTheWayIsRefused() async throws {
        let tokens = try await tokens()
        for index in tokens.negotiate.indices {
            await #expect(throws: SecurityError.self, "NEGOTIATE, octet \(index)") {
                try await exchange(Sample.initiator(), Sample.acceptor(), negotiate: { $0.flipped(at: index) })
            }
        }
        for index in tokens.challenge.indices {
            await #expect(throws: SecurityError.self, "CHALLENGE, octet \(index)") {
                try await exchange(Sample.initiator(), Sample.acceptor(), challenge: { $0.flipped(at: index) })
            }
        }
    }

    @Test func partsOutsideOfTheMessageAreRefused() async throws {
        let token = try await tokens().authenticate
        for field in stride(from: 12, through: 52, by: 8) {
            for (offset, octets) in [
                (4, [0xFF, 0xFF, 0xFF, 0xFF] as [UInt8]),  // far outside
                (4, [0, 0, 0, 0]),  // over the signature
                (
                    4,
                    [
                        UInt8(truncatingIfNeeded: token.count - 1), UInt8(truncatingIfNeeded: (token.count - 1) >> 8),
                        0, 0,
                    ]
                ),
            ] {
                var altered = token
                altered.replaceSubrange((field + offset)..<(field + offset + 4), with: octets)
                #expect(throws: SecurityError.self) { try NTLMAuthenticate(altered) }
            }
        }
        #expect(throws: SecurityError.self) {
            try NTLMAuthenticate(token + [UInt8](repeating: 0, count: NTLMMessage.maximumLength))
        }
    }

    @Test func attributeLists() throws {
        #expect(try AVPairs(hex("00000000")[...]) == AVPairs())
        #expect(try AVPairs(hex("00000000 00000000")[...]) == AVPairs())
        // Unknown attributes are kept.
        #expect(try AVPairs(hex("7f00 0100 aa 0000 0000")[...]).encoded == hex("7f00 0100 aa 0000 0000"))
        for broken in [
            "", "000000", "00000100aa", "0100 0200 4100", "0100 0300 414100 00000000", "0700 0400 01020304 00000000",
            "0100 ffff 4100 00000000", "0100 0200 4100 0100 0200 4100 00000000", "0600 0200 0200 00000000",
        ] {
            #expect(throws: SecurityError.self, "\(broken)") { try AVPairs(hex(broken)[...]) }
        }
    }

    @Test func responses() throws {
        let smallest = [UInt8](repeating: 0, count: 16) + [1, 1] + [UInt8](repeating: 0, count: 30)
        #expect(try NTLMv2Response(smallest).pairs == AVPairs())
        #expect(throws: SecurityError.self) { try NTLMv2Response(Array(smallest.dropLast())) }
        #expect(throws: SecurityError.self) { try NTLMv2Response(smallest.flipped(at: 16)) }
        #expect(throws: SecurityError.self) { try NTLMv2Response(smallest.flipped(at: 17)) }
    }
}

extension [UInt8] {
    func flipped(at index: Int) -> [UInt8] {
        var copy = self
        copy[index] ^= 0x10
        return copy
    }
}
