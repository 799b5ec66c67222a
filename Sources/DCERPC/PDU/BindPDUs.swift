import NDR

/// One element of a bind's list: an interface that the client wants, and the transfer syntaxes it can speak
/// (p_cont_elem_t, [C706] 12.6.3.1).
public struct PresentationContextOffer: Sendable, Hashable {
    /// The identifier that the client gives to the context.
    public let id: UInt16
    /// The interface.
    public let abstractSyntax: SyntaxIdentifier
    /// The transfer syntaxes.
    public let transferSyntaxes: [SyntaxIdentifier]

    /// Makes an offer.
    public init(id: UInt16, abstractSyntax: SyntaxIdentifier, transferSyntaxes: [SyntaxIdentifier]) {
        self.id = id
        self.abstractSyntax = abstractSyntax
        self.transferSyntaxes = transferSyntaxes
    }
}

/// The server's answer to one offer (p_result_t, [C706] 12.6.3.1; negotiate_ack: [MS-RPCE] 2.2.2.4).
public enum PresentationResult: Sendable, Hashable {
    /// Accepted, with the transfer syntax to use.
    case accepted(SyntaxIdentifier)
    /// Refused by the server's user; the reason is the provider's.
    case userRejected(reason: UInt16)
    /// Refused by the server.
    case rejected(Reason)
    /// The offer was no offer but a list of features; these are the ones that both sides have.
    case features(BindTimeFeatures)

    /// Why an offer is refused (p_provider_reason_t).
    public enum Reason: UInt16, Sendable, Hashable {
        /// For no reason that has a number.
        case notSpecified = 0
        /// The server does not have the interface.
        case abstractSyntaxNotSupported = 1
        /// The server has the interface, but speaks none of the transfer syntaxes.
        case transferSyntaxesNotSupported = 2
        /// The server has no room for another context.
        case localLimitExceeded = 3
    }
}

/// The features of bind time feature negotiation ([MS-RPCE] 2.2.2.14 and 3.3.1.5.3).
public struct BindTimeFeatures: OptionSet, Sendable, Hashable {
    /// The low octets of the bit mask.
    public let rawValue: UInt16

    /// Wraps a bit mask.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Several security contexts on one connection.
    public static let securityContextMultiplexing = BindTimeFeatures(rawValue: 0x01)
    /// The connection outlives an orphaned call.
    public static let keepConnectionOnOrphan = BindTimeFeatures(rawValue: 0x02)
    /// All that this implementation has.
    public static let supported: BindTimeFeatures = [.securityContextMultiplexing, .keepConnectionOnOrphan]

    private static let prefix: (UInt32, UInt16, UInt16) = (0x6CB7_1C2C, 0x9812, 0x4540)

    /// The features in what looks like a transfer syntax, or nil if it is a transfer syntax.
    public init?(_ syntax: SyntaxIdentifier) {
        guard (syntax.uuid.data1, syntax.uuid.data2, syntax.uuid.data3) == Self.prefix,
            syntax.major == 1, syntax.minor == 0
        else { return nil }
        // The bit mask's first octet is the first of the UUID's last eight.
        let octets = syntax.uuid.data4
        rawValue = UInt16(truncatingIfNeeded: octets >> 56) | UInt16(truncatingIfNeeded: octets >> 48) << 8
    }

    /// The transfer syntax that offers these features.
    public var syntax: SyntaxIdentifier {
        let octets = UInt64(rawValue & 0xFF) << 56 | UInt64(rawValue >> 8) << 48
        return SyntaxIdentifier(
            uuid: GUID(data1: Self.prefix.0, data2: Self.prefix.1, data3: Self.prefix.2, data4: octets), major: 1)
    }
}

/// A bind or an alter_context, which have the same fields ([C706] 12.6.4.3 and 12.6.4.1).
public struct BindPDU: Sendable, Hashable {
    /// The largest fragment that the sender will transmit.
    public var maximumTransmit: UInt16
    /// The largest fragment that the sender can receive.
    public var maximumReceive: UInt16
    /// The association group to join; zero for a new one.
    public var associationGroup: UInt32
    /// The presentation contexts.
    public var offers: [PresentationContextOffer]
    /// The first leg of an authentication, or a following one.
    public var token: AuthenticationToken?

    /// Makes one.
    public init(
        maximumTransmit: UInt16, maximumReceive: UInt16, associationGroup: UInt32 = 0,
        offers: [PresentationContextOffer], token: AuthenticationToken? = nil
    ) {
        self.maximumTransmit = maximumTransmit
        self.maximumReceive = maximumReceive
        self.associationGroup = associationGroup
        self.offers = offers
        self.token = token
    }

