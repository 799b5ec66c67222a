import Configuration
import FileShares
import Foundation
import Logging
import Reservations
import Security

/// What the daemon runs with: every setting, checked.
struct Settings: Equatable, Sendable {
    var stateFolder = "/var/lib/clusprep"
    var listen = ["0.0.0.0"]
    /// Names and addresses.
    var advertise: [String] = []
    var endpointMapperPort = 135
    var exporterPort = 0
    var nodeName: String
    var fqdn: String
    var domain: String
    var disks: [DiskTarget] = []
    var listsLocalDisks = true
    var iscsiCredentials: String?
    var shareUser = "clusprep"
    var sharePort = 445
    /// Nil for those that are listened on.
    var shareAddresses: [IPAddress]?
    var shareFolder = "/run/clusprep-shares"
    var sambaConfiguration: String?
    var pingPeriod = Duration.seconds(120)
    var defenseInterval = Duration.seconds(3)
    var challengeTime = Duration.seconds(7)
    /// Major and minor version.
    var presentedVersion: PresentedVersion
    /// The same, where it was configured and is not the kernel's.
    var configuredVersion: PresentedVersion?
    /// From 9 to 12; nil for the highest.
    var functionalLevel: UInt16?
    var logFolder = "/var/log/clusprep"
    var logShare = "clusprep-logs"
    /// Nil for the daemon's own.
    var logGroup: String?
    /// In MiB.
    var eventLogSize = 64
    var logLevel = Logger.Level.info
    var limits = Limits()
    var requireIntegrityCode = false
    var kerberos = KerberosSettings()
    var targetNames: [String] = []
    var ntlmTarget = NTLMTargetPolicy.ifNamed
    /// Empty for none.
    var ntlmAuth: [String] = []
    var domainAdministrators: [String] = []
    var freeLogonFailures = 10
    var shutdownTimeout = Duration.seconds(10)
    var diskThreads = 8
    var activationProbe = false
    var ready = false
    var stopAtEndOfInput = false

    /// An operating system's version.
    struct PresentedVersion: Equatable, Sendable {
        var major: UInt32
        var minor: UInt32

        /// From text that begins with two numbers and a dot between, such as "10.0" or "6.1.0-18-amd64".
        init?(_ text: String) {
            let numbers = text.split(separator: ".", maxSplits: 2).map { $0.prefix { $0.isASCII && $0.isNumber } }
            guard numbers.count >= 2, let major = UInt32(numbers[0]), let minor = UInt32(numbers[1]) else { return nil }
            self.major = major
            self.minor = minor
        }
    }

    /// What this machine says about itself, for the defaults.
    struct Host: Sendable {
        /// The host's name, with its domain where it has one.
        var name: String
        /// The kernel's release.
        var release: String

        /// This machine's.
        static var current: Host {
            var information = utsname()
            guard uname(&information) == 0 else { return Host(name: "localhost", release: "0.0") }
            return Host(name: text(of: information.nodename), release: text(of: information.release))
        }

        private static func text(of field: some Any) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
    }

    /// The defaults on a host.
    init(host: Host = .current) {
        let label = String(host.name.prefix { $0 != "." })
        nodeName = String(label.prefix(15))
        fqdn = host.name
        domain = nodeName.uppercased()
        // A kernel whose release is no version would be a novelty; 0.0 is what it then says.
        presentedVersion = PresentedVersion(host.release) ?? PresentedVersion("0.0") ?? .zero
    }

