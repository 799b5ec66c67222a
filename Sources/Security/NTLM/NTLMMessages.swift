/// NEGOTIATE_MESSAGE, the client's offer ([MS-NLMP] 2.2.1.1).
struct NTLMNegotiate: Sendable, Equatable {
    var flags: NTLMFlags

    /// The longest that is read. The message has two names, which no client fills with more than 255 octets each; an acceptor
    /// keeps it until the exchange is over, and a stranger decides when that is.
    static let maximumLength = 2048

    init(flags: NTLMFlags) {
        self.flags = flags
    }

    /// Reads the offer. Of the message only the flags matter: the names in it are hints, but they have to be in bounds.
    init(_ token: [UInt8]) throws(SecurityError) {
        guard token.count <= Self.maximumLength else {
            throw .malformedToken("NEGOTIATE_MESSAGE: \(token.count) octets, more than \(Self.maximumLength)")
        }
        // Old clients stop after the flags.
        let reader = try NTLMReader(token, type: 1, message: "NEGOTIATE_MESSAGE", minimumLength: 16)
        flags = NTLMFlags(rawValue: try reader.integer(at: 12))
        if flags.contains(.domainSupplied) { _ = try reader.payload(at: 16, "DomainName") }
        if flags.contains(.workstationSupplied) { _ = try reader.payload(at: 24, "WorkstationName") }
    }

    var encoded: [UInt8] {
        var writer = NTLMWriter(type: 1, fixedLength: 40)
        writer.append(flags.rawValue)
        writer.append(payload: [])
        writer.append(payload: [])
        writer.append(flags.contains(.version) ? NTLMMessage.version : [UInt8](repeating: 0, count: 8))
        return writer.message
    }
}

/// CHALLENGE_MESSAGE, the server's choice and its nonce ([MS-NLMP] 2.2.1.2).
struct NTLMChallenge: Sendable, Equatable {
    var flags: NTLMFlags
    /// Eight octets.
    var serverChallenge: [UInt8]
    var targetName: NTLMName
    var targetInfo: AVPairs

    init(flags: NTLMFlags, serverChallenge: [UInt8], targetName: NTLMName, targetInfo: AVPairs) {
        self.flags = flags
        self.serverChallenge = serverChallenge
        self.targetName = targetName
        self.targetInfo = targetInfo
    }

    init(_ token: [UInt8]) throws(SecurityError) {
        let reader = try NTLMReader(token, type: 2, message: "CHALLENGE_MESSAGE", minimumLength: 48)
        flags = NTLMFlags(rawValue: try reader.integer(at: 20))
        serverChallenge = Array(token[24..<32])
        targetName = try NTLMName(octets: reader.payload(at: 12, "TargetName"), of: "TargetName")
        targetInfo = flags.contains(.targetInfo) ? try AVPairs(reader.payload(at: 40, "TargetInfo")) : AVPairs()
    }

    var encoded: [UInt8] {
        var writer = NTLMWriter(type: 2, fixedLength: 56)
        writer.append(payload: targetName.octets)
        writer.append(flags.rawValue)
        writer.append(serverChallenge)
        writer.append([UInt8](repeating: 0, count: 8))
        writer.append(payload: targetInfo.encoded)
        writer.append(flags.contains(.version) ? NTLMMessage.version : [UInt8](repeating: 0, count: 8))
        return writer.message
    }
}

/// AUTHENTICATE_MESSAGE, the client's proof ([MS-NLMP] 2.2.1.3).
struct NTLMAuthenticate: Sendable, Equatable {
    /// The octets of a name: a user's principal name has 1024 characters at most, all others fewer. What is made of a name costs
    /// time and memory before anybody has proved anything.
    static let maximumNameLength = 2048

    var flags: NTLMFlags
    var lmResponse: [UInt8]
    var ntResponse: [UInt8]
    var domain: NTLMName
    var user: NTLMName
    var workstation: NTLMName
    var encryptedSessionKey: [UInt8]
    /// The MIC's place, or nil if the message was laid out without one: its payload starts before the place ends. Whether
    /// the octets in it mean anything is for the flags in the client's AV pairs to say.
    var integrityCode: [UInt8]?

    init(
        flags: NTLMFlags, lmResponse: [UInt8], ntResponse: [UInt8], domain: NTLMName, user: NTLMName,
        workstation: NTLMName, encryptedSessionKey: [UInt8], integrityCode: [UInt8]?
    ) {
        self.flags = flags
        self.lmResponse = lmResponse
        self.ntResponse = ntResponse
        self.domain = domain
        self.user = user
        self.workstation = workstation
        self.encryptedSessionKey = encryptedSessionKey
        self.integrityCode = integrityCode
    }

