import DCERPC
import NDR
import Security

/// One remote procedure call of a capture: its request beside its response.
public struct CapturedCall: Sendable, Identifiable {
    /// Its number, counted from 1 in the order in which the requests (or lonely responses) were captured, over all associations.
    public internal(set) var id: Int
    /// The association's ``CapturedAssociation/id``.
    public internal(set) var association: Int
    /// Its position among its association's negotiations and calls, in the order in which the client sent them.
    public let position: Int
    /// The call identifier, which tells calls in flight on one association apart.
    public let callID: UInt32
    /// The presentation context.
    public let presentationContext: UInt16
    /// The interface that the context stands for, or nil if its negotiation is not in the capture.
    public internal(set) var interface: SyntaxIdentifier?
    /// The transfer syntax that was agreed on, or nil if its negotiation is not in the capture.
    public internal(set) var transferSyntax: SyntaxIdentifier?
    /// The operation's number, or nil if the request is not in the capture.
    public internal(set) var opnum: UInt16?
    /// The object UUID: for DCOM, the IPID.
    public internal(set) var object: GUID?
    /// What protects the call; nil for none.
    public internal(set) var protection: Protection?
    /// The flags of the request's first fragment.
    public internal(set) var flags: PDUFlags = []
    /// The request, or nil if the capture does not have it.
    public internal(set) var request: CapturedMessage?
    /// What came of it.
    public internal(set) var outcome: Outcome = .missing
    /// When the client sent a co_cancel ([C706] 12.6.4.6).
    public internal(set) var cancelled: CaptureTime?
    /// When the client gave the call up by an orphaned PDU ([C706] 12.6.4.8).
    public internal(set) var orphaned: CaptureTime?

    /// The security context of a call, and its level.
    public struct Protection: Sendable, Hashable {
        /// The security context's identifier: the ``CapturedAuthentication/contextID`` of its association.
        public let contextID: UInt32
        /// The provider of its trailers.
        public let provider: AuthenticationType
        /// The level's octet.
        public let level: UInt8
    }

    /// What came of a call.
    public enum Outcome: Sendable, Hashable {
        /// A response.
        case response(CapturedMessage)
        /// A fault.
        case fault(RPCFault, didNotExecute: Bool, at: CaptureTime)
        /// The client wanted none (`maybe`).
        case none
        /// The capture has none.
        case missing
    }

    /// The response, if there is one.
    public var response: CapturedMessage? {
        guard case .response(let message) = outcome else { return nil }
        return message
    }

    /// From the request's last fragment to the answer's last; nil if the capture lacks one of them.
    public var duration: Duration? {
        guard let request else { return nil }
        switch outcome {
        case .response(let message): return message.ended.since(request.ended)
        case .fault(_, _, let time): return time.since(request.ended)
        case .none, .missing: return nil
        }
    }
}

/// A request or a response, put together from its fragments.
public struct CapturedMessage: Sendable, Hashable {
    /// The stub.
    public internal(set) var stub: CapturedStub
    /// A request's verification trailer behind the stub, from its signature on ([MS-RPCE] 2.2.2.13); it is no part of ``stub``.
    public internal(set) var verificationTrailer: [UInt8] = []
    /// How its numbers are laid out.
    public let representation: DataRepresentation
    /// The fragments it came in.
    public internal(set) var fragments: Int
    /// The octets of stub on the wire, in all fragments, without padding: of a sealed stub that nobody could open, too.
    public internal(set) var stubLength: Int
    /// The `alloc_hint` of its first fragment.
    public let allocationHint: UInt32
    /// When its first fragment was captured.
    public let began: CaptureTime
    /// When its last fragment was captured.
    public internal(set) var ended: CaptureTime
    /// Whether its last fragment is there.
    public internal(set) var isComplete: Bool

    /// Whether integers are big endian.
    public var isBigEndian: Bool { representation.byteOrder == .bigEndian }
}

/// A stub, if it can be read.
public enum CapturedStub: Sendable, Hashable {
    /// The octets, which were not sealed or have been unsealed.
    case plain([UInt8])
    /// It cannot be read; the reason is for people.
    case unreadable(String)

    /// The octets, if they can be read.
    public var octets: [UInt8]? {
        guard case .plain(let octets) = self else { return nil }
        return octets
    }
}

/// All that was understood of a capture.
public struct CapturedTraffic: Sendable {
    /// The associations, in the order of their beginnings.
    public internal(set) var associations: [CapturedAssociation] = []
    /// The calls, in the order of their requests.
    public internal(set) var calls: [CapturedCall] = []
    /// What could not be read, or is out of the ordinary, in the order in which it was found.
    public internal(set) var remarks: [CaptureRemark] = []
    /// What the file holds, in numbers.
    public internal(set) var counts = CaptureCounts()

    /// Nothing yet.
    public init() {}

    /// Whether there are security contexts, and none of them could be opened.
    public var needsOtherSecrets: Bool {
        let all = associations.flatMap(\.authentications)
        return !all.isEmpty && all.allSatisfy { $0.access != .open }
    }
}

/// Something that a reader of a capture should know.
public struct CaptureRemark: Sendable, Hashable, CustomStringConvertible {
    /// The association that it is about, if it is about one.
    public internal(set) var association: Int?
    /// When it was captured, if it has a time.
    public let time: CaptureTime?
    /// One sentence for people.
    public let text: String

    /// The sentence.
    public var description: String { text }
}

/// What a capture holds, in numbers.
public struct CaptureCounts: Sendable, Hashable {
    /// All packets.
    public internal(set) var packets = 0
    /// Packets that are not TCP over IP.
    public internal(set) var otherPackets = 0
    /// Fragments of IP packets, which are not put together again.
    public internal(set) var fragments = 0
    /// TCP connections.
    public internal(set) var connections = 0
    /// TCP connections that are not DCE/RPC.
    public internal(set) var foreignConnections = 0
    /// Segments that had come before, wholly or in part.
    public internal(set) var retransmissions = 0
    /// Segments that came before others that belong in front of them.
    public internal(set) var outOfOrder = 0
    /// Octets of DCE/RPC's connections that the capture does not have.
    public internal(set) var lostOctets = 0
}
