/// The layout of `IMAGE.reservations`.
///
/// | octets | what |
/// |---|---|
/// | 0 to 511 | the header, which names the slot that counts |
/// | 4096 … | slot 0: a state as JSON |
/// | 266240 … | slot 1: a state as JSON |
///
/// A change writes the slot that does not count, brings it onto stable storage, then writes the header and brings that onto
/// stable storage. The header is one sector, so it is old or new; and the slot it names is whole before it is named. A
/// checksum that does not fit is therefore never the trace of an interrupted change but damage.
///
/// The header, big endian:
///
/// | octets | what |
/// |---|---|
/// | 0 to 15 | `ClusPrep-PR-1` and three line feeds |
/// | 16 to 19 | the version of the format, 1 |
/// | 20 to 23 | the slot that counts, 0 or 1 |
/// | 24 to 31 | the sequence number: one more with every change |
/// | 32 to 35 | the state's length |
/// | 36 to 39 | the state's CRC-32C |
/// | 508 to 511 | the CRC-32C of the octets before |
struct StateFileHeader: Equatable, Sendable {
    var slot: UInt32
    var sequence: UInt64
    var length: UInt32
    var checksum: UInt32

    static let size = 512
    static let version: UInt32 = 1
    /// The most octets a state may have: enough for every registration and unit attention there can be.
    static let slotSize = 262_144
    private static let magic = Array("ClusPrep-PR-1\n\n\n".utf8)

    /// Where the slot begins.
    var offset: UInt64 {
        4096 + UInt64(slot) * UInt64(Self.slotSize)
    }

    /// The header of a change that writes these octets as the next state.
    func next(_ state: [UInt8]) -> StateFileHeader {
        StateFileHeader(
            slot: 1 - slot, sequence: sequence &+ 1, length: UInt32(state.count), checksum: CRC32C.checksum(state))
    }

    var octets: [UInt8] {
        var octets = Self.magic
        octets.append(bigEndian: Self.version)
        octets.append(bigEndian: slot)
        octets.append(bigEndian: sequence)
        octets.append(bigEndian: length)
        octets.append(bigEndian: checksum)
        octets += [UInt8](repeating: 0, count: Self.size - 4 - octets.count)
        octets.append(bigEndian: CRC32C.checksum(octets))
        return octets
    }

    init(slot: UInt32, sequence: UInt64, length: UInt32, checksum: UInt32) {
        self.slot = slot
        self.sequence = sequence
        self.length = length
        self.checksum = checksum
    }

    /// Reads a header.
    ///
    /// - Throws: ``EmulatedUnitError/stateCorrupted(path:reason:)`` or ``EmulatedUnitError/stateVersion(path:version:)``.
    init(_ octets: [UInt8], path: String) throws(EmulatedUnitError) {
        guard octets.count == Self.size, octets.starts(with: Self.magic) else {
            throw .stateCorrupted(path: path, reason: "no header")
        }
        guard octets.field32(Self.size - 4) == CRC32C.checksum(octets.dropLast(4)) else {
            throw .stateCorrupted(path: path, reason: "the header's checksum is wrong")
        }
        let version = octets.field32(16)
        guard version == Self.version else { throw .stateVersion(path: path, version: version) }
        self.init(
            slot: octets.field32(20), sequence: octets.field64(24), length: octets.field32(32),
            checksum: octets.field32(36))
        guard slot <= 1, length <= UInt32(Self.slotSize) else {
            throw .stateCorrupted(path: path, reason: "the header names slot \(slot) and \(length) octets")
        }
    }
}
