import FileShares
import Foundation
import Logging

/// The node's file sharing, as the settings have it.
enum NodeShares {
    static func make(_ settings: Settings) -> SambaFileShares {
        // The helper lies beside the daemon, wherever that is.
        let daemon = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        var configuration = SambaFileShares.Configuration(
            stateFolder: URL(fileURLWithPath: settings.stateFolder).standardizedFileURL.path,
            addresses: settings.servingAddresses,
            probe: daemon.deletingLastPathComponent().appendingPathComponent("clusprep-smb-probe").path,
            searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin")
        configuration.shareFolder = settings.shareFolder
        configuration.user = settings.shareUser
        configuration.port = UInt16(settings.sharePort)
        configuration.sambaConfiguration = settings.sambaConfiguration
        return SambaFileShares(configuration: configuration, logger: Logger(label: "clusprepd.shares"))
    }
}