    /// Reads the settings.
    ///
    /// - Parameter flags: what the command line gave.
    /// - Throws: ``StartupError``.
    static func load(
        flags: [AbsoluteConfigKey: ConfigValue], environment: [String: String], host: Host = .current
    ) async throws(StartupError) -> Settings {
        let known = Set(Setting.all.map(\.variable))
        for variable in environment.keys where variable.hasPrefix(Setting.environmentPrefix) {
            guard known.contains(variable) else { throw .usage("there is no setting \(variable) (environment)") }
        }
        let commandLine = InMemoryProvider(name: "command line", values: flags)
        let variables = EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "clusprepd")
        var reader = SettingReader([commandLine, variables])
        if let path = try reader.text(.config) {
            do {
                let file = try await FileProvider<JSONSnapshot>(filePath: .init(path))
                try checkKeys(ofFile: path)
                reader = SettingReader([commandLine, variables, file])
            } catch let error as StartupError {
                throw error
            } catch {
                throw .badFile(path: path, reason: "\(error)")
            }
        }
        return try Settings(reader, host: host)
    }

    /// A key that nothing reads is a slip of the pen; the reader alone would pass over it.
    private static func checkKeys(ofFile path: String) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw StartupError.badFile(path: path, reason: "not a JSON object")
        }
        let known = Set(Setting.all.map(\.name)).subtracting([Setting.config.name])
        for key in object.keys.sorted() where !known.contains(key) {
            throw StartupError.badFile(path: path, reason: "there is no setting \"\(key)\"")
        }
    }

    private init(_ reader: SettingReader, host: Host) throws(StartupError) {
        self.init(host: host)
        stateFolder = try reader.text(.stateFolder) ?? stateFolder
        listen = try reader.texts(.listen) ?? listen
        guard !listen.isEmpty else { throw .badSetting(Setting.listen.name, reason: "needs an address") }
        advertise = try reader.texts(.advertise) ?? advertise
        for host in advertise where IPAddress(host) == nil {
            try Settings.check(name: host, of: .advertise, maximum: 255)
        }
        endpointMapperPort = try reader.number(.endpointMapperPort) ?? endpointMapperPort
        exporterPort = try reader.number(.exporterPort) ?? exporterPort
        if let name = try reader.text(.nodeName) {
            nodeName = name
            fqdn = host.name.lowercased().hasPrefix(name.lowercased() + ".") ? host.name : name
            domain = name.uppercased()
        }
        try Settings.check(name: nodeName, of: .nodeName, maximum: 15)
        fqdn = try reader.text(.fqdn) ?? fqdn
        try Settings.check(name: fqdn, of: .fqdn, maximum: 255)
        domain = try reader.text(.domain) ?? domain
        try Settings.check(name: domain, of: .domain, maximum: 255)
        disks = try Settings.targets(reader.texts(.disks) ?? [])
        if let text = try reader.text(.localDisks) {
            guard ["all", "none"].contains(text) else {
                throw .badSetting(Setting.localDisks.name, reason: "\"\(text)\" is neither all nor none")
            }
            listsLocalDisks = text == "all"
        }
        iscsiCredentials = try reader.text(.iscsiCredentials)
        shareUser = try reader.text(.shareUser) ?? shareUser
        try Settings.check(name: shareUser, of: .shareUser, maximum: 32)
        sharePort = try reader.number(.sharePort) ?? sharePort
        shareAddresses = try Settings.addresses(reader.texts(.shareAddresses))
        shareFolder = try Settings.absolute(reader.text(.shareFolder), of: .shareFolder) ?? shareFolder
        sambaConfiguration = try Settings.absolute(reader.text(.sambaConfiguration), of: .sambaConfiguration)
        pingPeriod = try reader.seconds(.pingPeriod) ?? pingPeriod
        defenseInterval = try reader.seconds(.defenseInterval) ?? defenseInterval
        challengeTime = try reader.seconds(.challengeTime) ?? challengeTime
        guard challengeTime > defenseInterval * 2 else {
            throw .badSetting(Setting.challengeTime.name, reason: "has to be longer than two times defenseInterval")
        }
        if let text = try reader.text(.presentedVersion) {
            guard let version = PresentedVersion(text) else {
                throw .badSetting(Setting.presentedVersion.name, reason: "\"\(text)\" is not MAJOR.MINOR")
            }
            presentedVersion = version
            configuredVersion = version
        }
        functionalLevel = try reader.number(.functionalLevel).map { UInt16($0) }
        logFolder = try Settings.absolute(reader.text(.logFolder), of: .logFolder) ?? logFolder
        logShare = try reader.text(.logShare) ?? logShare
        try Settings.check(name: logShare, of: .logShare, maximum: 80)
        logGroup = try reader.text(.logGroup)
        eventLogSize = try reader.number(.eventLogSize) ?? eventLogSize
        if let text = try reader.text(.logLevel) {
            guard let level = Logger.Level(rawValue: text.lowercased()) else {
                throw .badSetting(Setting.logLevel.name, reason: "\"\(text)\" is no level")
            }
            logLevel = level
        }
        limits = try Limits(reader)
        requireIntegrityCode = try reader.flag(.requireIntegrityCode) ?? requireIntegrityCode
        try readLogons(reader)
        kerberos = try KerberosSettings(reader)
        shutdownTimeout = try reader.seconds(.shutdownTimeout) ?? shutdownTimeout
        diskThreads = try reader.number(.diskThreads) ?? diskThreads
        activationProbe = try reader.flag(.activationProbe) ?? activationProbe
        ready = try reader.flag(.ready) ?? ready
        stopAtEndOfInput = try reader.flag(.stopAtEndOfInput) ?? stopAtEndOfInput
    }

    private static func targets(_ texts: [String]) throws(StartupError) -> [DiskTarget] {
        var targets: [DiskTarget] = []
        for text in texts {
            let target: DiskTarget
            do {
                target = try DiskTarget(parsing: text)
            } catch {
                throw .badSetting(Setting.disks.name, reason: "\(error)")
            }
            // Two numbers for one disk would each take the other's reservation for their own.
            if let same = targets.first(where: target.leadsToDisk) {
                throw .badSetting(
                    Setting.disks.name,
                    reason: "\(target) stands in it twice" + (same == target ? "" : ", the first time as \(same)"))
            }
            targets.append(target)
        }
        return targets
    }

    private static func check(name: String, of setting: Setting, maximum: Int) throws(StartupError) {
        let allowed = name.unicodeScalars.allSatisfy {
            ($0.isASCII && $0.properties.isAlphabetic) || ("0"..."9").contains($0) || $0 == "-" || $0 == "."
                || $0 == "_"
        }
        guard !name.isEmpty, name.utf8.count <= maximum, allowed else {
            throw .badSetting(
                setting.name, reason: "\"\(name)\" is not a name of 1 to \(maximum) letters, digits, dots, hyphens")
        }
    }
}

extension Settings.PresentedVersion {
    /// The version that says nothing.
    static let zero = Settings.PresentedVersion(major: 0, minor: 0)

    init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }
}