    /// Where the padding before a bind's security trailer may begin at the earliest: [MS-RPCE] names no place; Windows
    /// counts from the size of a request's header.
    static let bodyOffset = 24

    /// Reads one.
    public init(_ header: PDUHeader, of pdu: [UInt8]) throws(PDUError) {
        token = try AuthenticationToken(header, of: pdu, bodyOffset: Self.bodyOffset)
        var reader = PDUReader(
            pdu, from: PDUHeader.size, to: header.trailerOffset, representation: header.representation)
        maximumTransmit = try reader.read()
        maximumReceive = try reader.read()
        associationGroup = try reader.read()
        let count = Int(try reader.read(UInt8.self))
        offers = []
        // The reserved octets only align what follows: with an empty list, Samba's clients leave them out.
        guard count > 0 else { return }
        _ = try reader.read(octets: 3)
        offers.reserveCapacity(min(count, reader.remaining / 24))
        for _ in 0..<count {
            let id = try reader.read(UInt16.self)
            let syntaxCount = Int(try reader.read(UInt8.self))
            _ = try reader.read(UInt8.self)
            let abstract = try reader.readSyntax()
            var syntaxes: [SyntaxIdentifier] = []
            for _ in 0..<syntaxCount { syntaxes.append(try reader.readSyntax()) }
            offers.append(PresentationContextOffer(id: id, abstractSyntax: abstract, transferSyntaxes: syntaxes))
        }
    }

    /// Writes one of `type`, which is ``PDUType/bind`` or ``PDUType/alterContext``.
    public func encoded(as type: PDUType, flags: PDUFlags, callID: UInt32) -> [UInt8] {
        var writer = PDUWriter(type, flags: flags, callID: callID, capacity: 256)
        writer.write(maximumTransmit)
        writer.write(maximumReceive)
        writer.write(associationGroup)
        writer.write(UInt8(truncatingIfNeeded: offers.count))
        writer.write(octets: [0, 0, 0])
        for offer in offers {
            writer.write(offer.id)
            writer.write(UInt8(truncatingIfNeeded: offer.transferSyntaxes.count))
            writer.write(UInt8(0))
            writer.write(offer.abstractSyntax)
            for syntax in offer.transferSyntaxes { writer.write(syntax) }
        }
        return writer.finish(token)
    }
}

/// A bind_ack or an alter_context_resp ([C706] 12.6.4.4 and 12.6.4.2).
public struct BindAckPDU: Sendable, Hashable {
    /// The largest fragment that the server will transmit.
    public var maximumTransmit: UInt16
    /// The largest fragment that the server can receive.
    public var maximumReceive: UInt16
    /// The association group.
    public var associationGroup: UInt32
    /// The server's endpoint (a port number) in a bind_ack; empty in an alter_context_resp.
    public var secondaryAddress: String
    /// One answer for each offer, in their order.
    public var results: [PresentationResult]
    /// The next leg of an authentication.
    public var token: AuthenticationToken?

    /// Makes one.
    public init(
        maximumTransmit: UInt16, maximumReceive: UInt16, associationGroup: UInt32, secondaryAddress: String,
        results: [PresentationResult], token: AuthenticationToken? = nil
    ) {
        self.maximumTransmit = maximumTransmit
        self.maximumReceive = maximumReceive
        self.associationGroup = associationGroup
        self.secondaryAddress = secondaryAddress
        self.results = results
        self.token = token
    }

    /// Reads one.
    public init(_ header: PDUHeader, of pdu: [UInt8]) throws(PDUError) {
        token = try AuthenticationToken(header, of: pdu, bodyOffset: BindPDU.bodyOffset)
        var reader = PDUReader(
            pdu, from: PDUHeader.size, to: header.trailerOffset, representation: header.representation)
        maximumTransmit = try reader.read()
        maximumReceive = try reader.read()
        associationGroup = try reader.read()
        let addressLength = Int(try reader.read(UInt16.self))
        let address = try reader.read(octets: addressLength)
        secondaryAddress = String(decoding: address.prefix { $0 != 0 }, as: UTF8.self)
        try reader.align(4)
        let count = Int(try reader.read(UInt8.self))
        _ = try reader.read(octets: 3)
        results = []
        for _ in 0..<count { results.append(try reader.readResult()) }
    }

