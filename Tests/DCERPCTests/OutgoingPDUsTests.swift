import NIOCore
import Testing

@testable import DCERPC

/// What becomes one write and what does not; nothing is lost or comes out of turn.
@Suite struct OutgoingPDUsTests {
    /// The lengths of the writes of one flush, whose octets together are those of the PDUs.
    private func writes(_ lengths: [Int], _ outgoing: inout OutgoingPDUs) -> [Int] {
        var written: [ByteBuffer] = []
        let pdus = lengths.enumerated().map { number, length in [UInt8](repeating: UInt8(number), count: length) }
        for pdu in pdus { outgoing.append(pdu) { written.append($0) } }
        outgoing.finish { written.append($0) }
        #expect(written.flatMap { Array($0.readableBytesView) } == pdus.flatMap(\.self))
        return written.map(\.readableBytes)
    }

    @Test func shortOnesAreOneWrite() {
        var outgoing = OutgoingPDUs()
        #expect(writes([64], &outgoing) == [64])
        #expect(writes([64, 80, 96], &outgoing) == [240])
        #expect(writes([], &outgoing) == [])
        #expect(writes([1], &outgoing) == [1])
    }

    @Test func longOnesStandAlone() {
        var outgoing = OutgoingPDUs()
        #expect(writes([5840, 5840, 100], &outgoing) == [5840, 5840, 100])
        #expect(writes([64, 64, 5840, 64, 513, 512], &outgoing) == [128, 5840, 64, 513, 512])
    }

    @Test func isHandedOnWhenItIsMuch() {
        var outgoing = OutgoingPDUs()
        #expect(writes([512, 512, 512], &outgoing) == [1024, 512])
    }

    /// A client that does not take its answers has them kept for it: they must not be written over.
    @Test func whatWasWrittenStays() {
        var outgoing = OutgoingPDUs()
        var kept: [ByteBuffer] = []
        for number in UInt8(0)..<8 {
            outgoing.append([number, number]) { kept.append($0) }
            outgoing.finish { kept.append($0) }
        }
        #expect(kept.map { Array($0.readableBytesView) } == (UInt8(0)..<8).map { [$0, $0] })
    }

    @Test func usesItsMemoryAgain() {
        var outgoing = OutgoingPDUs()
        var places: Set<UnsafeRawPointer?> = []
        for _ in 0..<8 {
            outgoing.append([UInt8](repeating: 1, count: 64)) { _ in }
            outgoing.finish { buffer in _ = buffer.withUnsafeReadableBytes { places.insert($0.baseAddress) } }
        }
        #expect(places.count == 1)
    }
}
