import Configuration

/// Reads settings from providers, the first that has one wins, and insists on their form.
///
/// `ConfigReader`'s optional accessors answer nil to a value of the wrong type as they do to none at all; here the former
/// is an error, because a default in the place of a slip of the pen is worse than no daemon.
struct SettingReader {
    private let providers: [any ConfigProvider]

    /// Reads from these, the strongest first.
    init(_ providers: [any ConfigProvider]) {
        self.providers = providers
    }

    /// A text, or nil where it is not set.
    func text(_ setting: Setting) throws(StartupError) -> String? {
        guard case .string(let text) = try content(setting, types: [.string]) else { return nil }
        return text
    }

    /// The text of a number, which a JSON file may hold as either.
    private func numeral(_ setting: Setting) throws(StartupError) -> String? {
        switch try content(setting, types: [.string, .int, .double]) {
        case .string(let text): text
        case .int(let number): String(number)
        case .double(let number): String(number)
        default: nil
        }
    }

    /// A list of texts, or nil where it is not set. A lone text is a list of one.
    func texts(_ setting: Setting) throws(StartupError) -> [String]? {
        switch try content(setting, types: [.stringArray, .string]) {
        case .stringArray(let texts): texts
        case .string(let text): [text]
        default: nil
        }
    }

    /// A whole number within the setting's bounds, or nil where it is not set.
    func number(_ setting: Setting) throws(StartupError) -> Int? {
        guard let text = try numeral(setting) else { return nil }
        guard case .number(let bounds) = setting.kind, let number = Int(text), bounds.contains(number) else {
            throw .badSetting(setting.name, reason: "\"\(text)\" is not a number\(bounds(of: setting))")
        }
        return number
    }

    /// A length of time within the setting's bounds, or nil where it is not set.
    func seconds(_ setting: Setting) throws(StartupError) -> Duration? {
        guard let text = try numeral(setting) else { return nil }
        guard case .seconds(let bounds) = setting.kind, let seconds = Double(text), bounds.contains(seconds) else {
            throw .badSetting(setting.name, reason: "\"\(text)\" is not a number of seconds\(bounds(of: setting))")
        }
        return .milliseconds(Int((seconds * 1000).rounded()))
    }

    /// True or false, or nil where it is not set.
    func flag(_ setting: Setting) throws(StartupError) -> Bool? {
        guard case .bool(let value) = try content(setting, types: [.bool]) else { return nil }
        return value
    }

    private func content(_ setting: Setting, types: [ConfigType]) throws(StartupError) -> ConfigContent? {
        let key = AbsoluteConfigKey([setting.name])
        for provider in providers {
            var hasWrongType = false
            for type in types {
                do {
                    if let value = try provider.value(forKey: key, type: type).value { return value.content }
                } catch {
                    hasWrongType = true
                }
            }
            if hasWrongType {
                throw .badSetting(setting.name, reason: "the value in \(provider.providerName) has the wrong type")
            }
        }
        return nil
    }

    private func bounds(of setting: Setting) -> String {
        switch setting.kind {
        case .number(let bounds): " from \(bounds.lowerBound) to \(bounds.upperBound)"
        case .seconds(let bounds): " from \(bounds.lowerBound) to \(bounds.upperBound)"
        case .text, .texts, .flag: ""
        }
    }
}
