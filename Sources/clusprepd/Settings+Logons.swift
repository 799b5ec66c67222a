import ClusterEngine
import Security

extension Settings {
    /// Reads what concerns the checking of clients.
    mutating func readLogons(_ reader: SettingReader) throws(StartupError) {
        targetNames = try reader.texts(.targetNames) ?? targetNames
        if let text = try reader.text(.ntlmTarget) {
            switch text {
            case "any": ntlmTarget = .any
            case "named": ntlmTarget = .ifNamed
            case "required": ntlmTarget = .required
            default: throw .badSetting(Setting.ntlmTarget.name, reason: "\"\(text)\" is not any, named or required")
            }
        }
        ntlmAuth = try reader.texts(.ntlmAuth) ?? ntlmAuth
        guard ntlmAuth.first?.hasPrefix("/") ?? true else {
            throw .badSetting(Setting.ntlmAuth.name, reason: "has to begin with a program's absolute path")
        }
        domainAdministrators = try reader.texts(.domainAdministrators) ?? domainAdministrators
        if let name = domainAdministrators.first(where: { $0.split(separator: "\\").count != 2 }) {
            throw .badSetting(Setting.domainAdministrators.name, reason: "\"\(name)\" is not DOMAIN\\NAME")
        }
        freeLogonFailures = try reader.number(.freeLogonFailures) ?? freeLogonFailures
    }

    /// Who has a domain's users checked, if anybody.
    var ntlmAuthority: NTLMAuthHelper? {
        guard !ntlmAuth.isEmpty else { return nil }
        let administrators = Set(domainAdministrators.map(NTLMCase.uppercased))
        return NTLMAuthHelper(command: ntlmAuth) { domain, user in
            administrators.contains(NTLMCase.uppercased("\(domain)\\\(user)"))
        }
    }

    /// What slows the guessing of passwords.
    var logonThrottle: LogonThrottle {
        var limits = LogonThrottle.Limits()
        limits.freeFailures = freeLogonFailures
        return LogonThrottle(limits)
    }
}
