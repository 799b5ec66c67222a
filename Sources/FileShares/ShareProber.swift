import Foundation
import Logging
import Security

/// Speaks SMB through `clusprep-smb-probe`, one process a connection.
struct ShareProber: Sendable {
    /// The helper's path.
    var program: String
    /// A folder of our own that libsmbclient takes for its user's home, with a configuration of ours in it.
    var home: String
    /// The port of every server.
    var port: UInt16
    /// How long one connection may take.
    var timeout: Duration
    var logger: Logger

    /// Connections made at a time.
    private static let width = 16
    /// What the helper gets beyond its own time-out before it is killed: it may be in the middle of libsmbclient, which cannot
    /// be called off.
    private static let grace = Duration.seconds(2)
    private static let helperName = "clusprep-smb-probe"

    /// The servers that answer an SMB negotiation, in the order given, and what the others do.
    func answering(
        _ addresses: [IPAddress]
    ) async throws -> (found: [IPAddress], silent: [(address: IPAddress, failure: FileShareError.ConnectionFailure)]) {
        try prepare()
        var outcomes = [Result<Void, FileShareError.ConnectionFailure>?](repeating: nil, count: addresses.count)
        try await inParallel(addresses.indices) { index in
            let reply = try await ask(.init(address: "\(addresses[index])", port: port, timeout: milliseconds))
            return (index, reply.failure)
        } each: { index, failure in
            outcomes[index] = failure.map { .failure($0) } ?? .success(())
            return true
        }
        var silent: [(IPAddress, FileShareError.ConnectionFailure)] = []
        for (address, outcome) in zip(addresses, outcomes) {
            if case .failure(let failure) = outcome { silent.append((address, failure)) }
        }
        return (addresses.filter { address in !silent.contains { $0.0 == address } }, silent)
    }

    /// Connects to the first of the servers that has the share, and reads the share's file. The others are let go.
    ///
    /// - Throws: ``FileShareError/notReached(path:failure:)`` with what led furthest.
    func connect(to paths: [SharePath], share: TestShare, user: String) async throws {
        try prepare()
        let routable = paths.filter(\.isRoutable)
        var furthest: (path: SharePath, failure: FileShareError.ConnectionFailure)?
        if let path = paths.first(where: { !$0.isRoutable }) { furthest = (path, .notRoutable) }
        var isConnected = false
        try await inParallel(routable.indices) { index in
            let path = routable[index]
            var request = ProbeRequest(address: "\(path.address)", port: port, timeout: milliseconds)
            request.file = .init(
                share: share.name, name: TestShare.fileName, user: user,
                password: String(decoding: share.password.bytes, as: UTF8.self), limit: share.token.utf8.count + 1)
            let reply = try await ask(request)
            return (path, reply.failure ?? (reply.text == share.token ? nil : .wrongShare))
        } each: { path, failure in
            guard let failure else {
                isConnected = true
                return false
            }
            logger.info("\(path) does not lead to the share: \(failure)")
            if furthest.map({ failure > $0.failure }) ?? true { furthest = (path, failure) }
            return true
        }
        if isConnected { return }
        guard let furthest else { throw FileShareError.badPaths(reason: "none") }
        throw FileShareError.notReached(path: "\(furthest.path)", failure: furthest.failure)
    }

    private var milliseconds: Int { Int(timeout / .milliseconds(1)) }

    /// Runs the work for each index, a few at a time, until `each` has had enough or all are done.
    private func inParallel<Value: Sendable>(
        _ indices: Range<Int>, _ work: @escaping @Sendable (Int) async throws -> Value,
        each: (Value) -> Bool
    ) async throws {
        try await withThrowingTaskGroup(of: Value.self) { group in
            var rest = indices[...]
            for index in rest.prefix(Self.width) { group.addTask { try await work(index) } }
            rest = rest.dropFirst(Self.width)
            while let value = try await group.next() {
                guard each(value) else { break }
                if let index = rest.popFirst() { group.addTask { try await work(index) } }
            }
            group.cancelAll()
            // Those that are let go end with a cancellation, which is no failure of the others.
            while await group.nextResult() != nil {}
        }
    }

    private func ask(_ request: ProbeRequest) async throws -> ProbeReply {
        let result: ProgramRun.Result
        do {
            result = try await ProgramRun.run(
                program, [], environment: ["HOME": home, "PATH": "/usr/bin:/bin", "LC_ALL": "C"],
                input: Array(try JSONEncoder().encode(request)), timeout: timeout + Self.grace)
        } catch ProgramRun.Failure.timedOut {
            return ProbeReply(.timedOut, detail: "killed")
        } catch ProgramRun.Failure.notStarted(let error) {
            throw FileShareError.commandFailed(command: program, reason: String(cString: strerror(error)))
        }
        // The dynamic linker's status for a library that is not there.
        if result.status == 127 {
            throw FileShareError.notInstalled(
                program: program, remedy: "it does not start; install libsmbclient (Debian: libsmbclient)")
        }
        guard result.status == 0, let reply = try? JSONDecoder().decode(ProbeReply.self, from: Data(result.output.utf8))
        else {
            let status = result.status.map { "status \($0)" } ?? "a signal"
            throw FileShareError.commandFailed(command: program, reason: "\(status): \(result.errors.suffix(500))")
        }
        if let detail = reply.detail { logger.debug("\(request.address) port \(request.port): \(detail)") }
        return reply
    }

    /// Sees that the helper is there, and writes its configuration.
    private func prepare() throws(FileShareError) {
        guard access(program, X_OK) == 0 else {
            throw .notInstalled(program: program, remedy: "\(Self.helperName) belongs beside clusprepd")
        }
        let folder = home + "/.smb"
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try Data(Self.configuration(home: home).utf8).write(
                to: URL(fileURLWithPath: folder + "/smb.conf"), options: .atomic)
        } catch {
            throw .fileFailed(path: folder, reason: "\(error)")
        }
    }

    /// libsmbclient prefers this to the host's smb.conf, which may ask for domains, Kerberos or SMB 1. Signing is asked of
    /// every server; encryption of those that can.
    private static func configuration(home: String) -> String {
        """
        [global]
        workgroup = WORKGROUP
        client min protocol = SMB2_02
        client max protocol = SMB3
        client signing = required
        client smb encrypt = desired
        client use kerberos = off
        name resolve order = host
        disable netbios = yes
        lock directory = \(home)
        state directory = \(home)
        cache directory = \(home)
        private dir = \(home)

        """
    }
}

extension ProbeReply {
    /// What the outcome says about the address; nil where all went well.
    fileprivate var failure: FileShareError.ConnectionFailure? {
        switch outcome {
        case .ok: nil
        case .unreachable: .unreachable
        case .timedOut: .timedOut
        case .notSMB: .notSMB
        case .accessDenied: .accessDenied
        case .noShare: .noShare
        }
    }
}
