import DCERPC
import NDR
import Security

/// A moment of a capture: nanoseconds since 1970-01-01 00:00 UTC, as the capturing host's clock had them.
public struct CaptureTime: Sendable, Hashable, Comparable {
    /// The nanoseconds.
    public let nanoseconds: Int64

    /// Wraps a number of nanoseconds.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Earlier is less.
    public static func < (lhs: CaptureTime, rhs: CaptureTime) -> Bool {
        lhs.nanoseconds < rhs.nanoseconds
    }

    /// What passed from an earlier moment to this one.
    public func since(_ earlier: CaptureTime) -> Duration {
        .nanoseconds(nanoseconds.subtractingReportingOverflow(earlier.nanoseconds).partialValue)
    }
}

/// One end of a TCP connection.
public struct CapturedEndpoint: Sendable, Hashable, CustomStringConvertible {
    /// The IPv4 or IPv6 address in its usual words.
    public let address: String
    /// The port.
    public let port: UInt16

    /// Names an end.
    public init(address: String, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `192.0.2.1:135` or `[2001:db8::1]:135`.
    public var description: String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}

/// A connection of DCE/RPC, as far as the capture has it: who spoke to whom, and what was agreed on, in its order.
public struct CapturedAssociation: Sendable, Identifiable {
    /// Its number, counted from 1 in the order in which the connections' first octets were captured.
    public internal(set) var id: Int
    /// The end that binds and calls.
    public let client: CapturedEndpoint
    /// The end that answers.
    public let server: CapturedEndpoint
    /// When its first octets were captured.
    public let began: CaptureTime
    /// When its last octets were captured.
    public internal(set) var ended: CaptureTime
    /// When one end hung up, or nil if the capture does not have that.
    public internal(set) var closed: CaptureTime?
    /// Whether the capture has its beginning. If not, presentation and security contexts from before are unknown.
    public internal(set) var hasBeginning = true
    /// The binds and alter_contexts, in their order.
    public internal(set) var negotiations: [CapturedNegotiation] = []
    /// The authentications, in their order.
    public internal(set) var authentications: [CapturedAuthentication] = []
    /// The association group that the server assigned ([C706] 12.6.3.1); zero if unknown.
    public internal(set) var group: UInt32 = 0
}

/// One bind or alter_context with its answer.
public struct CapturedNegotiation: Sendable {
    /// How it ended.
    public enum Answer: Sendable, Hashable {
        /// One result for each offer, in their order.
        case accepted([PresentationResult])
        /// A bind_nak, with its reason.
        case refused(BindNakPDU.Reason)
        /// A fault, as alter_context may be answered.
        case fault(RPCFault)
        /// The capture has no answer.
        case missing
    }

    /// Whether it is an alter_context; a bind otherwise.
    public let isAlteration: Bool
    /// The PDU's call identifier.
    public let callID: UInt32
    /// What the client offers.
    public let offers: [PresentationContextOffer]
    /// The security context that a leg of its authentication came with, if there was one.
    public let authenticationContext: UInt32?
    /// When it was sent.
    public let sent: CaptureTime
    /// The answer.
    public internal(set) var answer: Answer = .missing
    /// Its position among the association's events: calls' ``CapturedCall/position`` count on with the same numbers.
    public let position: Int
}

/// One security context of an association.
public struct CapturedAuthentication: Sendable {
    /// Who the client says it is: `DOMAIN\user` for NTLM, `user@REALM` for Kerberos.
    public internal(set) var client: String?
    /// The identifier that the client chose ([MS-RPCE] 2.2.2.11).
    public let contextID: UInt32
    /// The provider of its trailers.
    public let provider: AuthenticationType
    /// The mechanism, which SPNEGO may have chosen.
    public internal(set) var mechanism: AuthenticationType
    /// The level's octet as the client asked for it.
    public let level: UInt8
    /// Whether its messages can be opened, and if not, why.
    public internal(set) var access: Access

    /// Whether messages can be opened.
    public enum Access: Sendable, Hashable {
        /// The keys are known.
        case open
        /// They are not; the reason is for people.
        case closed(String)
    }
}
