import Foundation

/// What this program is allowed to do: what strangers send is not parsed as root.
enum Privileges {
    /// The user and the group that Linux keeps for those who own nothing.
    private static let nobody: uid_t = 65534

    /// Gives up root's for good; does nothing where they are somebody else's already.
    ///
    /// - Throws: ``Failure`` where the kernel refuses: then nothing may be connected to.
    static func drop() throws {
        guard geteuid() == 0 else { return }
        guard setgroups(0, nil) == 0, setregid(nobody, nobody) == 0, setreuid(nobody, nobody) == 0
        else { throw Failure(reason: String(cString: strerror(errno))) }
    }

    /// Root's privileges could not be given up.
    struct Failure: Error, CustomStringConvertible {
        let reason: String

        var description: String { "cannot give up privileges: \(reason)" }
    }
}
