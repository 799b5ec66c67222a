import DCERPC
import NDR
import Security

/// Follows one TCP connection: recognises DCE/RPC, and makes negotiations and calls of both sides' PDUs.
struct AssociationFollower {
    /// The most octets that are searched for a PDU on a connection whose beginning was not captured.
    static let searched = 1 << 18

    enum State {
        /// Nothing was recognised yet.
        case unknown
        /// It is DCE/RPC: this side calls, and the association has this place.
        case following(client: TCPConnection.Side, index: Int)
        /// It is something else.
        case foreign
    }

    let builder: TrafficBuilder
    var state = State.unknown
    private var streams: [PDUStream]
    private var searched = 0
    /// What was lost before anything was recognised.
    private var lostBefore: [(side: TCPConnection.Side, count: Int, time: CaptureTime)] = []
    private let first: CapturedEndpoint
    private let second: CapturedEndpoint

    // What is known of the association; see the extensions.
    var position = 0
    var contexts: [UInt16: (interface: SyntaxIdentifier, syntax: SyntaxIdentifier?)] = [:]
    var negotiations: [UInt32: (index: Int, asksHeaderSigning: Bool)] = [:]
    /// What was offered at last for each context, by binds (their places) without an answer so far.
    var offered: [UInt16: (negotiation: Int, offer: PresentationContextOffer)] = [:]
    var signsHeaders = false
    var exchanges: [UInt32: FollowedExchange] = [:]
    var calls: [UInt32: Int] = [:]
    var assemblies: [Assembly.Key: Assembly] = [:]
    /// Whether octets of the client, and of the server, were lost.
    var isLossy = (client: false, server: false)
    var said: Set<String> = []

    init(_ connection: TCPConnection, _ builder: TrafficBuilder) {
        self.builder = builder
        builder.traffic.counts.connections += 1
        first = connection.addresses.first.endpoint
        second = connection.addresses.second.endpoint
        let isMidStream = connection.opener == nil
        streams = [PDUStream(isLost: isMidStream), PDUStream(isLost: isMidStream)]
    }

    /// The association's identifier until everything is numbered: its place.
    var association: Int? {
        guard case .following(_, let index) = state else { return nil }
        return index
    }

    /// Takes what the connection hands out next.
    mutating func take(_ event: TCPConnection.Event, _ connection: TCPConnection) {
        if case .foreign = state { return }
        switch event {
        case .data(let side, let octets, let time):
            streams[side.rawValue].append(octets)
            read(side, octets.count, time, connection)
        case .lost(let side, let count, let time):
            streams[side.rawValue].lose(count)
            lose(side, count, time)
        }
    }

    private mutating func read(
        _ side: TCPConnection.Side, _ count: Int, _ time: CaptureTime, _ connection: TCPConnection
    ) {
        while true {
            switch streams[side.rawValue].next() {
            case .wait:
                if case .unknown = state {
                    searched += count
                    if searched > Self.searched { giveUp() }
                }
                return
            case .garbage(let error):
                guard case .following(let client, _) = state else { return giveUp() }
                breakOff(fromClient: side == client)
                remarkOnce("octets of the \(side == client ? "client" : "server") are no PDU: \(error)", time)
            case .pdu(let header, let pdu):
                let isClients = header.type.isClients
                if case .unknown = state {
                    begin(isClients ? side : side.other, time, connection)
                    tellLosses()
                }
                guard case .following(let client, let index) = state else { return }
                builder.traffic.associations[index].ended = time
                guard isClients == (side == client) else {
                    remarkOnce("a PDU of type \(header.type) comes from the wrong side", time)
                    continue
                }
                handle(header, pdu, time)
            }
        }
    }

    private mutating func begin(_ client: TCPConnection.Side, _ time: CaptureTime, _ connection: TCPConnection) {
        let index = builder.traffic.associations.count
        state = .following(client: client, index: index)
        var association = CapturedAssociation(
            id: index, client: client == .first ? first : second, server: client == .first ? second : first,
            began: time,
            ended: time)
        association.hasBeginning = connection.opener != nil
        builder.traffic.associations.append(association)
        if connection.opener == nil {
            remarkOnce(
                "the capture does not have the association's beginning: its interfaces and keys may be unknown", time)
        }
    }

    /// Says what was lost before anything was recognised.
    private mutating func tellLosses() {
        let losses = lostBefore
        lostBefore = []
        for loss in losses { lose(loss.side, loss.count, loss.time) }
    }

    private mutating func giveUp() {
        state = .foreign
        streams = [PDUStream(isLost: false), PDUStream(isLost: false)]
        builder.traffic.counts.foreignConnections += 1
    }

    private mutating func lose(_ side: TCPConnection.Side, _ count: Int, _ time: CaptureTime) {
        guard case .following(let client, _) = state else {
            lostBefore.append((side, count, time))
            return
        }
        builder.traffic.counts.lostOctets += count
        if side == client { isLossy.client = true } else { isLossy.server = true }
        breakOff(fromClient: side == client)
        builder.remark(
            "\(count) octets of the \(side == client ? "client" : "server") are not in the capture",
            association: association, time: time)
    }

    /// What a side had begun to send may have a hole here: no later fragment makes a whole of it.
    private mutating func breakOff(fromClient: Bool) {
        for key in assemblies.keys where key.isRequest == fromClient { store(key, isComplete: false) }
    }

    /// Nothing follows.
    func finish(_ connection: TCPConnection) {
        var copy = self
        copy.end(connection)
    }

    private mutating func end(_ connection: TCPConnection) {
        let statistics = connection.statistics
        guard case .following(let client, let index) = state else {
            if case .unknown = state { builder.traffic.counts.foreignConnections += 1 }
            return
        }
        builder.traffic.counts.retransmissions += statistics.retransmitted
        builder.traffic.counts.outOfOrder += statistics.outOfOrder
        for side in [TCPConnection.Side.first, .second] {
            let stream = streams[side.rawValue]
            guard stream.waiting > 0, !stream.isLost else { continue }
            let whole = stream.expected.map { " of \($0)" } ?? ""
            builder.remark(
                "the capture ends within a PDU of the \(side == client ? "client" : "server"): "
                    + "\(stream.waiting)\(whole) octets are there",
                association: index, time: connection.lastTime)
        }
        for key in assemblies.keys { store(key, isComplete: false) }
        closeExchanges(index)
        builder.traffic.associations[index].closed = connection.closed
    }

    /// Says something about the association, and never again.
    mutating func remarkOnce(_ text: String, _ time: CaptureTime) {
        guard said.count < 64, said.insert(text).inserted else { return }
        builder.remark(text, association: association, time: time)
    }
}

extension PDUType {
    /// Whether clients send it; servers otherwise.
    var isClients: Bool {
        switch self {
        case .request, .bind, .alterContext, .auth3, .cancel, .orphaned: true
        case .response, .fault, .bindAck, .bindNak, .alterContextResponse, .shutdown: false
        }
    }
}
