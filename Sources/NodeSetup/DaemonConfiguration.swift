/// The configuration file of clusprepd that answers lead to.
struct DaemonConfiguration: Encodable, Equatable {
    var nodeName: String?
    var fqdn: String?
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

    init(_ answers: SetupAnswers, paths: SetupPaths) throws(SetupError) {
        nodeName = answers.nodeName
        fqdn = answers.fqdn
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
