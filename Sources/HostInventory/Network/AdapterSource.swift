/// Who tells what network adapters the host has: ``HostAdapters``, or whatever a test puts in its place.
public protocol AdapterSource: Sendable {
    /// The adapters, by the kernel's index.
    ///
    /// It takes milliseconds and blocks for that long, so it does not belong on an event loop.
    func list() throws(HostNetworkError) -> [HostAdapter]
}
