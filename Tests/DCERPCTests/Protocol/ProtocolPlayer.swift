import NDR
import Security

@testable import DCERPC

/// Plays a case against associations alone: no socket, but real NTLM on both sides.
struct ProtocolPlayer {
    private var environment = TestEnvironment()
    private let provider: NTLMProvider
    private var limits = AssociationLimits()
    private var connections: [Int: ProtocolConnection] = [:]
    private var sources: [Int: String] = [:]
    private var clients: [String: ProtocolClient] = [:]
    private var variables: [String: UInt32] = [:]
    private var serviceHolds = false

    init() {
        let names = NTLMEnvironment(
            netbiosComputerName: "NODE1", netbiosDomainName: "DOMAIN", dnsComputerName: "node1.example.test",
            dnsDomainName: "example.test")
        provider = NTLMProvider(environment: names, users: ProtocolUsers())
        environment.transferSyntaxes = [.ndr64, .ndr20]
    }

    mutating func play(_ protocolCase: ProtocolCase) async throws {
        for step in protocolCase.steps {
            do {
                try await play(step)
            } catch let error as Disagreement {
                throw Disagreement("\(step.line)\n  \(error)")
            }
        }
        for connection in connections.values {
            if let event = connection.events.first { throw Disagreement("nobody waits for \(event.text)") }
        }
    }

    private mutating func play(_ step: ProtocolStep) async throws {
        func number(_ name: String, _ standard: UInt64 = 1) throws -> UInt64 {
            try step.value(name).map { try ProtocolPDU.number($0) } ?? standard
        }
        switch step.verb {
        case ">": try await send(step, step.words.first ?? "")
        case "<": try await expect(step, step.words.first ?? "")
        case "alive":
            try await send(step, "request")
            var answer = step
            answer.values["stub"] = ["00000000.01000000"]
            try await expect(answer, "response")
        case "security": clients[step.words[0]] = try ProtocolClient(step)
        case "from": sources[Int(try ProtocolPDU.number(step.words[0]))] = step.words[1]
        case "different":
            guard Set(step.words.compactMap { variables[$0] }).count == step.words.count else {
                throw Disagreement("the same")
            }
        case "disconnect":
            let id = step.words.first.flatMap { Int($0) } ?? 1
            guard let gone = connections.removeValue(forKey: id) else { throw Disagreement("not connected") }
            _ = environment.groups.leave(gone.association.group)
        case "limits":
            limits = AssociationLimits(
                maximumPresentationContexts: Int(try number("contexts", 1024)),
                maximumSecurityContexts: Int(try number("security", 256)),
                maximumUnfinishedContexts: Int(try number("unfinished", 8)), maximumCalls: Int(try number("calls", 256))
            )
        case "service": serviceHolds = true
        case "drain":
            let connection = connection(1)
            await connection.perform(connection.association.drain())
        case "dispatched", "cancelled", "abandoned":
            try expectOfService(step, call: UInt32(try number("call")))
        case "answer":
            let stub = try ProtocolPDU.octets(step.value("stub") ?? "")
            await connection(1).answer(UInt32(try number("call")), stub)
        case "fails":
            let connection = connection(1)
            let fault = RPCFault(status: ProtocolPDU.statuses[step.value("status") ?? ""] ?? 0)
            await connection.perform(connection.association.fail(UInt32(try number("call")), with: fault))
        default: throw Disagreement("\(step.verb) means nothing here")
        }
    }

    private mutating func connection(_ id: Int) -> ProtocolConnection {
        if let known = connections[id] { return known }
        environment.client = sources[id] ?? "192.0.2.1"
        let new = ProtocolConnection(
            Association(secondaryAddress: Self.port, environment: environment, limits: limits), provider: provider,
            serviceHolds: serviceHolds)
        connections[id] = new
        return new
    }

    private static let port = "135"

    private func expectOfService(_ step: ProtocolStep, call: UInt32) throws {
        guard let event = connections[1]?.events.first else { throw Disagreement("nothing happened") }
        switch (step.verb, event) {
        case ("dispatched", .dispatched(let found)) where found.callID == call:
            if let opnum = step.value("opnum"), UInt64(found.opnum) != (try ProtocolPDU.number(opnum)) {
                throw Disagreement("opnum \(found.opnum)")
            }
            if let stub = step.value("stub"), found.stub != (try ProtocolPDU.octets(stub)) {
                throw Disagreement("stub \(hex(found.stub))")
            }
        case ("cancelled", .cancelled(call)), ("abandoned", .abandoned(call)): break
        default: throw Disagreement(event.text)
        }
        connections[1]?.events.removeFirst()
    }

    // MARK: Sending

    private mutating func send(_ step: ProtocolStep, _ kind: String) async throws {
        let connection = connection(step.connection)
        connection.serviceHolds = serviceHolds
        var octets =
            kind == "octets"
            ? try ProtocolPDU.octets(step.words.dropFirst().joined(separator: "."))
            : try await encode(ProtocolPDU(kind: kind, step: step, variables: variables))
        func position(_ text: some StringProtocol) throws -> Int {
            text.hasPrefix("-")
                ? octets.count - Int(try ProtocolPDU.number(text.dropFirst())) : Int(try ProtocolPDU.number(text))
        }
        for patch in step.values["patch"] ?? [] {
            let parts = patch.split(separator: ":")
            let replacement = try ProtocolPDU.octets(parts[1])
            let start = try position(parts[0])
            octets.replaceSubrange(start..<start + replacement.count, with: replacement)
        }
        for offset in step.values["flip"] ?? [] { octets[try position(offset)] ^= 1 }
        if let cut = step.value("cut") { octets = Array(octets.prefix(Int(try ProtocolPDU.number(cut)))) }
        let size = try step.value("by").map { Int(try ProtocolPDU.number($0)) } ?? octets.count
        for _ in 0..<(try step.value("times").map { Int(try ProtocolPDU.number($0)) } ?? 1) {
            for start in stride(from: 0, to: octets.count, by: max(1, size)) {
                let piece = Array(octets[start..<min(start + size, octets.count)])
                await connection.perform(connection.association.receive(piece))
            }
        }
    }

