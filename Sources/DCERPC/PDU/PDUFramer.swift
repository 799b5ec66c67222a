/// Cuts a stream of octets into PDUs.
///
/// A PDU's header is judged as soon as its sixteen octets are there, so that nobody makes us wait for, or keep, a PDU whose
/// length was wrong from the beginning.
struct PDUFramer: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0
    private var header: PDUHeader?

    /// A whole PDU.
    struct Frame {
        let header: PDUHeader
        var pdu: [UInt8]
    }

    /// The octets that wait for the rest of their PDU, or for their turn.
    var buffered: Int { buffer.count - start }

    /// Takes octets in as they came.
    mutating func append(_ octets: consuming [UInt8]) {
        if buffered == 0 {
            // The usual case is that a read is a PDU: then the array travels on without a copy.
            buffer = octets
            start = 0
        } else {
            if start > 0 {
                buffer.removeFirst(start)
                start = 0
            }
            buffer.append(contentsOf: octets)
        }
    }

    /// The next whole PDU with its header, or nil if it is not all there yet.
    ///
    /// - Parameter check: judges the header before anything waits for the rest.
    /// - Throws: ``PDUError``; the stream has lost its structure then and cannot be read on.
    mutating func next(_ check: (PDUHeader) throws(PDUError) -> Void) throws(PDUError) -> Frame? {
        if header == nil {
            guard buffered >= PDUHeader.size else { return nil }
            let candidate = try PDUHeader(buffer, at: start)
            try check(candidate)
            header = candidate
        }
        guard let header, buffered >= header.fragmentLength else { return nil }
        self.header = nil
        if start == 0, buffer.count == header.fragmentLength {
            let pdu = buffer
            buffer = []
            return Frame(header: header, pdu: pdu)
        }
        let pdu = Array(buffer[start..<start + header.fragmentLength])
        start += header.fragmentLength
        if start == buffer.count {
            buffer = []
            start = 0
        }
        return Frame(header: header, pdu: pdu)
    }
}
