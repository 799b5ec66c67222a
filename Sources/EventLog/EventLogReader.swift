import Foundation

/// Reads a store, also while another process writes it, and whatever has happened to its files.
public struct EventLogReader: Sendable {
    /// What was read besides events.
    public struct Summary: Sendable, Hashable {
        /// The events that were handed on.
        public var events = 0
        /// Octets that belong to no whole record: one that was never finished, or that was damaged.
        public var damagedOctets = 0
        /// Events whose numbers are missing between others: they were dropped or damaged.
        public var missing: UInt64 = 0
    }

    private let folder: SegmentFolder

    /// Of the store in a folder; where there is none, it has no events.
    public init(folder: String) {
        self.folder = SegmentFolder(path: folder)
    }

    /// Hands on every event of a span, in the order in which they happened.
    ///
    /// Memory: the octets of one file of the store.
    ///
    /// - Throws: ``EventLogError`` where a file cannot be read, and what the body throws.
    @discardableResult
    public func forEach(
        in span: EventSpan? = nil, _ body: (EventRecord) throws -> Void
    ) throws -> Summary {
        var summary = Summary()
        var lastNumber: UInt64?
        for segment in try folder.segments() {
            // The writer may have removed it since.
            guard let octets = try Self.contents(of: segment.path) else { continue }
            summary.damagedOctets += try Self.records(in: octets) { record in
                if let last = lastNumber, record.number > last { summary.missing += record.number - last - 1 }
                lastNumber = record.number
                guard span?.contains(record.time) ?? true else { return }
                summary.events += 1
                try body(record)
            }
        }
        return summary
    }

    /// The newest event; nil where there is none.
    func last() throws(EventLogError) -> EventRecord? {
        for segment in try folder.segments().reversed() {
            guard let octets = try Self.contents(of: segment.path) else { continue }
            var last: EventRecord?
            Self.records(in: octets) { last = $0 }
            if let last { return last }
        }
        return nil
    }

    /// Hands on the records in a file's octets, and passes over everything else.
    ///
    /// - Returns: how many octets it passed over.
    @discardableResult
    static func records<Failure: Error>(
        in octets: [UInt8], _ body: (EventRecord) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        var at = 0
        var damaged = 0
        while at < octets.count {
            if let (record, length) = RecordLayout.decode(octets[at...]) {
                try body(record)
                at += length
            } else {
                let next = nextMark(in: octets, after: at)
                damaged += next - at
                at = next
            }
        }
        return damaged
    }

    private static func nextMark(in octets: [UInt8], after start: Int) -> Int {
        var at = start + 1
        while at < octets.count {
            if octets[at] == RecordLayout.mark[0], octets[at...].prefix(4).elementsEqual(RecordLayout.mark) {
                return at
            }
            at += 1
        }
        return octets.count
    }

    /// A file's octets; nil where it is gone.
    private static func contents(of path: String) throws(EventLogError) -> [UInt8]? {
        let file: FileDescriptor
        do {
            file = try FileDescriptor(path, O_RDONLY, operation: "open")
        } catch .failed(_, _, ENOENT) {
            return nil
        }
        var octets = [UInt8](repeating: 0, count: try file.size(path: path))
        var done = 0
        while done < octets.count {
            let count = octets.withUnsafeMutableBytes { buffer in
                read(file.number, buffer.baseAddress.map { $0 + done }, buffer.count - done)
            }
            if count > 0 {
                done += count
            } else if count == 0 {
                // It was cut since we asked for its size.
                break
            } else if errno != EINTR {
                throw .last("read", path)
            }
        }
        octets.removeSubrange(done...)
        return octets
    }
}
