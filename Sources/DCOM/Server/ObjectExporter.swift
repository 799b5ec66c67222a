import DCERPC
import ErrorCodes
import Logging
import NDR
import Security
import Synchronization

/// The object exporter and the tables of its resolver: which objects are alive, who may use them, and until when
/// ([MS-DCOM] 3.1.1 and 3.1.2).
///
/// All of it is behind one lock, which is held for table look-ups alone; a call takes it twice. There is one exporter in a
/// process, with one OXID and one remote unknown.
public final class ObjectExporter: Sendable {
    /// The exporter's identifier: random, as all identifiers here are, so that nobody can guess one.
    public let oxid: UInt64
    /// The IPID of the remote unknown, for IRemUnknown and for IRemUnknown2.
    public let remoteUnknown: GUID
    /// The remote unknown's own object identifier. It lives as long as the exporter, so it is counted and collected nowhere.
    let remoteUnknownOID: UInt64
    /// The bounds of what clients can make it hold.
    public let limits: ExporterLimits

    private let timing: PingTiming
    private let time: TimeSource
    private let logger: Logger
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var table: ReferenceTable
        var objects: [UInt64: Entry] = [:]
    }

    private struct Entry {
        let object: any COMObject
        let className: String
        /// The interfaces that the class declares.
        let declared: [GUID: COMInterface]
        var handlers: [GUID: [RPCHandler?]] = [:]
    }

    /// Makes an exporter without objects.
    public init(
        timing: PingTiming = PingTiming(), limits: ExporterLimits = ExporterLimits(), time: TimeSource = .system,
        logger: Logger = Logger(label: "dcom")
    ) {
        oxid = .random(in: 1 ... .max)
        remoteUnknown = .random()
        remoteUnknownOID = .random(in: 1 ... .max)
        self.limits = limits
        self.timing = timing
        self.time = time
        self.logger = logger
        state = Mutex(State(table: ReferenceTable(timing: timing, limits: limits)))
    }

    /// How many objects are alive.
    public var objectCount: Int {
        state.withLock { $0.table.objects.count }
    }

    /// How many interfaces of theirs have been handed out.
    public var interfaceCount: Int {
        state.withLock { $0.table.interfaces.count }
    }

    // MARK: Exporting

    /// Makes an object's interfaces reachable for one user.
    ///
    /// - Returns: One result for each interface, in their order. If all of them are failures the object is not kept, and its
    ///   owner has to release it.
    /// - Throws: E_OUTOFMEMORY if there are too many objects.
    func export(
        _ object: any COMObject, of type: COMClassDescription, iids: [GUID], owner: String
    ) throws(HRESULT) -> [Result<STDOBJREF, HRESULT>] {
        var entry = Entry(object: object, className: type.name, declared: type.interfaces)
        // The object's own code is not run under the lock.
        for iid in Set(iids) { entry.handlers[iid] = Self.handlers(of: entry, iid) }
        guard !entry.handlers.isEmpty else { return iids.map { _ in .failure(.noInterface) } }
        let now = time.now()
        let references: [Result<STDOBJREF, HRESULT>]? = state.withLock { state in
            var oid: UInt64
            repeat {
                oid = .random(in: 1 ... .max)
            } while oid == remoteUnknownOID || state.table.objects[oid] != nil
            guard state.table.add(oid, owner: owner, now: now) else { return nil }
            state.objects[oid] = entry
            return iids.map { iid in
                guard entry.handlers[iid] != nil,
                    let ipid = state.table.marshal(
                        oid, iid: iid, references: DCOMConstant.initialReferences, now: now)
                else { return .failure(.noInterface) }
                return .success(
                    STDOBJREF(
                        flags: 0, cPublicRefs: DCOMConstant.initialReferences, oxid: oxid, oid: oid, ipid: ipid))
            }
        }
        guard let references else { throw .outOfMemory }
        return references
    }

    private static func handlers(of entry: Entry, _ iid: GUID) -> [RPCHandler?]? {
        if iid == DCOMIdentifier.unknown { return entry.object.handlers(for: iid) ?? [] }
        return entry.declared[iid] == nil ? nil : entry.object.handlers(for: iid)
    }

    // MARK: The remote unknown

    /// QueryInterface on the object behind an IPID (3.1.1.5.6.1.1).
    ///
    /// - Returns: nil if there is no such object for this user.
    func queryInterface(
        _ ipid: GUID, iids: [GUID], references: UInt32, user: String
    ) -> [Result<STDOBJREF, HRESULT>]? {
        if ipid == remoteUnknown { return iids.map { ofRemoteUnknown($0, references: references) } }
        let now = time.now()
        let found: (oid: UInt64, entry: Entry)? = state.withLock { state in
            guard let oid = state.table.object(of: ipid, user: user), let entry = state.objects[oid] else { return nil }
            return (oid, entry)
        }
        guard let (oid, entry) = found else { return nil }
        var handlers = entry.handlers
        for iid in Set(iids) where handlers[iid] == nil { handlers[iid] = Self.handlers(of: entry, iid) }
        return state.withLock { state in
            // Between the two locks the object may have been released.
            guard state.objects[oid] != nil else { return nil }
            state.objects[oid]?.handlers.merge(handlers) { current, _ in current }
            return iids.map { iid in
                guard handlers[iid] != nil,
                    let ipid = state.table.marshal(oid, iid: iid, references: references, now: now)
                else { return .failure(.noInterface) }
                return .success(STDOBJREF(flags: 0, cPublicRefs: references, oxid: oxid, oid: oid, ipid: ipid))
            }
        }
    }

    /// The remote unknown has an IPID and an OID as any object has (3.1.1.3), so it can be asked for its interfaces, too.
    private func ofRemoteUnknown(_ iid: GUID, references: UInt32) -> Result<STDOBJREF, HRESULT> {
        switch iid {
        case DCOMIdentifier.unknown, DCOMIdentifier.remoteUnknown, DCOMIdentifier.remoteUnknown2:
            .success(
                STDOBJREF(
                    flags: 0, cPublicRefs: references, oxid: oxid, oid: remoteUnknownOID, ipid: remoteUnknown))
        default:
            .failure(.noInterface)
        }
    }

    /// RemAddRef.
    func addReferences(_ references: [REMINTERFACEREF], user: String) -> [HRESULT] {
        let now = time.now()
        return state.withLock { state in
            references.map {
                // The exporter itself is not counted; it never ends.
                $0.ipid == remoteUnknown
                    ? .ok
                    : state.table.addReferences(
                        $0.ipid, public: $0.cPublicRefs, private: $0.cPrivateRefs, user: user, now: now)
            }
        }
    }

    /// RemRelease. When it returns, objects that lost their last reference have undone their state.
    func releaseReferences(_ references: [REMINTERFACEREF], user: String) async {
        let now = time.now()
        let released: [Entry] = state.withLock { state in
            references.compactMap {
                state.table.releaseReferences(
                    $0.ipid, public: $0.cPublicRefs, private: $0.cPrivateRefs, user: user, now: now
                ).flatMap { state.objects.removeValue(forKey: $0) }
            }
        }
        await release(released, because: "its client released it")
    }

    // MARK: Calls

    /// What a call on an interface is dispatched to.
    struct Target {
        let oid: UInt64
        let iid: GUID
        let handlers: [RPCHandler?]
    }

    /// Begins a call; ``endCall(_:)`` has to follow.
    ///
    /// - Returns: nil if the IPID is forged, released, or another user's.
    func beginCall(_ ipid: GUID, user: String) -> Target? {
        let now = time.now()
        return state.withLock { state in
            guard let (oid, iid) = state.table.beginCall(ipid, user: user, now: now) else { return nil }
            return Target(oid: oid, iid: iid, handlers: state.objects[oid]?.handlers[iid] ?? [])
        }
    }

    /// Ends a call, and releases the object if it lost its last reference meanwhile.
    func endCall(_ target: Target) async {
        let now = time.now()
        let released: Entry? = state.withLock { state in
            state.table.endCall(target.oid, now: now).flatMap { state.objects.removeValue(forKey: $0) }
        }
        if let released { await release([released], because: "its client released it during a call") }
    }

    // MARK: Pinging

    func simplePing(_ set: UInt64, user: String) -> Win32Error {
        let now = time.now()
        return state.withLock { $0.table.ping(set, user: user, now: now) }
    }

    func complexPing(_ change: PingSets.Change) -> (set: UInt64, result: Win32Error) {
        var change = change
        // A client may ping for the remote unknown as for any object that it has a reference to. It need not.
        change.add.removeAll { $0 == remoteUnknownOID }
        let now = time.now()
        return state.withLock { $0.table.ping(change, now: now) }
    }

    /// Releases the objects whose clients have been silent for too long.
    public func collect() async {
        let now = time.now()
        let collected: [Entry] = state.withLock { state in
            state.table.collect(now: now).compactMap { state.objects.removeValue(forKey: $0) }
        }
        await release(collected, because: "its client is silent")
    }

    /// Collects for as long as the task runs, four times in a ping period.
    public func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                try await time.sleep(timing.period / 4)
                // Not waited for: an object whose disk does not answer must not keep those of clients that vanish later.
                group.addTask { await self.collect() }
            }
        }
    }

    /// Releases all objects, because the server ends.
    public func releaseAll() async {
        let all: [Entry] = state.withLock { state in
            let all = state.table.removeAll().compactMap { state.objects[$0] }
            state.objects = [:]
            return all
        }
        await release(all, because: "the server ends")
    }

    /// Each by itself: an object that takes its time does not keep the others waiting.
    private func release(_ entries: [Entry], because reason: String) async {
        guard !entries.isEmpty else { return }
        // A task of its own: the call that ends an object may be cancelled, on its client's wish or as its connection closes, and
        // what is to be undone must not be called off with it.
        await Task { [logger] in
            await withDiscardingTaskGroup { group in
                for entry in entries {
                    logger.debug("object released", metadata: ["class": "\(entry.className)", "reason": "\(reason)"])
                    group.addTask { await entry.object.released() }
                }
            }
        }.value
    }
}

/// What an exporter has to know of a class.
struct COMClassDescription: Sendable {
    let name: String
    let interfaces: [GUID: COMInterface]

    init(name: String, interfaces: [COMInterface]) {
        self.name = name
        self.interfaces = Dictionary(interfaces.map { ($0.iid, $0) }) { first, _ in first }
    }
}
