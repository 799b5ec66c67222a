import ClusterEngine
import Foundation
import Security

extension Settings {
    /// How the node presents itself.
    var identity: NodeIdentity {
        NodeIdentity(
            fqdn: fqdn, systemVersion: .init(major: presentedVersion.major, minor: presentedVersion.minor))
    }

    /// The state folder's path, for other programs.
    var absoluteStateFolder: String {
        URL(fileURLWithPath: stateFolder).standardizedFileURL.path
    }

    /// What the node says of the clusters it can be in; nil where it presents a Windows that knows no levels.
    var levels: ClusterLevels? {
        ClusterLevels.presented(
            functionalLevel: functionalLevel,
            version: configuredVersion.map { .init(major: $0.major, minor: $0.minor) })
    }

    /// The node's names in NTLM. The domain may be given by its NetBIOS or its DNS name.
    var ntlmEnvironment: NTLMEnvironment {
        let ownDomain = String(fqdn.drop { $0 != "." }.dropFirst())
        let dnsDomain = domain.contains(".") ? domain : (ownDomain.isEmpty ? fqdn : ownDomain)
        return NTLMEnvironment(
            netbiosComputerName: nodeName.uppercased(),
            netbiosDomainName: String(domain.prefix { $0 != "." }.uppercased().prefix(15)),
            dnsComputerName: fqdn, dnsDomainName: dnsDomain)
    }

    /// How long the end may take in all: beyond the calls in progress there are disks to give back.
    var endTime: Duration {
        shutdownTimeout + .seconds(10)
    }
}
