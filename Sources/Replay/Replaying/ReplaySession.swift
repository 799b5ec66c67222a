import DCERPC
import InterfaceValues
import NDR
import Security

/// The connections of one replay, and what is known so far.
actor ReplaySession {
    /// What has become of an association.
    private enum Connection {
        case open(RPCClient)
        case failed(String)
    }

    /// Why a presentation context cannot be called on.
    private struct Refusal {
        let words: String
        /// Whether it is the server that does not want it.
        let isServers: Bool
    }

    /// What calls are made on: a presentation context, as negotiated together with a security context of the capture, or without.
    private struct Place: Hashable {
        let context: UInt16
        let security: UInt32?
    }

    /// A presentation context of the live server.
    private struct LiveContext {
        let interface: BoundInterface
        /// Whether a security context protects the calls.
        let isProtected: Bool
    }

    /// A captured server's group: each server, and each of its ports, counts its own.
    private struct Group: Hashable {
        let server: CapturedEndpoint
        let number: UInt32
    }

    let options: Replayer.Options
    private let observer: @Sendable (ReplayReport.Call) -> Void
    private let associations: [Int: CapturedAssociation]
    private let hosts: [String: String]
    private let catalogue = InterfaceCatalogue.standard
    var identities = IdentityMap()
    private var connections: [Int: Connection] = [:]
    /// The live numbers of groups.
    private var groups: [Group: UInt32] = [:]
    /// What each association has authenticated as first: the live client goes on with that where nothing else is asked for.
    private var firstSecurity: [Int: UInt32] = [:]
    private var contexts: [Int: [Place: LiveContext]] = [:]
    private var refusals: [Int: [Place: Refusal]] = [:]
    private var calls: [ReplayReport.Call] = []
    private var negotiations: [ReplayReport.Negotiation] = []

    init(
        _ traffic: CapturedTraffic, _ options: Replayer.Options,
        _ observer: @escaping @Sendable (ReplayReport.Call) -> Void
    ) {
        self.options = options
        self.observer = observer
        associations = Dictionary(
            traffic.associations.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        hosts = Dictionary(
            traffic.associations.map {
                ($0.server.address.lowercased(), options.hosts[$0.server.address] ?? options.host)
            },
            uniquingKeysWith: { first, _ in first }
        ).filter { !$0.value.isEmpty }
    }

    /// What came of all that was done.
    var report: ReplayReport {
        ReplayReport(
            host: options.host.isEmpty ? Set(options.hosts.values).sorted().joined(separator: ", ") : options.host,
            negotiations: negotiations.sorted { $0.association < $1.association },
            calls: calls.sorted { $0.id < $1.id })
    }

    func close() async {
        for case .open(let client) in connections.values { await client.close() }
    }

    /// - Parameter begun: Is called when a call's request is as good as sent.
    func perform(_ step: ReplaySchedule.Step, begun: @escaping @Sendable () -> Void) async {
        switch step.work {
        case .negotiation(let negotiation):
            guard options.rules.skippedAssociations[step.association] == nil else { return }
            await negotiate(negotiation, on: step.association)
        case .call(let call):
            let result = await replay(call, begun)
            calls.append(result)
            observer(result)
        case .end:
            await hangUp(step.association)
        }
    }

    // MARK: Associations

    private func connection(_ id: Int) async throws -> RPCClient {
        switch connections[id] {
        case .open(let client): return client
        case .failed(let words): throw ReplayFailure(words)
        case nil: break
        }
        let captured = associations[id]
        let port = captured?.server.port ?? 135
        let livePort = port == 135 ? options.port : identities.port(port, of: servers(id))
        let group = group(id).flatMap { groups[$0] } ?? 0
        do {
            guard !host(id).isEmpty else { throw ReplayFailure("no server takes the place of \(address(id))") }
            var limits = RPCClient.Limits()
            limits.connectTime = options.timeLimit
            let client = try await RPCClient.connect(host: host(id), port: livePort, group: group, limits: limits)
            connections[id] = .open(client)
            return client
        } catch {
            giveUp(id, words(error))
            throw error
        }
    }

    /// The captured client has hung up, or its server has.
    private func hangUp(_ id: Int) async {
        guard case .open(let client)? = connections[id] else { return }
        connections[id] = .failed("the connection was closed in the capture")
        await client.close()
        guard let group = group(id) else { return }
        let isShared = connections.contains { other, connection in
            if case .open = connection { self.group(other) == group } else { false }
        }
        // The server ends a group with its last connection, and its number with it.
        if !isShared { groups[group] = nil }
    }

    /// What an association's server is known by; it may have several addresses.
    func servers(_ id: Int) -> [IdentityMap.Server] {
        [.captured(address(id)), .live(host(id))]
    }

    /// The captured server's address.
    private func address(_ id: Int) -> String {
        associations[id]?.server.address ?? ""
    }

    /// The live server in its place.
    private func host(_ id: Int) -> String {
        options.hosts[address(id)] ?? options.host
    }

    /// Nothing more is tried on the association.
    private func giveUp(_ id: Int, _ words: String) {
        connections[id] = .failed(words)
    }

    private func negotiate(_ negotiation: CapturedNegotiation, on id: Int) async {
        var isAuthenticated = false
        // What was accepted comes first: the refusal of an association's first offer ends the connection.
        for index in negotiation.acceptedFirst {
            let offer = negotiation.offers[index]
            let place = Place(context: offer.id, security: negotiation.authenticationContext)
            // A later leg of an exchange repeats the offer.
            guard contexts[id]?[place] == nil, refusals[id]?[place] == nil else { continue }
            var expected: PresentationResult?
            if case .accepted(let results) = negotiation.answer, index < results.count { expected = results[index] }
            if case .features? = expected { continue }
            // A client offers an interface once for each transfer syntax, and the server takes one of these offers: that it
            // refuses another one says nothing of its transfer syntax ([MS-RPCE] 3.3.1.5.6).
            if case .rejected(.transferSyntaxesNotSupported)? = expected, negotiation.accepts(offer.abstractSyntax) {
                refusals[id, default: [:]][place] = Refusal(
                    words: "another transfer syntax was chosen", isServers: true)
                continue
            }
            let name = catalogue.name(of: offer.abstractSyntax.uuid) ?? "\(offer.abstractSyntax)"
            let offered: [TransferSyntax]
            if case .accepted(let syntax)? = expected {
                offered = TransferSyntax(syntax).map { [$0] } ?? []
            } else {
                offered = offer.transferSyntaxes.compactMap { TransferSyntax($0) }
            }
            guard !offered.isEmpty else {
                refusals[id, default: [:]][place] = Refusal(
                    words: "its transfer syntax is not spoken here", isServers: false)
                continue
            }
            let wasAccepted = negotiation.isAccepted(index)
            let isUnanswered = negotiation.lacksAnswer(to: index)
            do {
                // One authentication is enough for all offers of a bind.
                let goesOn = isAuthenticated && firstSecurity[id] == negotiation.authenticationContext
                let security = try goesOn ? nil : initiator(for: negotiation, on: id)
                let client = try await connection(id)
                let bound = try await limited(client) {
                    try await client.bind(
                        offer.abstractSyntax, transferSyntaxes: offered, security: security?.0,
                        level: security?.1 ?? .packetPrivacy)
                }
                if security != nil {
                    isAuthenticated = true
                    firstSecurity[id] = firstSecurity[id] ?? negotiation.authenticationContext
                }
                contexts[id, default: [:]][place] = LiveContext(
                    interface: bound, isProtected: firstSecurity[id] != nil)
                await rememberGroup(of: client, on: id)
                if wasAccepted {
                    add(.same, name, id, nil)
                } else if isUnanswered {
                    add(.notCompared, name, id, "the capture has no answer")
                } else {
                    add(.differs, name, id, "accepted now, refused in the capture")
                }
            } catch {
                let words = words(error)
                let isRefusal = Self.isRefusal(error)
                let isSame = isRefusal && negotiation.isRefused(index, as: error)
                refusals[id, default: [:]][place] = Refusal(
                    words: words, isServers: wasAccepted || isUnanswered ? isRefusal : isSame)
                if wasAccepted || isUnanswered {
                    add(wasAccepted ? .differs : .notCompared, name, id, "refused now: \(words)")
                } else if isSame {
                    add(.same, name, id, nil)
                } else if isRefusal {
                    add(.differs, name, id, "refused in the capture for another reason; now: \(words)")
                } else {
                    add(.differs, name, id, "refused in the capture, not even that now: \(words)")
                }
                if error is ReplayTimeout { giveUp(id, words) }
                if isRefusal, contexts[id] == nil { await beginAnew(id) }
            }
        }
    }

    /// Closes a connection on which nothing has been agreed on, for a client does not go on with it, though a server may: what
    /// comes next has another one.
    private func beginAnew(_ id: Int) async {
        guard case .open(let client)? = connections[id] else { return }
        connections[id] = nil
        await client.close()
    }

    /// Whether it is the server's answer to a bind, and nothing that kept it from answering.
    private static func isRefusal(_ error: any Error) -> Bool {
        switch error as? RPCClientError {
        case .bindRefused, .negotiationFault, .contextRejected: true
        default: false
        }
    }

    private func add(_ verdict: ReplayReport.Verdict, _ interface: String, _ association: Int, _ detail: String?) {
        negotiations.append(
            ReplayReport.Negotiation(association: association, interface: interface, verdict: verdict, detail: detail))
    }

    private func initiator(
        for negotiation: CapturedNegotiation, on id: Int
    ) throws -> (any SecurityInitiator, AuthenticationLevel)? {
        guard let contextID = negotiation.authenticationContext, let makeInitiator = options.makeInitiator else {
            return nil
        }
        let authentication = associations[id]?.authentications.first { $0.contextID == contextID }
        let level = authentication.flatMap { AuthenticationLevel(rawValue: $0.level) } ?? .packetPrivacy
        return (try makeInitiator(host(id), authentication?.provider ?? .ntlm), level)
    }

    /// The captured group of an association.
    private func group(_ id: Int) -> Group? {
        guard let captured = associations[id], captured.group != 0 else { return nil }
        return Group(server: captured.server, number: captured.group)
    }

    private func rememberGroup(of client: RPCClient, on id: Int) async {
        guard let group = group(id), groups[group] == nil, let live = try? await client.group, live != 0 else { return }
        groups[group] = live
    }

    // MARK: Calls

    private func replay(_ call: CapturedCall, _ begun: @escaping @Sendable () -> Void) async -> ReplayReport.Call {
        let interface = call.interface.flatMap { catalogue.interface($0) }
        let operation = call.opnum.flatMap { interface?.operation($0) }
        let interfaceName = interface?.name ?? call.interface.map { "\($0)" } ?? "an unknown interface"
        let operationName = operation?.name ?? call.opnum.map { "opnum \($0)" } ?? "an unknown operation"

        func result(
            _ verdict: ReplayReport.Verdict, _ detail: String?, _ differences: [FieldDifference] = []
        ) -> ReplayReport.Call {
            ReplayReport.Call(
                id: call.id, association: call.association, interface: interfaceName, operation: operationName,
                verdict: verdict, detail: detail, differences: differences)
        }

        if let reason = options.rules.skippedAssociations[call.association] { return result(.notCompared, reason) }
        guard let request = call.request, let opnum = call.opnum else {
            return result(.notReplayed, "the capture does not have the request")
        }
        guard request.isComplete else { return result(.notReplayed, "the capture does not have all of the request") }
        let octets: [UInt8]
        switch request.stub {
        case .plain(let plain): octets = plain
        case .unreadable(let reason): return result(.notReplayed, reason)
        }
        if case .failed(let words)? = connections[call.association] {
            return result(.differs, "not tried, the association has been given up: \(words)")
        }
        let exact = Place(context: call.presentationContext, security: call.protection?.contextID)
        let refusal = refusals[call.association]?[exact]
        // What was refused under one security context does not go under another.
        let found = contexts[call.association]?[exact] ?? (refusal == nil ? other(contexts, for: call) : nil)
        guard let live = found else {
            if let refusal = refusal ?? other(refusals, for: call) {
                // Called without a context in the capture, and faulted for it: now there is no context either.
                if case .fault = call.outcome, call.transferSyntax == nil, refusal.isServers {
                    return result(.same, nil)
                }
                return result(.differs, "not tried, the bind has been refused: \(refusal.words)")
            }
            return result(.notReplayed, "the capture does not have the bind")
        }
        // Nothing goes unprotected that was not in the capture, but where nobody is to log on.
        guard live.isProtected || call.protection == nil || options.makeInitiator == nil else {
            return result(.notReplayed, "its presentation context was negotiated without its security context")
        }
        let bound = live.interface

        let path = "\(interfaceName).\(operationName)"
        guard let stub = mapped(octets, request, operation, call, path, bound.transferSyntax) else {
            return result(.notReplayed, "it is big endian, and what it says is not known")
        }
        let caller = call.object.map { bound.withObject(identities.guid($0)) } ?? bound
        let answer: LiveAnswer
        do {
            answer = .response(
                try await limited(caller.client) {
                    try await caller.call(
                        opnum: opnum,
                        encode: {
                            $0.write(octets: stub)
                            begun()
                        }, decode: { Array($0.rest) })
                })
        } catch let fault as RPCFault {
            answer = .fault(fault)
        } catch {
            let words = words(error)
            giveUp(call.association, words)
            return result(.differs, words)
        }
        return compare(call, answer, operation, path, bound.transferSyntax, result)
    }

    /// What came of another negotiation of a call's presentation context than that with its security context: first of that without
    /// any. A security context may be used on every presentation context.
    private func other<Value>(_ known: [Int: [Place: Value]], for call: CapturedCall) -> Value? {
        func order(_ place: Place) -> Int64 { place.security.map(Int64.init) ?? -1 }
        return known[call.association]?.filter { $0.key.context == call.presentationContext }
            .min { order($0.key) < order($1.key) }?.value
    }

    /// The request's octets for the live server; those that are of no known operation stay as they are.
    ///
    /// - Returns: nil if they cannot, because their numbers are big endian: ours are little endian, whatever the captured ones
    ///   were.
    private func mapped(
        _ octets: [UInt8], _ request: CapturedMessage, _ operation: OperationSchema?, _ call: CapturedCall,
        _ path: String,
        _ syntax: TransferSyntax
    ) -> [UInt8]? {
        // NDR64 is little endian, whatever the PDU says.
        let unmapped = octets.isEmpty || !request.isBigEndian || syntax == .ndr64 ? octets : nil
        guard let operation, operation.isOnWire,
            let tree = try? operation.decodeRequest(
                octets, syntax: call.transferSyntax.flatMap { TransferSyntax($0) } ?? syntax,
                isBigEndian: request.isBigEndian)
        else { return unmapped }
        var mapper = RequestMapper(identities: identities, rules: options.rules, hosts: hosts)
        var live = mapper.map(tree, path: path)
        identities = mapper.identities
        live.isBigEndian = false
        // What aligned a verification trailer is nothing where there is none ([MS-RPCE] 2.2.2.13).
        if !request.verificationTrailer.isEmpty, live.trailing.count < 4 { live.trailing = [] }
        return (try? operation.encodeRequest(live)) ?? unmapped
    }

    // MARK: Time

    /// Does something on a connection, for as long as a server may take; then the connection is closed.
    private func limited<Value: Sendable>(
        _ client: RPCClient, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (limit, clock) = (options.timeLimit, options.clock)
        return try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await clock.sleep(for: limit)
                throw ReplayTimeout(limit: limit)
            }
            defer { group.cancelAll() }
            do {
                guard let first = try await group.next() else { throw CancellationError() }
                return first
            } catch let timeout as ReplayTimeout {
                // What waits for the server ends with the connection, and only then can the group end.
                await client.close()
                throw timeout
            }
        }
    }

    private func words(_ error: any Error) -> String {
        switch error {
        case let failure as ReplayFailure: failure.words
        case let timeout as ReplayTimeout: "no answer within \(timeout.limit)"
        default: "\(error)"
        }
    }
}

