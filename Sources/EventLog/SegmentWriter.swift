import Foundation

/// The end of a store: appends whole records to the newest file and keeps all files together within their limit.
struct SegmentWriter {
    /// Writes octets to a file, as ``FileDescriptor/write(_:)`` does; another in tests of full disks.
    typealias Store = @Sendable (FileDescriptor, ArraySlice<UInt8>) -> (count: Int, errno: Int32)

    private let folder: SegmentFolder
    private let limits: EventLog.Limits
    private let store: Store
    private var segments: [SegmentFolder.Segment]
    private var file: FileDescriptor?
    /// The octets of the newest file.
    private var size = 0

    init(folder: SegmentFolder, limits: EventLog.Limits, store: @escaping Store) throws(EventLogError) {
        self.store = store
        self.folder = folder
        self.limits = limits
        segments = try folder.segments()
        if let last = segments.last {
            let file = try FileDescriptor(last.path, O_WRONLY | O_APPEND, operation: "open")
            size = try file.size(path: last.path)
            self.file = file
        }
        // What a store with other limits left, or one with more.
        var total = 0
        var kept: [SegmentFolder.Segment] = []
        for segment in segments.reversed() {
            var status = stat()
            guard stat(segment.path, &status) == 0 else { continue }
            total += Int(status.st_size)
            if kept.isEmpty || total <= limits.octets { kept.insert(segment, at: 0) } else { unlink(segment.path) }
        }
        segments = kept
    }

    /// Appends records, in as few steps as the files allow.
    ///
    /// - Returns: how many of them are written, from the first on, and the error number that kept it from more.
    mutating func append(_ records: ArraySlice<[UInt8]>) -> (count: Int, errno: Int32) {
        var done = records.startIndex
        while done < records.endIndex {
            if file == nil || size + records[done].count > limits.segmentOctets && size > 0 {
                if let error = startSegment() { return (done - records.startIndex, error) }
            }
            // All that fit.
            var end = done
            var octets: [UInt8] = []
            while end < records.endIndex,
                octets.isEmpty || size + octets.count + records[end].count <= limits.segmentOctets
            {
                octets += records[end]
                end += 1
            }
            guard let result = file.map({ store($0, octets[...]) }) else { return (done - records.startIndex, EBADF) }
            size += result.count
            if result.errno != 0 {
                return (done - records.startIndex + keepWhole(records[done..<end], of: result.count), result.errno)
            }
            done = end
        }
        return (records.count, 0)
    }

    /// Brings what is written to the disk.
    func synchronize() {
        if let descriptor = file?.number { fdatasync(descriptor) }
    }

    /// Takes a record that was begun and not finished back out of the file.
    ///
    /// - Returns: how many of the records are in the file as a whole.
    private mutating func keepWhole(_ records: ArraySlice<[UInt8]>, of written: Int) -> Int {
        var whole = 0
        var count = 0
        for record in records {
            guard whole + record.count <= written else { break }
            whole += record.count
            count += 1
        }
        // Where that fails, too, the reader passes over it.
        if written > whole, let descriptor = file?.number,
            ftruncate(descriptor, off_t(size - (written - whole))) == 0
        {
            size -= written - whole
        }
        return count
    }

    /// Begins another file, for which the oldest make room.
    ///
    /// - Returns: the error number that keeps it from it; nil for none.
    private mutating func startSegment() -> Int32? {
        while segments.count >= limits.segments {
            guard unlink(segments[0].path) == 0 || errno == ENOENT else { return errno }
            segments.removeFirst()
        }
        let next = folder.segment((segments.last?.number ?? 0) &+ 1)
        do {
            file = try FileDescriptor(next.path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, operation: "make")
        } catch {
            guard case .failed(_, _, let number) = error else { return EIO }
            return number
        }
        segments.append(next)
        size = 0
        return nil
    }
}
