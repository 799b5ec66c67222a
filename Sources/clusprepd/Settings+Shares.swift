import FileShares

extension Settings {
    /// The addresses that other nodes reach this node's SMB server by.
    var servingAddresses: [IPAddress] {
        shareAddresses ?? listen.compactMap(IPAddress.init)
    }

    /// What a list of addresses says; nil for none.
    static func addresses(_ texts: [String]?) throws(StartupError) -> [IPAddress]? {
        guard let texts else { return nil }
        var addresses: [IPAddress] = []
        for text in texts {
            guard let address = IPAddress(text) else {
                throw .badSetting(Setting.shareAddresses.name, reason: "\"\(text)\" is not an IPv4 or IPv6 address")
            }
            addresses.append(address)
        }
        return addresses
    }

    /// A path that other programs are told, who may be anywhere; nil for none.
    static func absolute(_ path: String?, of setting: Setting) throws(StartupError) -> String? {
        guard let path else { return nil }
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw .badSetting(setting.name, reason: "\"\(path)\" is not an absolute path")
        }
        return path
    }
}
