import Security

/// NTLM's tokens, altered on their way in either direction: an acceptor and an initiator that talk to each other through a hostile
/// network. Whatever it alters, the exchange must not end with a context: the integrity code covers all three.
struct NTLMTarget: FuzzTarget {
    private let logon: LogonPair

    init() throws {
        logon = try LogonPair()
    }

    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        switch input.octet() % 4 {
        case 0: raw(input.octets(.max))
        case 1: exchange(&input, altering: 0)
        case 2: exchange(&input, altering: 1)
        default: exchange(&input, altering: 2)
        }
    }

    /// Octets as tokens, for each of the three.
    private func raw(_ octets: [UInt8]) {
        check(logon.accept(logon.acceptor(isAdministrator: true), octets))
        let initiator = logon.initiator()
        _ = logon.initiate(initiator, nil)
        if case .complete(let token?, _) = logon.initiate(initiator, octets) {
            promise(token.count < 0xFFFF, "a token that fits no PDU")
        }
        let acceptor = logon.acceptor(isAdministrator: true)
        guard case .continueNeeded(let negotiate) = logon.initiate(logon.initiator(), nil) else { return }
        check(logon.accept(acceptor, negotiate))
        let step = logon.accept(acceptor, octets)
        if case .complete = step { promise(false, "a logon by octets that nobody made") }
        check(step)
        promise(logon.accept(acceptor, octets) == nil, "an acceptor goes on after its end")
    }

    private func exchange(_ input: inout FuzzInput, altering which: Int) {
        let initiator = logon.initiator()
        let acceptor = logon.acceptor(isAdministrator: input.octet() & 1 != 0)
        guard case .continueNeeded(let negotiate) = logon.initiate(initiator, nil) else {
            return promise(false, "an initiator that does not begin")
        }
        var isAltered = false
        func pass(_ token: [UInt8], _ leg: Int) -> [UInt8] {
            guard leg == which else { return token }
            var altered = token
            TokenMutation.apply(&input, to: &altered)
            isAltered = altered != token
            return altered
        }
        let first = logon.accept(acceptor, pass(negotiate, 0))
        check(first)
        guard case .continueNeeded(let challenge) = first else { return }
        guard case .complete(let authenticate?, let client) = logon.initiate(initiator, pass(challenge, 1)) else {
            return promise(isAltered, "an undisturbed challenge is refused")
        }
        promise(authenticate.count < 0xFFFF, "a token that fits no PDU")
        let last = logon.accept(acceptor, pass(authenticate, 2))
        check(last)
        if case .complete(_, let server) = last {
            promise(!isAltered, "an exchange that was altered ends with a context")
            promise(FuzzMessage.passes(client, server), "the two ends do not understand each other")
        } else {
            promise(isAltered, "an undisturbed exchange fails")
        }
        promise(logon.accept(acceptor, authenticate) == nil, "a token is accepted twice")
    }

    private func check(_ step: SecurityStep?) {
        if case .continueNeeded(let reply) = step { promise(reply.count < 4096, "a reply of \(reply.count) octets") }
    }
}

/// Changes to a token whose nonces nobody can foresee: at places, not to values.
enum TokenMutation {
    static func apply(_ input: inout FuzzInput, to token: inout [UInt8]) {
        for _ in 0...Int(input.octet() & 3) {
            guard !token.isEmpty else { return }
            let kind = input.octet()
            let position = Int(input.integer(UInt16.self)) % token.count
            switch kind % 8 {
            case 0: token[position] ^= input.octet()
            case 1: token[position] = input.octet()
            case 2: token.removeSubrange(position...)
            case 3: token.insert(contentsOf: input.octets(Int(input.octet() & 63)), at: position)
            case 4:
                // A field of a message: its length, the length of its buffer, and where it is.
                let field = [12, 20, 28, 36, 44, 52, 16, 40][position & 7]
                let value: UInt32 = input.integer()
                guard field + 8 <= token.count else { break }
                if kind & 8 == 0 {
                    put(UInt16(truncatingIfNeeded: value), at: field, in: &token)
                } else {
                    put(value, at: field + 4, in: &token)
                }
            case 5:
                let value: UInt16 = input.integer()
                if position + 2 <= token.count { put(value, at: position, in: &token) }
            case 6:
                let count = min(Int(input.octet()), token.count - position)
                token.removeSubrange(position..<position + count)
            default:
                let count = min(Int(input.octet()), token.count - position)
                token.append(contentsOf: Array(token[position..<position + count]))
            }
        }
    }

    private static func put<Value: FixedWidthInteger>(_ value: Value, at position: Int, in token: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { octets in
            for (index, octet) in octets.enumerated() { token[position + index] = octet }
        }
    }
}

/// One message from each end to the other.
enum FuzzMessage {
    static func passes(_ one: any SecurityContext, _ other: any SecurityContext) -> Bool {
        pass(from: one, to: other) && pass(from: other, to: one)
    }

    private static func pass(from sender: any SecurityContext, to receiver: any SecurityContext) -> Bool {
        let body = [UInt8](0..<32)
        let length = sender.signatureLength(for: .packetPrivacy)
        var message = [UInt8](repeating: 1, count: 24) + body + [UInt8](repeating: 2, count: 8 + length)
        let parts = MessageParts(body: 24..<56, authValue: 64..<64 + length, signsHeader: true)
        let isPassed = message.withUnsafeMutableBytes { message in
            (try? sender.protect(message, parts, level: .packetPrivacy)) != nil
                && !message[24..<56].elementsEqual(body)
                && (try? receiver.unprotect(message, parts, level: .packetPrivacy)) != nil
        }
        return isPassed && message[24..<56].elementsEqual(body)
    }
}
