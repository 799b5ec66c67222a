/// One event of the log.
public struct EventRecord: Sendable, Hashable {
    /// Its number in the store: each has the one after that of the event before it, so that a gap shows what was lost.
    public var number: UInt64
    /// When it happened.
    public var time: EventTime
    /// The process and the thread that it happened in.
    public var process: UInt32, thread: UInt32
    /// How grave it is.
    public var level: EventLevel
    /// The part of the node that speaks: at most 255 octets of UTF-8.
    public var component: String
    /// What it says.
    public var text: String

    /// From its parts.
    public init(
        number: UInt64, time: EventTime, process: UInt32, thread: UInt32, level: EventLevel, component: String,
        text: String
    ) {
        self.number = number
        self.time = time
        self.process = process
        self.thread = thread
        self.level = level
        self.component = component
        self.text = text
    }
}

/// The form of a record in a file: a mark, the number of octets that follow the header, their CRC-32, and then number, wall time,
/// uptime, boot, process, thread, level and the component's length, the component and the text; numbers little endian.
///
/// The mark lets a reader find the next record behind one that is damaged or was never finished.
enum RecordLayout {
    static let mark: [UInt8] = [0xE5, 0x45, 0x56, 0x31]
    static let headerLength = 12
    private static let fixedLength = 42
    /// The octets of a record without component and text.
    static let overhead = headerLength + fixedLength
    /// The longest a record's text is kept; what is beyond is cut off and counted in the text itself.
    static let longestText = 16 << 10
    /// The longest that a record says it is; a header that says more is not one.
    static let longestBody = fixedLength + 255 + longestText

    static func encode(_ record: EventRecord, longestText: Int = RecordLayout.longestText) -> [UInt8] {
        let component = prefix(of: record.component, octets: 255)
        let text = shortened(record.text, to: longestText)
        var body: [UInt8] = []
        body.reserveCapacity(fixedLength + component.count + text.count)
        body.append(littleEndian: record.number)
        body.append(littleEndian: UInt64(bitPattern: record.time.wall))
        body.append(littleEndian: UInt64(bitPattern: record.time.uptime))
        body.append(littleEndian: record.time.boot)
        body.append(littleEndian: record.process)
        body.append(littleEndian: record.thread)
        body.append(record.level.code)
        body.append(UInt8(component.count))
        body += component
        body += text
        var record = mark
        record.append(littleEndian: UInt32(body.count))
        record.append(littleEndian: CRC32.of(body[...]))
        return record + body
    }

    /// The record that begins an array's slice, and how long it is; nil where none does that is whole and unharmed.
    static func decode(_ octets: ArraySlice<UInt8>) -> (record: EventRecord, length: Int)? {
        guard octets.count >= overhead, octets.prefix(4).elementsEqual(mark) else { return nil }
        let start = octets.startIndex
        let length = Int(octets.number(at: start + 4, as: UInt32.self))
        guard (fixedLength...longestBody).contains(length), octets.count >= headerLength + length else { return nil }
        let body = octets[(start + headerLength)..<(start + headerLength + length)]
        guard CRC32.of(body) == octets.number(at: start + 8, as: UInt32.self) else { return nil }
        let at = body.startIndex
        let componentLength = Int(body[at + 41])
        guard let level = EventLevel(code: body[at + 40]), fixedLength + componentLength <= length else { return nil }
        let text = at + fixedLength + componentLength
        let record = EventRecord(
            number: body.number(at: at, as: UInt64.self),
            time: EventTime(
                wall: Int64(bitPattern: body.number(at: at + 8, as: UInt64.self)),
                uptime: Int64(bitPattern: body.number(at: at + 16, as: UInt64.self)),
                boot: body.number(at: at + 24, as: UInt64.self)),
            process: body.number(at: at + 32, as: UInt32.self), thread: body.number(at: at + 36, as: UInt32.self),
            level: level, component: String(decoding: body[(at + fixedLength)..<text], as: UTF8.self),
            text: String(decoding: body[text...], as: UTF8.self))
        return (record, headerLength + length)
    }

    /// The text, or as much of its beginning as there is room for, and how much was left out.
    private static func shortened(_ text: String, to limit: Int) -> [UInt8] {
        guard text.utf8.count > limit else { return Array(text.utf8) }
        // Room for the number of octets, whatever it is.
        let kept = prefix(of: text, octets: max(0, limit - 40))
        return Array((kept + Array("… (\(text.utf8.count - kept.count) octets more)".utf8)).prefix(max(limit, 0)))
    }

    /// As many whole characters as fit.
    private static func prefix(of text: String, octets: Int) -> [UInt8] {
        let all = Array(text.utf8)
        guard all.count > octets else { return all }
        var end = octets
        // Back to where a character begins: its other octets are 10xxxxxx.
        while end > 0, all[end] & 0xC0 == 0x80 { end -= 1 }
        return Array(all[..<end])
    }
}

extension EventLevel {
    fileprivate var code: UInt8 {
        switch self {
        case .debug: 1
        case .information: 2
        case .warning: 3
        case .error: 4
        }
    }

    fileprivate init?(code: UInt8) {
        guard let level = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = level
    }
}

/// The CRC-32 of ISO 3309, which zlib, Ethernet and GPT have, too.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    static func of(_ octets: ArraySlice<UInt8>) -> UInt32 {
        octets.withUnsafeBufferPointer { octets in
            table.withUnsafeBufferPointer { table in
                ~octets.reduce(UInt32.max) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
            }
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

extension ArraySlice<UInt8> {
    fileprivate func number<Number: FixedWidthInteger & UnsignedInteger>(at index: Int, as: Number.Type) -> Number {
        let size = Number.bitWidth / 8
        return self[index..<(index + size)].reversed().reduce(0) { $0 << 8 | Number($1) }
    }
}