    private func encode(_ pdu: ProtocolPDU) async throws -> [UInt8] {
        var body = try pdu.body()
        var fields: [UInt64]
        var token: [UInt8]
        var client: ProtocolClient?
        if let verifier = pdu.step.value("verifier") {
            let parts = verifier.split(separator: "/", omittingEmptySubsequences: false)
            let type = try ProtocolPDU.providers[String(parts[0])].map(UInt64.init) ?? ProtocolPDU.number(parts[0])
            fields = [type, try ProtocolPDU.number(parts[1]), try ProtocolPDU.number(parts[2])]
            token = try ProtocolPDU.octets(parts[3])
        } else if let name = pdu.step.value("auth") {
            guard let known = clients[name] else { throw Disagreement("no security context is called \(name)") }
            client = known
            fields = [UInt64(known.type), UInt64(known.level), UInt64(known.id)]
            token = pdu.kind == "request" ? [UInt8](repeating: 0, count: 16) : try await known.token()
            if let text = pdu.step.value("auth.token") { token = try ProtocolPDU.octets(text) }
        } else {
            return try pdu.header(length: 16 + body.count, authLength: 0) + body
        }
        let start = 24 + (pdu.step.value("object") == nil ? 0 : 16)
        let natural =
            pdu.kind == "request" ? (16 - (16 + body.count - start) % 16) % 16 : (4 - body.count % 4) % 4
        let padding = Int(try pdu.int("auth.pad", natural))
        body += [UInt8](repeating: 0xBB, count: padding)
        for (index, name) in ["auth.type", "auth.level", "auth.id"].enumerated() {
            fields[index] = try pdu.int(name, Int(fields[index]))
        }
        let said = UInt8(try pdu.int("auth.padsays", padding))
        let end = 16 + body.count
        let message =
            try pdu.header(length: end + 8 + token.count, authLength: token.count) + body
            + [UInt8(fields[0]), UInt8(fields[1]), said, 0] + pdu.pack(fields[2], 4) + token
        guard let client, pdu.kind == "request" else { return message }
        return try client.protect(message, body: start..<end)
    }

    // MARK: Receiving

    private mutating func expect(_ step: ProtocolStep, _ kind: String) async throws {
        let connection = connection(step.connection)
        if kind == "nothing" {
            guard let event = connection.events.first else { return }
            throw Disagreement(event.text)
        }
        guard !connection.events.isEmpty else { throw Disagreement("nothing happened") }
        let event = connection.events.removeFirst()
        switch (kind, event) {
        case ("closed", .closed): break
        case (_, .pdu(let received)) where kind != "closed": try await compare(step, kind, received)
        default: throw Disagreement(event.text)
        }
    }

    private mutating func compare(_ step: ProtocolStep, _ kind: String, _ received: [UInt8]) async throws {
        let pdu = ProtocolPDU(kind: kind, step: step, variables: variables)
        let expected = try pdu.expected(address: Self.port)
        let authLength = Int(received[10]) | Int(received[11]) << 8
        guard Int(received[8]) | Int(received[9]) << 8 == received.count else { throw Disagreement("a wrong length") }
        var plain = received
        if step.value("auth") != nil {
            plain = try await opened(pdu, expected, received, authLength)
        } else if authLength > 0 {
            throw Disagreement("authenticated: \(hex(received))")
        }
        if let difference = ProtocolPDU.difference(expected, plain) {
            throw Disagreement("\(hex(plain)): \(difference)")
        }
        if let group = step.value("group"), group.hasPrefix("$") {
            variables[group] = (20..<24).reversed().reduce(0) { $0 << 8 | UInt32(received[$1]) }
            guard variables[group] != 0 else { throw Disagreement("an association group of zero") }
        }
    }

    /// What an authenticated answer says without its trailer, which is checked here.
    private func opened(
        _ pdu: ProtocolPDU, _ expected: [UInt8?], _ received: [UInt8], _ authLength: Int
    ) async throws -> [UInt8] {
        guard let client = clients[pdu.step.value("auth") ?? ""] else { throw Disagreement("no security context") }
        let isEmpty = pdu.step.words.contains("empty")
        guard isEmpty == (authLength == 0) else {
            throw Disagreement("\(authLength) octets of token: \(hex(received))")
        }
        let start = received.count - authLength - 8
        guard start >= 16 else { throw Disagreement("no trailer: \(hex(received))") }
        let padding = Int(received[start + 2])
        var trailer: [UInt8] = [client.type, client.level, UInt8(padding), 0]
        trailer += pdu.pack(UInt64(client.id), 4, isBig: false)
        guard received[start..<start + 8].elementsEqual(trailer) else {
            throw Disagreement("another trailer: \(hex(received[start..<start + 8]))")
        }
        if pdu.kind == "response" {
            guard (start - 24) % 16 == 0 else { throw Disagreement("the trailer is not aligned") }
            return Array(try client.unprotect(received, body: 24..<start)[..<(start - padding)])
        }
        guard padding == start - expected.count else { throw Disagreement("padding of \(padding) octets") }
        if authLength > 0 { client.challenge = Array(received[(start + 8)...]) }
        return Array(received[..<expected.count])
    }
}
