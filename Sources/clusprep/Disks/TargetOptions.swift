import ArgumentParser
import Foundation
import HostInventory
import Reservations

/// As whom disks are opened, and with which secrets.
struct TargetOptions: ParsableArguments {
    @Option(
        name: .customLong("as"),
        help: ArgumentHelp(
            "The initiator the disks are to see.",
            discussion: """
                A name makes an iSCSI name and a session identifier that are the same each time; an iSCSI name (iqn.…, \
                eui.…, naa.…) is taken as it is. By default the name is that of this host and this program, which is not the \
                one its daemon has: two sessions with one name would end each other.
                """,
            valueName: "name"))
    var initiator: String?

    @Option(
        help: ArgumentHelp(
            "The file with the secrets of iSCSI targets that ask for them; readable by its owner alone.",
            valueName: "file"))
    var credentials: String?

    func validate() throws {
        _ = try identity()
    }

    /// The initiator port.
    func identity() throws -> InitiatorIdentity {
        guard let initiator else { return .node("clusprep." + ProcessInfo.processInfo.hostName) }
        guard ["iqn.", "eui.", "naa."].contains(where: initiator.lowercased().hasPrefix) else {
            guard !initiator.isEmpty else { throw ValidationError("--as needs a name") }
            return .node(initiator)
        }
        let sessionID = InitiatorIdentity.node(initiator).sessionID
        guard let identity = InitiatorIdentity(name: initiator, sessionID: sessionID) else {
            throw ValidationError(
                "--as: \"\(initiator)\" is no iSCSI name: at most 223 characters, no spaces or commas")
        }
        return identity
    }

    /// The secrets.
    func secrets() throws -> ISCSICredentials? {
        do {
            return try credentials.map { try ISCSICredentials(file: $0) }
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    /// What opens targets.
    func opener() throws -> TargetOpener {
        TargetOpener(
            initiator: try identity(), credentials: try secrets(), roles: { try HostDisks().roles(of: $0) })
    }
}
