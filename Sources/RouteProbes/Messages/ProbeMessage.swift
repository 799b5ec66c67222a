/// A probe or the answer to one: this project's own format, at the UDP port and inside ICMP echo requests.
///
/// All numbers are in network order.
///
/// | octets | contents |
/// |---|---|
/// | 0 | `CPRP` |
/// | 4 | version: 1 |
/// | 5 | kind: 1 a request, 2 an answer |
/// | 6 | how many octets the message has, 32 through 1,232 |
/// | 8 | session: a random number for each monitor and each round trip |
/// | 16 | which path of the session |
/// | 20 | which probe of the path |
/// | 24 | zeros up to the end |
///
/// An answer is the request with its kind changed, so it is never longer. Answers are not answered. Session, path and
/// probe together are the nonce: who has not seen the request cannot form its answer.
struct ProbeMessage: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        case request = 1
        case answer = 2
    }

    static let magic: [UInt8] = [0x43, 0x50, 0x52, 0x50]
    static let version: UInt8 = 1
    static let headerLength = 24
    /// The longest fits the smallest MTU of IPv6, 1,280 octets (RFC 8200, section 5), with 48 octets of headers.
    static let lengths = 32...1_232

    var kind: Kind
    var length: Int
    var session: UInt64
    var path: UInt32
    var sequence: UInt32

    init(kind: Kind, length: Int, session: UInt64, path: UInt32, sequence: UInt32) {
        self.kind = kind
        self.length = min(max(length, Self.lengths.lowerBound), Self.lengths.upperBound)
        self.session = session
        self.path = path
        self.sequence = sequence
    }

    /// Reads a message; nil for whatever is not exactly one.
    init?(_ octets: some RandomAccessCollection<UInt8>) {
        guard Self.lengths.contains(octets.count), octets.starts(with: Self.magic) else { return nil }
        var rest = octets.dropFirst(Self.magic.count)
        func number<Value: FixedWidthInteger>(_: Value.Type) -> Value {
            let size = Value.bitWidth / 8
            defer { rest = rest.dropFirst(size) }
            return rest.prefix(size).reduce(0) { $0 << 8 | Value($1) }
        }
        guard number(UInt8.self) == Self.version, let kind = Kind(rawValue: number(UInt8.self)),
            number(UInt16.self) == octets.count
        else { return nil }
        self.kind = kind
        length = octets.count
        session = number(UInt64.self)
        path = number(UInt32.self)
        sequence = number(UInt32.self)
        guard rest.allSatisfy({ $0 == 0 }) else { return nil }
    }

    /// The message's octets.
    var octets: [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(length)
        func append(_ number: some FixedWidthInteger) {
            withUnsafeBytes(of: number.bigEndian) { octets.append(contentsOf: $0) }
        }
        octets += Self.magic
        append(Self.version)
        append(kind.rawValue)
        append(UInt16(length))
        append(session)
        append(path)
        append(sequence)
        octets.append(contentsOf: repeatElement(0, count: length - octets.count))
        return octets
    }

    /// The answer to a request.
    var answer: ProbeMessage {
        var answer = self
        answer.kind = .answer
        return answer
    }
}
