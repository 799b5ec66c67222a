import Foundation

/// What makes a case fail, in words.
struct Disagreement: Error, CustomStringConvertible {
    let description: String

    init(_ text: String) { description = text }
}

/// The octets of the protocol suite's PDUs: exactly those to send, and a pattern of those to receive. Nothing of the module under
/// test is used to make them.
struct ProtocolPDU {
    let kind: String
    let step: ProtocolStep
    let variables: [String: UInt32]
    let isBig: Bool

    init(kind: String, step: ProtocolStep, variables: [String: UInt32]) {
        self.kind = kind
        self.step = step
        self.variables = variables
        isBig = step.value("drep") == "big"
    }

    static let types: [String: UInt8] = [
        "request": 0, "response": 2, "fault": 3, "bind": 11, "bind_ack": 12, "bind_nak": 13, "alter_context": 14,
        "alter_context_resp": 15, "auth3": 16, "shutdown": 17, "co_cancel": 18, "orphaned": 19,
    ]
    private static let flags: [String: UInt8] = [
        "none": 0, "first": 1, "last": 2, "cancel": 4, "header_sign": 4, "reserved": 8, "multiplex": 0x10,
        "did_not_execute": 0x20, "maybe": 0x40, "object": 0x80,
    ]
    static let statuses: [String: UInt32] = [
        "access_denied": 5, "no_call_active": 0x6BD, "cannot_support": 0x6E4, "bad_stub_data": 0x6F7,
        "sec_pkg_error": 0x721, "op_rng_error": 0x1C01_0002, "unk_if": 0x1C01_0003, "proto_error": 0x1C01_000B,
        "server_too_busy": 0x1C01_0014, "fault_cancel": 0x1C00_000D, "fault_remote_no_memory": 0x1C00_001B,
    ]
    private static let reasons: [String: UInt32] = [
        "not_specified": 0, "temporary_congestion": 1, "local_limit_exceeded": 2, "protocol_version_not_supported": 4,
        "authentication_type_not_recognized": 8, "invalid_checksum": 9,
    ]
    private static let syntaxes: [String: (String, [UInt32])] = [
        "zero": ("00000000-0000-0000-0000-000000000000", [0, 0]),
        "ndr": ("8a885d04-1ceb-11c9-9fe8-08002b104860", [2, 0]),
        "ndr64": ("71710533-beba-4937-8319-b5dbef9ccc36", [1, 0]),
        "mgmt": ("afa8bd80-7d8a-11c9-bef4-08002b102989", [1, 0]),
        "epmapper": ("e1af8308-5d1f-11c9-91a4-08002b14a0fa", [3, 0]),
        "unknown": ("01234567-89ab-cdef-0123-456789abcdef", [1, 0]),
    ]
    private static let rejections: [String: UInt32] = ["not_specified": 0, "abstract": 1, "transfer": 2, "limit": 3]
    static let providers: [String: UInt8] = ["none": 0, "krb5": 16, "spnego": 9, "ntlm": 10, "schannel": 68]

    // MARK: Numbers and octets

    static func number(_ text: some StringProtocol) throws -> UInt64 {
        let value = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
        guard let value else { throw Disagreement("no number: \(text)") }
        return value
    }

    /// `.`-joined parts of hexadecimal digits, each perhaps repeated; nil stands for an octet that may be anything.
    static func pattern(_ text: some StringProtocol) throws -> [UInt8?] {
        var result: [UInt8?] = []
        for part in text.split(separator: ".") {
            let factors = part.split(separator: "*")
            let digits = Array(factors[0])
            let octets = try stride(from: 0, to: digits.count, by: 2).map { index -> UInt8? in
                let pair = String(digits[index..<index + 2])
                if pair == "??" { return nil }
                guard let octet = UInt8(pair, radix: 16) else { throw Disagreement("no octet: \(pair)") }
                return octet
            }
            let count = factors.count > 1 ? Int(try number(factors[1])) : 1
            for _ in 0..<count { result += octets }
        }
        return result
    }

    static func octets(_ text: some StringProtocol) throws -> [UInt8] { try pattern(text).compactMap { $0 } }

