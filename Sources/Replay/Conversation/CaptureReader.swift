import Security

/// Reads captures: packets into connections, connections into PDUs, PDUs into calls.
///
/// Whatever a file holds, reading it ends, and what could be understood is returned; what could not is in
/// ``CapturedTraffic/remarks``.
public struct CaptureReader: Sendable {
    private let keys: ObservationKeys

    /// Makes a reader.
    ///
    /// - Parameter keys: what opens sealed calls.
    public init(keys: ObservationKeys = ObservationKeys()) {
        self.keys = keys
    }

    /// Reads a pcap or pcapng file.
    ///
    /// - Parameter path: the file, or `-` for standard input.
    /// - Throws: ``CaptureError`` if it is no capture.
    public func read(path: String) throws(CaptureError) -> CapturedTraffic {
        read(try CaptureFile(path: path))
    }

    /// Reads a pcap or pcapng file's octets.
    ///
    /// - Parameter name: what an error calls it.
    /// - Throws: ``CaptureError`` if it is no capture.
    public func read(octets: [UInt8], name: String = "the capture") throws(CaptureError) -> CapturedTraffic {
        var octets = octets
        return try octets.withUnsafeMutableBufferPointer { buffer throws(CaptureError) in
            read(try CaptureFile(octets: UnsafeMutableRawBufferPointer(buffer), name: name))
        }
    }

    private func read(_ file: consuming CaptureFile) -> CapturedTraffic {
        let builder = TrafficBuilder(keys: keys)
        var reassembler = TCPReassembler<AssociationFollower>(
            make: { AssociationFollower($0, builder) },
            feed: { follower, connection, event in follower.take(event, connection) },
            end: { follower, connection in follower.finish(connection) })
        reading: while true {
            switch file.next() {
            case .packet(let packet):
                builder.traffic.counts.packets += 1
                switch packet.content(file.link) {
                case .segment(let segment): reassembler.take(segment)
                case .fragment: builder.traffic.counts.fragments += 1
                case .other: builder.traffic.counts.otherPackets += 1
                }
            case .damaged(let reason):
                builder.remark("the file is damaged after \(builder.traffic.counts.packets) packets: \(reason)")
                break reading
            case .end: break reading
            }
        }
        reassembler.finish()
        return builder.finish()
    }
}

/// What all followers of a capture write into.
final class TrafficBuilder {
    /// More remarks of a capture than these help nobody.
    static let maximumRemarks = 1000

    let keys: ObservationKeys
    var traffic = CapturedTraffic()
    private var unsaid = 0

    init(keys: ObservationKeys) {
        self.keys = keys
    }

    func remark(_ text: String, association: Int? = nil, time: CaptureTime? = nil) {
        guard traffic.remarks.count < Self.maximumRemarks else {
            unsaid += 1
            return
        }
        traffic.remarks.append(CaptureRemark(association: association, time: time, text: text))
    }

    /// Numbers everything in the order of its time: what followers found, they found in the order of their ends.
    func finish() -> CapturedTraffic {
        let counts = traffic.counts
        if counts.fragments > 0 {
            remark(
                "\(counts.fragments) packets are fragments of IP, which are not put together: what they carried is missing"
            )
        }
        if unsaid > 0 {
            traffic.remarks.append(CaptureRemark(association: nil, time: nil, text: "there are \(unsaid) remarks more"))
        }
        let order = traffic.associations.sorted { ($0.began, $0.id) < ($1.began, $1.id) }
        let numbers = Dictionary(uniqueKeysWithValues: zip(order.map(\.id), 1...))
        traffic.associations = order.enumerated().map { index, association in
            var association = association
            association.id = index + 1
            return association
        }
        for index in traffic.remarks.indices {
            traffic.remarks[index].association = traffic.remarks[index].association.flatMap { numbers[$0] }
        }
        for index in traffic.calls.indices {
            traffic.calls[index].association = numbers[traffic.calls[index].association] ?? 0
        }
        traffic.calls.sort { ($0.began, $0.association, $0.position) < ($1.began, $1.association, $1.position) }
        for index in traffic.calls.indices { traffic.calls[index].id = index + 1 }
        return traffic
    }
}

extension CapturedCall {
    /// When its first octets were captured.
    public var began: CaptureTime {
        if let request { return request.began }
        switch outcome {
        case .response(let message): return message.began
        case .fault(_, _, let time): return time
        case .none, .missing: return CaptureTime(nanoseconds: 0)
        }
    }
}
