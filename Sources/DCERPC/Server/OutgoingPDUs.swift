import NIOCore

/// The PDUs of one connection on their way to the socket.
///
/// Most are short, and one at a time: one piece of memory serves them all, one flush after the other, and those that go out with
/// the same flush are one write. Long ones are handed on as they are.
struct OutgoingPDUs {
    /// The octets up to which PDUs are put together, and about as many are kept while a connection is idle.
    static let short = 512

    private var buffer = ByteBuffer()
    /// Whether ``buffer`` was handed on, so that what it holds is not ours to change.
    private var isWritten = false

    /// Takes a PDU, and hands on what does not wait for the flush.
    mutating func append(_ pdu: [UInt8], write: (ByteBuffer) -> Void) {
        guard pdu.count <= Self.short else {
            finish(write: write)
            return write(ByteBuffer(bytes: pdu))
        }
        if isWritten {
            // Empties it in place, if nobody has a hold of it any more; if the client does not take its answers, it is another.
            buffer.clear()
            isWritten = false
        }
        buffer.writeBytes(pdu)
        if buffer.readableBytes > Self.short { finish(write: write) }
    }

    /// Hands on what is left, before a flush.
    mutating func finish(write: (ByteBuffer) -> Void) {
        guard !isWritten, buffer.readableBytes > 0 else { return }
        isWritten = true
        write(buffer)
    }
}
