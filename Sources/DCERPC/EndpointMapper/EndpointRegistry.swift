import NDR
import Synchronization

/// What the endpoint mapper knows: which interfaces are reached where, and where each inquiry that is not over has stopped.
final class EndpointRegistry: Sendable {
    struct Entry: Sendable, Hashable {
        let interface: SyntaxIdentifier
        let object: GUID
        let endpoint: NetworkAddress
        let annotation: String
    }

    /// Which entries an inquiry wants.
    typealias Filter = @Sendable (Entry) -> Bool

    /// A part of an inquiry's result, and the handle by which to ask for the rest; null if there is none.
    struct Page {
        let entries: [Entry]
        let handle: ContextHandle
    }

    private struct Inquiry {
        let group: UInt32
        var rest: ArraySlice<Entry>
    }

    private struct State {
        var entries: [Entry] = []
        var inquiries: [GUID: Inquiry] = [:]
    }

    private let state = Mutex(State())
    private let maximumInquiriesOfGroup: Int
    private let maximumInquiries: Int

    init(maximumInquiriesOfGroup: Int, maximumInquiries: Int) {
        self.maximumInquiriesOfGroup = maximumInquiriesOfGroup
        self.maximumInquiries = maximumInquiries
    }

    func register(_ entry: Entry) {
        state.withLock { state in
            state.entries.removeAll {
                $0.interface == entry.interface && $0.object == entry.object && $0.endpoint == entry.endpoint
            }
            state.entries.append(entry)
        }
    }

    func unregister(_ shouldGo: (Entry) -> Bool) {
        state.withLock { $0.entries.removeAll(where: shouldGo) }
    }

    /// Begins an inquiry.
    func begin(group: UInt32, maximum: Int, _ filter: Filter) throws -> Page {
        try state.withLock { state in
            let found = state.entries.filter(filter)[...]
            return try page(found, as: .null, group: group, maximum: maximum, &state)
        }
    }

    /// Goes on with one.
    ///
    /// - Throws: ``RPCFault/contextMismatch`` if the handle is none of this association group's.
    func resume(_ handle: ContextHandle, group: UInt32, maximum: Int) throws -> Page {
        try state.withLock { state in
            guard handle.attributes == 0, let inquiry = state.inquiries[handle.uuid], inquiry.group == group else {
                throw RPCFault.contextMismatch
            }
            return try page(inquiry.rest, as: handle, group: group, maximum: maximum, &state)
        }
    }

    private func page(
        _ entries: ArraySlice<Entry>, as handle: ContextHandle, group: UInt32, maximum: Int, _ state: inout State
    ) throws -> Page {
        let rest = entries.dropFirst(maximum)
        guard !rest.isEmpty else {
            state.inquiries[handle.uuid] = nil
            return Page(entries: Array(entries), handle: .null)
        }
        let handle = handle.isNull ? ContextHandle(uuid: .random()) : handle
        if state.inquiries[handle.uuid] == nil {
            let ofGroup = state.inquiries.values.count { $0.group == group }
            guard ofGroup < maximumInquiriesOfGroup, state.inquiries.count < maximumInquiries else {
                throw RPCFault.remoteNoMemory
            }
        }
        state.inquiries[handle.uuid] = Inquiry(group: group, rest: rest)
        return Page(entries: Array(entries.prefix(maximum)), handle: handle)
    }

    /// Ends an inquiry before its end.
    ///
    /// - Throws: ``RPCFault/contextMismatch`` as in ``resume(_:group:maximum:)``.
    func end(_ handle: ContextHandle, group: UInt32) throws {
        try state.withLock { state in
            guard let inquiry = state.inquiries[handle.uuid], inquiry.group == group else {
                throw RPCFault.contextMismatch
            }
            state.inquiries[handle.uuid] = nil
        }
    }

    /// Ends all inquiries of a group that is no more.
    func endAll(of group: UInt32) {
        state.withLock { state in
            state.inquiries = state.inquiries.filter { $0.value.group != group }
        }
    }
}