    init(_ token: [UInt8]) throws(SecurityError) {
        let reader = try NTLMReader(token, type: 3, message: "AUTHENTICATE_MESSAGE", minimumLength: 64)
        flags = NTLMFlags(rawValue: try reader.integer(at: 60))
        guard flags.contains(.unicode) else {
            throw .unacceptable("names in an OEM code page, flags \(flags)")
        }
        let lm = try reader.payload(at: 12, "LmChallengeResponse")
        let nt = try reader.payload(at: 20, "NtChallengeResponse")
        let domain = try reader.payload(at: 28, "DomainName")
        let user = try reader.payload(at: 36, "UserName")
        let workstation = try reader.payload(at: 44, "Workstation")
        for (name, what) in [(domain, "DomainName"), (user, "UserName"), (workstation, "Workstation")]
        where name.count > Self.maximumNameLength {
            throw .malformedToken("\(what): \(name.count) octets, more than \(Self.maximumNameLength)")
        }
        let key = try reader.payload(at: 52, "EncryptedRandomSessionKey")
        // A part over the fixed fields would make the MIC, or a name, part of itself.
        let starts = [lm, nt, domain, user, workstation, key].filter { !$0.isEmpty }.map(\.startIndex)
        let payloadStart = starts.min() ?? token.count
        guard payloadStart >= 64 else {
            throw .malformedToken("AUTHENTICATE_MESSAGE: the payload at \(payloadStart) is inside of the fixed part")
        }
        lmResponse = Array(lm)
        ntResponse = Array(nt)
        self.domain = try NTLMName(octets: domain, of: "DomainName")
        self.user = try NTLMName(octets: user, of: "UserName")
        self.workstation = try NTLMName(octets: workstation, of: "Workstation")
        encryptedSessionKey = Array(key)
        let place = NTLMMessage.integrityCodeRange
        integrityCode = payloadStart >= place.upperBound && token.count >= place.upperBound ? Array(token[place]) : nil
    }

    /// Whether the client asks to be nobody ([MS-NLMP] 3.2.5.1.2).
    var isAnonymous: Bool {
        flags.contains(.anonymous) || (user.isEmpty && ntResponse.count <= 1)
    }

    var encoded: [UInt8] {
        var writer = NTLMWriter(type: 3, fixedLength: integrityCode == nil ? 72 : 88)
        // The names come before the responses in the payload, as Windows has them.
        let parts = [domain.octets, user.octets, workstation.octets, lmResponse, ntResponse, encryptedSessionKey]
        var offset = integrityCode == nil ? 72 : 88
        var fields: [[UInt8]] = []
        for part in parts {
            var field: [UInt8] = []
            field.appendLittleEndian(UInt16(clamping: part.count))
            field.appendLittleEndian(UInt16(clamping: part.count))
            field.appendLittleEndian(UInt32(clamping: offset))
            fields.append(field)
            offset += part.count
        }
        for index in [3, 4, 0, 1, 2, 5] { writer.append(fields[index]) }
        writer.append(flags.rawValue)
        writer.append(flags.contains(.version) ? NTLMMessage.version : [UInt8](repeating: 0, count: 8))
        if let integrityCode { writer.append(integrityCode) }
        return writer.message + parts.joined()
    }
}

/// NTLMv2_RESPONSE: the proof, and the client's challenge that it covers ([MS-NLMP] 2.2.2.7 and 2.2.2.8).
struct NTLMv2Response: Sendable, Equatable {
    /// NTProofStr, 16 octets.
    var proof: [UInt8]
    /// All that follows the proof, as it came: `temp` in [MS-NLMP] 3.3.2.
    var blob: [UInt8]
    /// The time in the blob, a FILETIME.
    var timestamp: UInt64
    /// The client's attributes: the server's, repeated, and its own.
    var pairs: AVPairs

    init(proof: [UInt8], blob: [UInt8], timestamp: UInt64, pairs: AVPairs) {
        self.proof = proof
        self.blob = blob
        self.timestamp = timestamp
        self.pairs = pairs
    }

    /// Reads a response; what is too short for NTLMv2 is an NTLMv1 response or worse, which the caller has to tell apart before.
    init(_ response: [UInt8]) throws(SecurityError) {
        guard response.count >= 16 + 28 + 4 else {
            throw .malformedToken("NTLMv2_RESPONSE: \(response.count) octets are too few")
        }
        guard response[16] == 1, response[17] == 1 else {
            throw .malformedToken("NTLMv2_RESPONSE at 16: type \(response[16]), \(response[17]) instead of 1, 1")
        }
        proof = Array(response[..<16])
        blob = Array(response[16...])
        timestamp = Array(response[24..<32]).littleEndianValue
        pairs = try AVPairs(response[44...])
    }

    /// The service principal name that the client means to reach; nil if it says nothing about that.
    var targetName: String? {
        pairs[.targetName].map { octets in
            let units = stride(from: 0, to: octets.count - 1, by: 2).map {
                UInt16(octets[$0]) | UInt16(octets[$0 + 1]) << 8
            }
            return String(decoding: units, as: UTF16.self)
        }
    }
}
