import Testing

@testable import HostInventory

/// Netlink messages as octets: what is whole is read, and what is not is an error, never a trap.
struct NetlinkTests {
    @Test func messagesOfADatagram() throws {
        let datagram = Wire.message(16, flags: 2, sequence: 5, [1, 2, 3]) + Wire.done(sequence: 5)
        let messages = try NetlinkMessage.list(datagram, operation: "test")
        #expect(messages.map(\.type) == [16, 3])
        #expect(messages.map(\.flags) == [2, 0])
        #expect(messages.map(\.sequence) == [5, 5])
        #expect(Array(messages[0].payload) == [1, 2, 3])
        // The padding behind the last message may be missing.
        #expect(try NetlinkMessage.list(Array(Wire.message(16, sequence: 1, [9])[..<17]), operation: "test").count == 1)
        #expect(try NetlinkMessage.list([], operation: "test").isEmpty)
    }

    @Test func requestsAreLaidOutAsTheKernelWantsThem() {
        // 20 octets; RTM_GETLINK; NLM_F_REQUEST | NLM_F_DUMP; number 7; port 0; one word.
        #expect(
            NetlinkMessage.request(type: 18, flags: 0x301, sequence: 7, payload: [1, 0, 0, 0])
                == [20, 0, 0, 0, 18, 0, 1, 3, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    }

    /// Every datagram that is cut off, at every place, and lengths that lie.
    @Test func truncatedMessages() throws {
        let whole = Wire.message(
            16, sequence: 1, Wire.link(2, "eth0", more: Wire.info("sit", data: Wire.attribute(8, [0, 0]))))
        let link = try #require(try NetlinkMessage.list(whole, operation: "test").first)
        #expect(try LinkRecord(link.payload)?.name == "eth0")
        for count in 1..<whole.count {
            #expect(throws: HostNetworkError.self) {
                try NetlinkMessage.list(Array(whole[..<count]), operation: "test")
            }
        }
        for payload in [
            Wire.link(2, "eth0", more: Wire.info("vlan")), Wire.address(2, [192, 0, 2, 1], 24),
            Wire.route(Wire.attribute(4, Wire.u32(2)) + Wire.attribute(5, [192, 0, 2, 9])),
            Wire.route(Wire.attribute(9, Wire.u16(16) + [0, 0] + Wire.u32(2) + Wire.attribute(5, [192, 0, 2, 9]))),
        ] {
            for count in 0..<payload.count {
                // Where the cut is between two attributes what is left is whole, and may lack what makes it an entry.
                _ = try? LinkRecord(payload[..<count])
                _ = try? AddressRecord(payload[..<count])
                _ = try? RouteRecord.gateways(payload[..<count])
                _ = try? RouteRecord.link(payload[..<count])
            }
            for place in payload.indices {
                for value: UInt8 in [0, 1, 3, 4, 0x7F, 0xFF] {
                    var broken = payload
                    broken[place] = value
                    _ = try? LinkRecord(broken[...])
                    _ = try? AddressRecord(broken[...])
                    _ = try? RouteRecord.gateways(broken[...])
                }
            }
        }
        for length in [0, 15, whole.count + 1, 0xFFFF_FFFF] {
            #expect(throws: HostNetworkError.self) {
                try NetlinkMessage.list(Wire.u32(length) + whole.dropFirst(4), operation: "test")
            }
        }
        for length in [0, 3, 9, 0xFFFF] {
            #expect(throws: HostNetworkError.self) {
                try NetlinkAttributes((Wire.u16(length) + [1, 0, 9, 9, 9, 9])[...], operation: "test")
            }
        }
        #expect(try NetlinkAttributes((Wire.u16(8) + [1, 0, 9, 9, 9, 9])[...], operation: "test")[1]?.count == 4)
    }

    // MARK: Listings

    private func names(_ kernel: ScriptedKernel) throws -> [String] {
        var conversation = NetlinkConversation(port: kernel)
        return try conversation.list(18, answer: 16, payload: [], operation: "list links") {
            (octets) throws(HostNetworkError) in try LinkRecord(octets)?.name
        }
    }

    private func listing(_ names: String..., interrupted: Bool = false) -> [ScriptedKernel.Reply] {
        ScriptedKernel.listing(16, names.map { Wire.link(2, $0) }, flags: interrupted ? 0x12 : 2)
    }

    @Test func aListingThatChangedMeanwhileIsReadAgain() throws {
        let kernel = ScriptedKernel([18: [listing("a", interrupted: true), listing("a", "b")]])
        #expect(try names(kernel) == ["a", "b"])
        #expect(kernel.questions == [18, 18])
    }

    @Test func aHostThatNeverComesToRestIsAnErrorAfterSoManyAttempts() throws {
        let attempts = NetlinkConversation.attempts
        let restless = [[ScriptedKernel.Reply]](repeating: listing("a", interrupted: true), count: attempts)
        // The last attempt is good enough where it succeeds.
        #expect(try names(ScriptedKernel([18: restless.dropLast() + [listing("a")]])) == ["a"])
        let kernel = ScriptedKernel([18: restless + [listing("a")]])
        #expect(throws: HostNetworkError.unsettled(operation: "list links", attempts: attempts)) { try names(kernel) }
        #expect(kernel.questions.count == attempts)
    }

    @Test func whatTheKernelDroppedIsAskedForAgain() throws {
        let kernel = ScriptedKernel([18: [listing("a").dropLast() + [.lost], listing("a", "b")]])
        #expect(try names(kernel) == ["a", "b"])
    }

    @Test func answersToEarlierQuestionsArePassedOver() throws {
        let stale = ScriptedKernel.Reply.datagram { sequence in
            Wire.message(16, flags: 0x12, sequence: sequence - 1, Wire.link(9, "stale"))
                + Wire.done(sequence: sequence - 1)
        }
        #expect(try names(ScriptedKernel([18: [[stale] + listing("a")]])) == ["a"])
    }

    @Test func errorsOfTheKernel() throws {
        #expect(throws: HostNetworkError.system(operation: "list links", code: 1)) {
            try names(ScriptedKernel([18: [[.datagram { Wire.error(1, sequence: $0) }]]]))
        }
        // In the middle of a listing the error comes with its end: -105.
        #expect(throws: HostNetworkError.system(operation: "list links", code: 105)) {
            try names(ScriptedKernel([18: [[.datagram { Wire.done(sequence: $0, code: 0xFFFF_FF97) }]]]))
        }
        #expect(throws: HostNetworkError.malformed(operation: "list links", reason: "an error without a number")) {
            try names(ScriptedKernel([18: [[.datagram { Wire.message(2, sequence: $0, [1]) }]]]))
        }
        #expect(
            "\(HostNetworkError.system(operation: "list links", code: 1))"
                == "cannot list links: Operation not permitted")
    }
}
