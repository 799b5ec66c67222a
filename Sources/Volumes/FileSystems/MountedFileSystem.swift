import Reservations

/// One line of what a file system's library has to say.
public struct VolumeLogEntry: Hashable, Sendable {
    /// Whether it tells a failure, and not a remark.
    public var isFailure: Bool
    /// The line.
    public var message: String
}

/// A mounted file system, whichever it is: what ``Volume`` needs of it.
///
/// Not thread safe: ``Volume`` keeps it behind a lock. The window is what other threads may touch: cutting it off ends an
/// operation under way, and nothing is written after it.
protocol MountedFileSystem: AnyObject {
    /// The octets it lies in.
    var window: DeviceWindow { get }
    /// The volume's label.
    var label: String { get }
    /// Whether the file system asks to be checked.
    var isDirty: Bool { get }
    /// What is free for files; nil if it cannot be told.
    var freeOctets: UInt64? { get }

    /// Creates a file, or overwrites it from its beginning and cuts it to the data's length. No file is made half: a full
    /// volume leaves an existing file as it was, and no new one.
    func write(_ path: VolumePath, _ data: [UInt8]) throws(VolumeError)
    /// Removes a file.
    func delete(_ path: VolumePath) throws(VolumeError)
    /// Makes a folder in one that exists.
    func createFolder(_ path: VolumePath) throws(VolumeError)
    /// Opens a file for as long as the body runs. The body gets its length and a function that reads a range of it.
    func withFile(
        _ path: VolumePath,
        _ body: (UInt64, (UInt64, Int) throws(VolumeError) -> [UInt8]) throws(VolumeError) -> Void
    ) throws(VolumeError)
    /// Brings everything written onto stable storage.
    func flush() throws(VolumeError)
    /// Dismounts, with everything on stable storage; nothing may be called after it, whatever it throws.
    func close() throws(VolumeError)
}