    func pack(_ value: UInt64, _ size: Int, isBig: Bool? = nil) -> [UInt8] {
        let octets = (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
        return isBig ?? self.isBig ? octets.reversed() : octets
    }

    func int(_ name: String, _ standard: Int = 0) throws -> UInt64 {
        try step.value(name).map { try Self.number($0) } ?? UInt64(standard)
    }

    private func identifier(_ text: String, isBig: Bool) throws -> [UInt8] {
        let fields = text.split(separator: "-")
        let parts = try fields.prefix(3).map { field in
            let octets = try Self.octets(field)
            return isBig ? octets : octets.reversed()
        }
        return try parts.flatMap { $0 } + fields.dropFirst(3).flatMap { try Self.octets($0) }
    }

    private func syntax(_ name: some StringProtocol, isBig: Bool) throws -> [UInt8] {
        let parts = name.split(separator: "@")
        var octets: [UInt8]
        var version: [UInt32]
        if parts[0].hasPrefix("features:") {
            // Octets in either order of numbers: a prefix of numbers, and a mask of octets ([MS-RPCE] 2.2.2.14).
            octets = try identifier("6cb71c2c-9812-4540-0000-000000000000", isBig: isBig)
            octets.replaceSubrange(8..., with: pack(try Self.number(parts[0].dropFirst(9)), 8, isBig: false))
            version = [1, 0]
        } else {
            guard let known = Self.syntaxes[String(parts[0])] else { throw Disagreement("no syntax: \(name)") }
            octets = try identifier(known.0, isBig: isBig)
            version = known.1
        }
        if parts.count > 1 { version = try parts[1].split(separator: ".").map { UInt32(try Self.number($0)) } }
        return octets + pack(UInt64(version[1] << 16 | version[0]), 4, isBig: isBig)
    }

    // MARK: To send

    func header(length: Int, authLength: Int) throws -> [UInt8] {
        let drep: [UInt8] =
            switch step.value("drep") ?? "little" {
            case "little": [0x10, 0, 0, 0]
            case "big": [0, 0, 0, 0]
            case let text: try Self.octets(text)
            }
        let version = try (step.value("version") ?? "5.0").split(separator: ".").map { UInt8(try Self.number($0)) }
        let type = kind == "pdu" ? UInt8(try int("type")) : Self.types[kind] ?? 0
        return try version + [type, flags()] + drep + pack(int("length", length), 2)
            + pack(int("auth_length", authLength), 2) + pack(int("call", 1), 4)
    }

    private func flags() throws -> UInt8 {
        let text = step.value("flags") ?? (step.words.contains("did_not_execute") ? "first+last+did_not_execute" : "")
        var flags: UInt8 = 0
        if text.isEmpty {
            flags = 3
        } else if text.first?.isNumber == true {
            flags = UInt8(try Self.number(text))
        } else {
            for name in text.split(separator: "+") { flags |= Self.flags[String(name)] ?? 0 }
        }
        return step.value("object") == nil ? flags : flags | 0x80
    }

    /// What follows the header, before any authentication.
    func body() throws -> [UInt8] {
        switch kind {
        case "bind", "alter_context":
            let group = step.value("group") ?? "0"
            let number = group.hasPrefix("$") ? UInt64(variables[group] ?? 0) : try Self.number(group)
            let offers = step.words.filter { $0.contains("(") }
            var body = try pack(int("xmit", 5840), 2) + pack(int("recv", 5840), 2) + pack(number, 4)
            body += [UInt8(try int("count", offers.count)), 0, 0, 0]
            for offer in offers { body += try self.offer(offer) }
            return body
        case "request":
            let stub = try Self.octets(step.value("stub") ?? "")
            let fields = try pack(int("hint", stub.count), 4) + pack(int("context"), 2) + pack(int("opnum", 2), 2)
            return try fields + (step.value("object").map { try identifier($0, isBig: isBig) } ?? []) + stub
        case "auth3":
            return try Self.octets(step.value("pad") ?? "00000000")
        default:
            return try Self.octets(step.value("body") ?? "")
        }
    }

    /// `0:mgmt(ndr,ndr64)`
    private func offer(_ text: String) throws -> [UInt8] {
        let parts = text.dropLast().split(separator: "(", omittingEmptySubsequences: false)
        let name = parts[0].split(separator: ":")
        let syntaxes = parts[1].split(separator: ",")
        return try pack(Self.number(name[0]), 2) + [UInt8(syntaxes.count), 0] + syntax(name[1], isBig: isBig)
            + syntaxes.flatMap { try syntax($0, isBig: isBig) }
    }

    // MARK: To receive

    /// The pattern of an answer, without its authentication; the lengths in its header are compared by their effect.
    func expected(address: String) throws -> [UInt8?] {
        var body: [UInt8?] = []
        let any: UInt8? = nil
        switch kind {
        case "bind_ack", "alter_context_resp":
            let fragment = try pack(int("fragment", 5840), 2)
            body += fragment + fragment
            if let group = step.value("group").flatMap({ variables[$0] }) {
                body += pack(UInt64(group), 4)
            } else {
                body += [any, any, any, any]
            }
            let address = kind == "bind_ack" ? Array(address.utf8) + [0] : []
            body += pack(UInt64(address.count), 2) + address
            while body.count % 4 != 0 { body.append(any) }
            let results = step.words.filter { $0.contains("(") }
            body += [UInt8(results.count), any, any, any]
            for result in results { body += try self.result(result) }
        case "bind_nak":
            guard let reason = Self.reasons[step.value("reason") ?? ""] else { throw Disagreement("no reason") }
            body = pack(UInt64(reason), 2) + [1, 5, 0, any, any, any]
        case "fault":
            let status = try Self.statuses[step.value("status") ?? ""].map(UInt64.init) ?? int("status")
            // alloc_hint: [MS-RPCE] 2.2.2.8 gives it a meaning only together with extended error information.
            body = try [any, any, any, any] + pack(int("context"), 2) + [0, 0] + pack(status, 4) + [0, 0, 0, 0]
        case "response":
            let stub = try Self.pattern(step.value("stub") ?? "")
            body = try pack(int("hint", stub.count), 4) + pack(int("context"), 2) + [UInt8(int("cancels")), 0] + stub
        default:
            break
        }
        return try header(length: 0, authLength: 0) + body
    }

    private func result(_ text: String) throws -> [UInt8] {
        let parts = text.dropLast().split(separator: "(")
        let none = [UInt8](repeating: 0, count: 20)
        switch parts[0] {
        case "accepted": return try [0, 0, 0, 0] + syntax(parts[1], isBig: false)
        case "rejected":
            return pack(2, 2) + pack(UInt64(Self.rejections[String(parts[1])] ?? 0), 2) + none
        default: return try pack(3, 2) + pack(Self.number(parts[1]), 2) + none
        }
    }

    /// Where octets depart from a pattern, or nil.
    static func difference(_ expected: [UInt8?], _ received: [UInt8]) -> String? {
        for (index, octet) in expected.enumerated() where !(8..<12).contains(index) {
            guard index < received.count else { return "octet \(index) is missing" }
            if let octet, received[index] != octet { return "octet \(index) is \(received[index]), not \(octet)" }
        }
        return received.count > expected.count ? "\(received.count - expected.count) octets too many" : nil
    }
}
