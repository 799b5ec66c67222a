/// The configuration file of clusprepd that answers lead to.
struct DaemonConfiguration: Encodable, Equatable {
    var nodeName: String?
    var fqdn: String
    var listen: [String]
    var endpointMapperPort: Int
    var exporterPort: Int
    var stateFolder: String
    var disks: [String]
    var localDisks: String
    var iscsiCredentials: String?
    var kerberosKeytab: String?
    var kerberosAdministrators: [String]?
    var shareUser: String?

    /// - Parameter fqdn: the full name, always written: the set-up asks the resolver for it, too, and the daemon the kernel alone.
    init(_ answers: SetupAnswers, paths: SetupPaths, fqdn: String) throws(SetupError) {
        nodeName = answers.nodeName
        self.fqdn = fqdn
        listen = answers.listen
        endpointMapperPort = answers.endpointMapperPort
        exporterPort = answers.exporterPort
        stateFolder = answers.stateFolder
        disks = try answers.targets.map(\.description)
        localDisks = answers.localDisks ? "all" : "none"
        iscsiCredentials = answers.iscsiCredentials
        if answers.keytab != nil {
            kerberosKeytab = paths.keytab
            if !answers.kerberosAdministrators.isEmpty { kerberosAdministrators = answers.kerberosAdministrators }
        }
        if answers.fileShares { shareUser = answers.shareUser }
    }
}
