import FileShares

extension Settings {
    /// The names by which clients are told to reach this node.
    var bindingNames: [String] {
        [fqdn, nodeName] + advertise.filter { IPAddress($0) == nil }
    }

    /// The addresses by which clients are told to reach this node, besides the one each came by. An address that stands for all of
    /// them is none.
    var bindingAddresses: [String] {
        (listen + advertise).compactMap(IPAddress.init).filter { !$0.isWildcard }.map(\.description)
    }
}
