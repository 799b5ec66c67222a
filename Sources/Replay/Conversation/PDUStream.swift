import DCERPC

/// One side's octets of a connection, cut into PDUs; finds back to a PDU's beginning after octets that are missing or wrong.
struct PDUStream {
    /// What is next.
    enum Step {
        /// A whole PDU.
        case pdu(PDUHeader, [UInt8])
        /// More octets are needed.
        case wait
        /// Octets that are no PDU; the stream goes on at what looks like the next one.
        case garbage(PDUError)
    }

    private var octets: [UInt8] = []
    private var position = 0
    /// Octets of a PDU whose beginning is lost.
    private var skip = 0
    /// Whether the octets may begin anywhere in a PDU.
    private(set) var isLost: Bool

    /// - Parameter isLost: whether the connection's beginning was not captured.
    init(isLost: Bool) {
        self.isLost = isLost
    }

    /// The octets that wait for the rest of their PDU.
    var waiting: Int { octets.count - position }

    /// The octets of the PDU that waits for its rest, if its header is there.
    var expected: Int? { (try? PDUHeader(octets[position...]))?.fragmentLength }

    mutating func append(_ more: [UInt8]) {
        if position == octets.count {
            octets.removeAll(keepingCapacity: true)
            position = 0
        } else if position > 1 << 16 {
            octets.removeFirst(position)
            position = 0
        }
        guard skip > 0 else {
            octets += more
            return
        }
        octets += more.dropFirst(skip)
        skip -= min(skip, more.count)
    }

    /// Octets are missing. What had begun is void; where it ends is known if its header was there and it ends behind the hole.
    mutating func lose(_ count: Int) {
        let rest: Int
        if skip > 0 {
            rest = skip - count
        } else if waiting == 0, !isLost {
            // The hole begins with a PDU; if it ends with one is for the search to find.
            rest = -1
        } else if let expected {
            rest = expected - waiting - count
        } else {
            rest = -1
        }
        octets.removeAll(keepingCapacity: true)
        position = 0
        skip = max(rest, 0)
        isLost = rest < 0
    }

    mutating func next() -> Step {
        if isLost, !search() { return .wait }
        guard waiting >= PDUHeader.size else { return .wait }
        do throws(PDUError) {
            let header = try PDUHeader(octets[position..<position + PDUHeader.size])
            guard waiting >= header.fragmentLength else { return .wait }
            let pdu = Array(octets[position..<position + header.fragmentLength])
            position += header.fragmentLength
            return .pdu(header, pdu)
        } catch {
            isLost = true
            position += 1
            return .garbage(error)
        }
    }

    /// Goes on to what looks like a header, and if its PDU is there, is followed by another, or by nothing.
    private mutating func search() -> Bool {
        while waiting >= PDUHeader.size {
            if let length = plausible(at: position) {
                let end = position + length
                if octets.count < end + PDUHeader.size || plausible(at: end) != nil {
                    isLost = false
                    return true
                }
            }
            position += 1
        }
        return false
    }

    private func plausible(at offset: Int) -> Int? {
        guard octets[offset] == 5, octets[offset + 1] == 0, octets[offset + 5] == 0, octets[offset + 6] == 0,
            octets[offset + 7] == 0, [0x00, 0x10].contains(octets[offset + 4]),
            let header = try? PDUHeader(octets[offset..<offset + PDUHeader.size])
        else { return nil }
        return header.fragmentLength
    }
}