    /// Writes one of `type`, which is ``PDUType/bindAck`` or ``PDUType/alterContextResponse``.
    public func encoded(as type: PDUType, flags: PDUFlags, callID: UInt32) -> [UInt8] {
        var writer = PDUWriter(type, flags: flags, callID: callID, capacity: 128 + (token?.value.count ?? 0))
        writer.write(maximumTransmit)
        writer.write(maximumReceive)
        writer.write(associationGroup)
        if secondaryAddress.isEmpty {
            writer.write(UInt16(0))
        } else {
            writer.write(UInt16(truncatingIfNeeded: secondaryAddress.utf8.count + 1))
            writer.write(octets: secondaryAddress.utf8)
            writer.write(UInt8(0))
        }
        writer.align(4)
        writer.write(UInt8(truncatingIfNeeded: results.count))
        writer.write(octets: [0, 0, 0])
        for result in results { writer.write(result) }
        return writer.finish(token)
    }
}

extension PDUReader {
    mutating func readResult() throws(PDUError) -> PresentationResult {
        let result = try read(UInt16.self)
        let reason = try read(UInt16.self)
        let syntax = try readSyntax()
        switch result {
        case 0: return .accepted(syntax)
        case 1: return .userRejected(reason: reason)
        case 2: return .rejected(PresentationResult.Reason(rawValue: reason) ?? .notSpecified)
        case 3: return .features(BindTimeFeatures(rawValue: reason))
        default: throw .malformed("p_cont_def_result_t")
        }
    }
}

extension PDUWriter {
    static let noSyntax = SyntaxIdentifier(uuid: .zero, major: 0)

    mutating func write(_ result: PresentationResult) {
        let (code, reason, syntax): (UInt16, UInt16, SyntaxIdentifier) =
            switch result {
            case .accepted(let syntax): (0, 0, syntax)
            case .userRejected(let reason): (1, reason, Self.noSyntax)
            case .rejected(let reason): (2, reason.rawValue, Self.noSyntax)
            case .features(let features): (3, features.rawValue, Self.noSyntax)
            }
        write(code)
        write(reason)
        write(syntax)
    }
}

/// A bind_nak ([C706] 12.6.4.5, [MS-RPCE] 2.2.2.9).
public struct BindNakPDU: Sendable, Hashable {
    /// Why a bind is refused ([C706] 12.6.3.1, [MS-RPCE] 2.2.2.5).
    public struct Reason: RawRepresentable, Sendable, Hashable {
        /// The number on the wire.
        public let rawValue: UInt16

        /// Wraps a number.
        public init(rawValue: UInt16) {
            self.rawValue = rawValue
        }

        /// For no reason that has a number.
        public static let notSpecified = Reason(rawValue: 0)
        /// The server is busy.
        public static let temporaryCongestion = Reason(rawValue: 1)
        /// The server has no room for it.
        public static let localLimitExceeded = Reason(rawValue: 2)
        /// The protocol version, or anything else in the PDU, is wrong.
        public static let protocolVersionNotSupported = Reason(rawValue: 4)
        /// The server does not have the security provider.
        public static let authenticationTypeNotRecognized = Reason(rawValue: 8)
        /// The security provider refused the token.
        public static let invalidChecksum = Reason(rawValue: 9)
    }

    /// Why.
    public let reason: Reason

    /// Makes one.
    public init(reason: Reason) {
        self.reason = reason
    }

    /// Reads one; the versions, and extended error information, are ignored.
    public init(_ header: PDUHeader, of pdu: [UInt8]) throws(PDUError) {
        var reader = PDUReader(
            pdu, from: PDUHeader.size, to: header.fragmentLength, representation: header.representation)
        reason = Reason(rawValue: try reader.read())
    }

    /// Writes one, with version 5.0 as the only one supported.
    public func encoded(callID: UInt32) -> [UInt8] {
        var writer = PDUWriter(.bindNak, flags: .whole, callID: callID, capacity: 24)
        writer.write(reason.rawValue)
        writer.write(octets: [1, PDUHeader.majorVersion, 0])
        writer.align(4)
        return writer.finish()
    }
}

/// An auth3, which carries nothing but a token ([MS-RPCE] 2.2.2.10).
public struct Auth3PDU: Sendable, Hashable {
    /// The last leg.
    public var token: AuthenticationToken

    /// Makes one.
    public init(token: AuthenticationToken) {
        self.token = token
    }

    /// Reads one.
    public init(_ header: PDUHeader, of pdu: [UInt8]) throws(PDUError) {
        // The four octets after the header are there in every implementation, and ignored in all.
        guard let token = try AuthenticationToken(header, of: pdu, bodyOffset: PDUHeader.size + 4) else {
            throw .malformed("auth_length")
        }
        self.token = token
    }

    /// Writes one.
    public func encoded(callID: UInt32) -> [UInt8] {
        var writer = PDUWriter(.auth3, flags: .whole, callID: callID, capacity: 32 + token.value.count)
        writer.write(UInt32(0))
        return writer.finish(token)
    }
}
