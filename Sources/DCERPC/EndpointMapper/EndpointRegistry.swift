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
        let serial: UInt64
        var rest: ArraySlice<Entry>
    }

    private struct State {
        var entries: [Entry] = []
        var inquiries: [GUID: Inquiry] = [:]
        var nextSerial: UInt64 = 0
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
    ///
    /// - Parameter endsEarly: whether a page that is full, but the last, ends the inquiry. Otherwise only a page with room
    ///   left does, which may be empty.
    func begin(group: UInt32, maximum: Int, endsEarly: Bool, _ filter: Filter) -> Page {
        state.withLock { state in
            let found = state.entries.filter(filter)
            guard found.count > maximum || (found.count == maximum && !endsEarly) else {
                return Page(entries: found, handle: .null)
            }
            makeRoom(for: group, &state)
            let handle = ContextHandle(uuid: .random())
            state.nextSerial += 1
            state.inquiries[handle.uuid] = Inquiry(
                group: group, serial: state.nextSerial, rest: found.dropFirst(maximum))
            return Page(entries: Array(found.prefix(maximum)), handle: handle)
        }
    }

    /// Goes on with one.
    ///
    /// - Throws: ``RPCFault/contextMismatch`` if the handle is none of this association group's.
    func resume(_ handle: ContextHandle, group: UInt32, maximum: Int, endsEarly: Bool) throws -> Page {
        try state.withLock { state in
            guard handle.attributes == 0, let inquiry = state.inquiries[handle.uuid], inquiry.group == group else {
                throw RPCFault.contextMismatch
            }
            let rest = inquiry.rest
            guard rest.count > maximum || (rest.count == maximum && !endsEarly) else {
                state.inquiries[handle.uuid] = nil
                return Page(entries: Array(rest), handle: .null)
            }
            state.inquiries[handle.uuid]?.rest = rest.dropFirst(maximum)
            return Page(entries: Array(rest.prefix(maximum)), handle: handle)
        }
    }

    /// Forgets a group's oldest inquiry if it has too many, and the oldest of all if there are too many: most clients never end
    /// the ones they lose interest in, and those who begin them to use up the room shall not keep the others out. An inquiry
    /// in use is gone through in milliseconds, and is never among the oldest of thousands.
    private func makeRoom(for group: UInt32, _ state: inout State) {
        let ofGroup = state.inquiries.filter { $0.value.group == group }
        let crowded =
            ofGroup.count >= maximumInquiriesOfGroup
            ? ofGroup : state.inquiries.count >= maximumInquiries ? state.inquiries : [:]
        if let oldest = crowded.min(by: { $0.value.serial < $1.value.serial }) { state.inquiries[oldest.key] = nil }
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
