import Security

/// What the daemon runs Kerberos with.
struct KerberosSettings: Equatable, Sendable {
    /// Nil where Kerberos is not offered.
    var keytab: String?
    var allowsRC4 = false
    var administrators: Set<String> = []
    var administratorGroups: Set<String> = []
    /// A user of this node by the principal.
    var accounts: [String: String] = [:]

    init() {}

    /// Reads the settings, and insists on their form: what names nobody would silently let nobody in.
    init(_ reader: SettingReader) throws(StartupError) {
        keytab = try Settings.absolute(reader.text(.kerberosKeytab), of: .kerberosKeytab)
        allowsRC4 = try reader.flag(.kerberosAllowRC4) ?? allowsRC4
        for principal in try reader.texts(.kerberosAdministrators) ?? [] {
            try Self.check(principal: principal, of: .kerberosAdministrators)
            administrators.insert(principal)
        }
        for group in try reader.texts(.kerberosAdministratorGroups) ?? [] {
            guard Self.isSecurityIdentifier(group) else {
                throw .badSetting(
                    Setting.kerberosAdministratorGroups.name, reason: "\"\(group)\" is not of the form S-1-5-21-...")
            }
            administratorGroups.insert(group)
        }
        for text in try reader.texts(.kerberosAccounts) ?? [] {
            let setting = Setting.kerberosAccounts
            guard let separator = text.lastIndex(of: "="), text.index(after: separator) < text.endIndex else {
                throw .badSetting(setting.name, reason: "\"\(text)\" is not PRINCIPAL=USER")
            }
            let principal = String(text[..<separator])
            try Self.check(principal: principal, of: setting)
            guard accounts.updateValue(String(text[text.index(after: separator)...]), forKey: principal) == nil else {
                throw .badSetting(setting.name, reason: "\(principal) stands in it twice")
            }
        }
        guard keytab != nil || self == KerberosSettings() else {
            throw .badSetting(
                Setting.kerberosKeytab.name, reason: "is missing, so the other settings of Kerberos say nothing")
        }
    }

    private static func check(principal: String, of setting: Setting) throws(StartupError) {
        let parts = principal.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw .badSetting(setting.name, reason: "\"\(principal)\" is not of the form NAME@REALM")
        }
    }

    private static func isSecurityIdentifier(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count > 3 && parts[0] == "S" && parts[1] == "1"
            && parts[2...].allSatisfy { part in UInt64(part).map { String($0) == part } ?? false }
    }
}
