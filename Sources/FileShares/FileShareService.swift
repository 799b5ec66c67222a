import Synchronization

/// The file sharing of a node, as a test of it needs it: shares that other nodes can reach, and connections to theirs.
///
/// Methods throw ``FileShareError``, or `CancellationError`.
public protocol FileShareService: Sendable {
    /// Sees whether this node shares files: whether an SMB server answers on each of the node's addresses.
    func check() async throws

    /// Makes a test's share, on stable record before it exists, so that it is removed also after a crash. Several holders of
    /// one test have the share together.
    ///
    /// - Throws: ``FileShareError/busy`` while another test's share exists; ``FileShareError`` where Samba is missing or refuses.
    func makeShare(_ share: TestShare, for holder: ShareHolder) async throws

    /// Ends a holder's part in its share; the last one's end removes it. Nothing happens where it has none.
    func removeShare(of holder: ShareHolder) async

    /// The addresses of this node on which an SMB server answers.
    ///
    /// - Throws: ``FileShareError/notServed(addresses:port:reason:)`` where there is none.
    func paths() async throws -> [SharePath]

    /// Connects to another node's share of a test by any of its addresses, and reads the share's file.
    ///
    /// - Throws: ``FileShareError/notReached(path:failure:)`` where no address leads there.
    func connect(to paths: [SharePath], share: TestShare) async throws

    /// Breaks off connections that are being made and removes every share; from now on everything throws
    /// ``FileShareError/stopped``.
    func stop() async
}

/// Who has a part in a share.
public struct ShareHolder: Hashable, Sendable {
    private let number: UInt64

    /// One that is equal to no other of this process.
    public static func new() -> ShareHolder {
        ShareHolder(number: last.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    private static let last = Atomic<UInt64>(0)
}
