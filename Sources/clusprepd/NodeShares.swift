import FileShares
import Foundation
import Logging

/// The node's file sharing, as the settings have it.
enum NodeShares {
    /// The helper, which lies beside the daemon, wherever that is.
    static var probe: String {
        let daemon = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return daemon.deletingLastPathComponent().appendingPathComponent("clusprep-smb-probe").path
    }

    /// Where Samba's programs are looked for.
    static var searchPath: String {
        ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"
    }

    static func make(_ settings: Settings) -> SambaFileShares {
        var configuration = SambaFileShares.Configuration(
            stateFolder: settings.absoluteStateFolder, addresses: settings.servingAddresses, probe: probe,
            searchPath: searchPath)
        configuration.shareFolder = settings.shareFolder
        configuration.user = settings.shareUser
        configuration.port = UInt16(settings.sharePort)
        configuration.sambaConfiguration = settings.sambaConfiguration
        return SambaFileShares(configuration: configuration, logger: Logger(label: "clusprepd.shares"))
    }
}
