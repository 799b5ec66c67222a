import Foundation
import Security

/// What a set-up was asked for and has changed, kept on the host so that it can be checked and undone.
///
/// A change stands here before it is made: whatever moment the power fails at, everything that was made is known.
public struct SetupRecord: Codable, Equatable, Sendable {
    /// One change of the host, as far as undoing it needs to know.
    public enum Change: Codable, Equatable, Sendable {
        /// A folder was made; it is removed if nothing is in it any more.
        case madeFolder(path: String)
        /// A file was made, with contents of this SHA-256 digest.
        case madeFile(path: String, digest: String)
        /// A file was replaced; what it held before, and its permission bits.
        case replacedFile(path: String, digest: String, before: Data, mode: UInt32)
        /// The state folder was made, with everything that a node keeps.
        case madeStateFolder(path: String)
        /// A user was added to the node's store.
        case addedUser(name: String, stateFolder: String)
        /// A Unix account was made.
        case madeAccount(name: String)
        /// The table of ours was made in the kernel's firewall.
        case openedFirewall
        /// A firewall manager was told to let in a port, such as `3343/udp`.
        case allowedPort(manager: FirewallManager, port: String)
        /// The service was enabled and started.
        case enabledService
    }

    /// Grows when a field changes its meaning.
    public var schema = 1
    /// What was asked for.
    public var answers: SetupAnswers
    /// What was changed, in that order.
    public var changes: [Change] = []
    /// Whether something was changed that the daemon has not read yet; nil for no.
    public var needsRestart: Bool?

    /// Nothing is changed yet.
    public init(answers: SetupAnswers) {
        self.answers = answers
    }

    /// The record of a host; nil where it was never set up.
    ///
    /// - Throws: ``SetupError``, also where the record is of a later release.
    public static func read(at paths: SetupPaths, on host: some SetupHost) throws(SetupError) -> SetupRecord? {
        guard let octets = try host.contents(of: paths.record) else { return nil }
        do {
            let record = try JSONDecoder().decode(SetupRecord.self, from: Data(octets))
            guard record.schema == 1 else {
                throw SetupError.badFile(path: paths.record, reason: "it is of a later release than this program")
            }
            return record
        } catch let error as SetupError {
            throw error
        } catch {
            throw .badFile(path: paths.record, reason: "it is no record of a set-up")
        }
    }

    /// Keeps the record.
    func write(at paths: SetupPaths, on host: some SetupHost) throws(SetupError) {
        try host.write(try jsonOctets(of: self), to: paths.record, mode: 0o600)
    }

    /// The digest by which a file is known again.
    static func digest(of contents: [UInt8]) throws(SetupError) -> String {
        do {
            return try Digest.sha256(contents).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        } catch {
            throw .refused(operation: "compute a digest", reason: "\(error)")
        }
    }
}

/// JSON for programs and people, with a line end.
func jsonOctets(of value: some Encodable) throws(SetupError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
        return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
    } catch {
        throw .refused(operation: "write JSON", reason: "\(error)")
    }
}

/// Programs that manage the host's firewall, and take ports to let in.
public enum FirewallManager: String, Codable, Sendable, CaseIterable {
    /// firewalld, asked by firewall-cmd.
    case firewalld
    /// Ubuntu's and Debian's ufw.
    case ufw
}
