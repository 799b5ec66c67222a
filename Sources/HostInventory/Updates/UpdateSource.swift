/// A package manager: what it says is installed.
///
/// Its methods block; see ``HostUpdates``.
protocol UpdateSource: Sendable {
    /// Whether this host has a database of this package manager's.
    var isPresent: Bool { get }

    /// The files on which the answer depends.
    var files: [String] { get }

    /// The number of updates that ``updates()`` would list, without looking at what each of them changed.
    func count() throws(HostUpdatesError) -> Int

    /// The updates, in the order of their packages' names.
    func updates() throws(HostUpdatesError) -> [HostUpdate]
}