/// A server has not answered in time.
private struct ReplayTimeout: Error {
    let limit: Duration
}

/// Something that has been told already.
private struct ReplayFailure: Error {
    let words: String

    init(_ words: String) {
        self.words = words
    }
}

extension CapturedNegotiation {
    /// Whether the capture does not have what came of an offer.
    fileprivate func lacksAnswer(to index: Int) -> Bool {
        switch answer {
        case .missing: true
        case .accepted(let results): index >= results.count
        case .refused, .fault: false
        }
    }

    /// The offers' places, in front those of the accepted ones.
    fileprivate var acceptedFirst: [Int] {
        offers.indices.filter(isAccepted) + offers.indices.filter { !isAccepted($0) }
    }

    fileprivate func isAccepted(_ index: Int) -> Bool {
        guard case .accepted(let results) = answer, index < results.count, case .accepted = results[index] else {
            return false
        }
        return true
    }

    /// Whether an interface was accepted, in whichever transfer syntax.
    fileprivate func accepts(_ interface: SyntaxIdentifier) -> Bool {
        offers.indices.contains { offers[$0].abstractSyntax == interface && isAccepted($0) }
    }

    /// Whether an offer is refused now for the reason that it had in the capture.
    fileprivate func isRefused(_ index: Int, as error: any Error) -> Bool {
        switch (answer, error as? RPCClientError) {
        case (.refused(let reason), .bindRefused(let now)?): return reason == now
        case (.fault(let fault), .negotiationFault(let now)?): return fault == now
        case (.accepted(let results), .contextRejected(let now)?) where index < results.count:
            if case .rejected(let reason) = results[index] { return reason == now }
            // What a server's user says is not told apart.
            return now == .notSpecified
        default: return false
        }
    }
}
