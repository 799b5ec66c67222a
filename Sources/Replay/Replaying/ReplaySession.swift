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

    let options: Replayer.Options
    private let observer: @Sendable (ReplayReport.Call) -> Void
    private let associations: [Int: CapturedAssociation]
    private let hosts: [String: String]
    private let catalogue = InterfaceCatalogue.standard
    var identities = IdentityMap()
    private var connections: [Int: Connection] = [:]
    private var groups: [UInt32: UInt32] = [:]
    private var contexts: [Int: [UInt16: BoundInterface]] = [:]
    private var refusals: [Int: [UInt16: Refusal]] = [:]
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

    func perform(_ step: ReplaySchedule.Step) async {
        switch step.work {
        case .negotiation(let negotiation):
            guard options.rules.skippedAssociations[step.association] == nil else { return }
            await negotiate(negotiation, on: step.association)
        case .call(let call):
            let result = await replay(call)
            calls.append(result)
            observer(result)
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
        let livePort = port == 135 ? options.port : identities.port(port, of: address(id))
        let group = captured.flatMap { $0.group == 0 ? nil : groups[$0.group] } ?? 0
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

    /// The captured server's address.
    func address(_ id: Int) -> String {
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
        for (index, offer) in negotiation.offers.enumerated() {
            // A later leg of an exchange repeats the offer.
            guard contexts[id]?[offer.id] == nil, refusals[id]?[offer.id] == nil else { continue }
            var expected: PresentationResult?
            if case .accepted(let results) = negotiation.answer, index < results.count { expected = results[index] }
            if case .features? = expected { continue }
            let name = catalogue.name(of: offer.abstractSyntax.uuid) ?? "\(offer.abstractSyntax)"
            let offered: [TransferSyntax]
            if case .accepted(let syntax)? = expected {
                offered = TransferSyntax(syntax).map { [$0] } ?? []
            } else {
                offered = offer.transferSyntaxes.compactMap { TransferSyntax($0) }
            }
            guard !offered.isEmpty else {
                refusals[id, default: [:]][offer.id] = Refusal(
                    words: "its transfer syntax is not spoken here", isServers: false)
                continue
            }
            let wasAccepted = if case .accepted? = expected { true } else { false }
            let isUnanswered = negotiation.lacksAnswer(to: index)
            do {
                let security = try initiator(for: negotiation, on: id)
                let client = try await connection(id)
                let bound = try await limited(client) {
                    try await client.bind(
                        offer.abstractSyntax, transferSyntaxes: offered, security: security?.0,
                        level: security?.1 ?? .packetPrivacy)
                }
                contexts[id, default: [:]][offer.id] = bound
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
                refusals[id, default: [:]][offer.id] = Refusal(words: words, isServers: isRefusal)
                if wasAccepted || isUnanswered {
                    add(wasAccepted ? .differs : .notCompared, name, id, "refused now: \(words)")
                } else if isRefusal {
                    add(.same, name, id, nil)
                } else {
                    add(.differs, name, id, "refused in the capture, not even that now: \(words)")
                }
                if error is ReplayTimeout { giveUp(id, words) }
            }
        }
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

    private func rememberGroup(of client: RPCClient, on id: Int) async {
        guard let captured = associations[id]?.group, captured != 0, groups[captured] == nil,
            let live = try? await client.group, live != 0
        else { return }
        groups[captured] = live
    }

    // MARK: Calls

    private func replay(_ call: CapturedCall) async -> ReplayReport.Call {
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
        guard let bound = contexts[call.association]?[call.presentationContext] else {
            if let refusal = refusals[call.association]?[call.presentationContext] {
                // Called without a context in the capture, and faulted for it: now there is no context either.
                if case .fault = call.outcome, call.transferSyntax == nil, refusal.isServers {
                    return result(.same, nil)
                }
                return result(.differs, "not tried, the bind has been refused: \(refusal.words)")
            }
            return result(.notReplayed, "the capture does not have the bind")
        }

        let path = "\(interfaceName).\(operationName)"
        let stub = mapped(octets, request, operation, call, path, bound.transferSyntax)
        let caller = call.object.map { bound.withObject(identities.guid($0)) } ?? bound
        let answer: LiveAnswer
        do {
            answer = .response(
                try await limited(caller.client) {
                    try await caller.call(
                        opnum: opnum, encode: { $0.write(octets: stub) }, decode: { Array($0.rest) })
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

    /// The request's octets for the live server; those that are of no known operation stay as they are.
    private func mapped(
        _ octets: [UInt8], _ request: CapturedMessage, _ operation: OperationSchema?, _ call: CapturedCall,
        _ path: String,
        _ syntax: TransferSyntax
    ) -> [UInt8] {
        guard let operation, operation.isOnWire,
            let tree = try? operation.decodeRequest(
                octets, syntax: call.transferSyntax.flatMap { TransferSyntax($0) } ?? syntax,
                isBigEndian: request.isBigEndian)
        else { return octets }
        var mapper = RequestMapper(identities: identities, rules: options.rules, hosts: hosts)
        var live = mapper.map(tree, path: path)
        identities = mapper.identities
        // Our PDUs are little endian, whatever the captured ones were.
        live.isBigEndian = false
        // What aligned a verification trailer is nothing where there is none ([MS-RPCE] 2.2.2.13).
        if !request.verificationTrailer.isEmpty, live.trailing.count < 4 { live.trailing = [] }
        return (try? operation.encodeRequest(live)) ?? octets
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
}
