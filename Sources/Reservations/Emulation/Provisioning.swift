import CLinuxStorage
import Glibc

/// How a thin-provisioned unit gets its space.
struct ThinProvisioning: Equatable, Codable, Sendable {
    /// The most octets the image may take on the host; nil where only the file system limits it.
    var ceiling: UInt64?
}

/// An image's space on the host.
extension ImageFile {
    /// The octets the image takes.
    func allocatedOctets() throws(FileError) -> UInt64 {
        UInt64(try file.status().st_blocks) * 512
    }

    /// The octets the host would have to find for a write to this range, in the units in which it gives space.
    func missingOctets(at offset: UInt64, count: UInt64) throws(FileError) -> UInt64 {
        let unit = UInt64(max(512, try file.status().st_blksize))
        let start = offset / unit * unit
        let end = (offset + count + unit - 1) / unit * unit
        var missing: UInt64 = 0
        var position = start
        while position < end {
            let data = try file.nextData(from: position).map { min($0, end) } ?? end
            // Space begins at the host's boundaries, wherever its file system says that data does.
            missing += data / unit * unit > position ? data / unit * unit - position : 0
            guard data < end else { break }
            position = min(try file.nextHole(from: data), end)
            position = (position + unit - 1) / unit * unit
        }
        return missing
    }

    /// Gives the space of a range back where the file system can, and fills it with zeros either way.
    func deallocate(at offset: UInt64, count: UInt64) throws(FileError) {
        if count == 0 { return }
        do {
            try file.punchHole(at: offset, count: count)
        } catch  where error.number == EOPNOTSUPP || error.number == ENOSYS {
            try fill(with: [UInt8](repeating: 0, count: 65536), at: offset, count: count)
        }
    }

    /// Writes a pattern over a range again and again; the range is a multiple of the pattern's length or cut at its end.
    func fill(with pattern: [UInt8], at offset: UInt64, count: UInt64) throws(FileError) {
        // A few writes of a mebibyte instead of one for each block.
        let repeats = max(1, (1 << 20) / pattern.count)
        let part = [[UInt8]](repeating: pattern, count: repeats).flatMap { $0 }
        var written: UInt64 = 0
        while written < count {
            let length = min(UInt64(part.count), count - written)
            try file.write(length == part.count ? part : Array(part.prefix(Int(length))), at: offset + written)
            written += length
        }
    }
}

extension OpenFile {
    /// The first octet from here on that takes space; nil where none does.
    func nextData(from offset: UInt64) throws(FileError) -> UInt64? {
        var next: UInt64 = 0
        let result = cls_next_data(descriptor, offset, &next)
        if result == -ENXIO { return nil }
        guard result == 0 else { throw FileError("seek", path, -result) }
        return next
    }

    /// The first octet from here on that takes no space; the file's length at the latest.
    func nextHole(from offset: UInt64) throws(FileError) -> UInt64 {
        var next: UInt64 = 0
        let result = cls_next_hole(descriptor, offset, &next)
        guard result == 0 else { throw FileError("seek", path, -result) }
        return next
    }

    /// Gives the space of a range back.
    func punchHole(at offset: UInt64, count: UInt64) throws(FileError) {
        let result = cls_punch_hole(descriptor, offset, count)
        guard result == 0 else { throw FileError("punch hole", path, -result) }
    }
}

extension EmulatedLogicalUnit {
    /// Refuses a write for which there is no room below the ceiling.
    ///
    /// Two writes at once may pass the ceiling by the one that was looked at second; the file system's own limit is exact.
    func checkSpace(_ provisioning: ThinProvisioning?, at offset: UInt64, count: Int) throws {
        guard let ceiling = provisioning?.ceiling else { return }
        let missing = try image.missingOctets(at: offset, count: UInt64(count))
        if missing > 0, try image.allocatedOctets() + missing > ceiling { throw SpaceExhausted() }
    }

    /// Changes how much the image of a thin-provisioned unit may take, for every user of the image: an administrator's pool
    /// that grows or shrinks.
    ///
    /// - Parameter ceiling: the octets; nil for what the file system has.
    /// - Throws: ``EmulatedUnitError/notThinProvisioned(path:)``, or what kept the state from being written.
    public func limitSpace(to ceiling: UInt64?) throws {
        try store.update { state in
            guard state.thinProvisioning != nil else { throw EmulatedUnitError.notThinProvisioned(path: image.path) }
            state.thinProvisioning = ThinProvisioning(ceiling: ceiling)
        }
    }
}

/// A write beyond the ceiling of a thin-provisioned unit.
struct SpaceExhausted: Error {}
