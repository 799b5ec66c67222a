import Configuration

/// The command line, read strictly: an unknown flag is an error, not a silent default.
enum CommandLineFlags {
    /// What the command line asks for.
    enum Request: Equatable {
        case run([AbsoluteConfigKey: ConfigValue])
        case help
        case version
    }

    /// Reads the arguments after the program's name.
    ///
    /// A flag takes its value from behind `=` or from the next argument; a list's flag may come several times, and each
    /// time gives one value, commas and all.
    ///
    /// - Throws: ``StartupError/usage(_:)``.
    static func parse(_ arguments: [String]) throws(StartupError) -> Request {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        var lists: [String: [String]] = [:]
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--help" || argument == "-h" { return .help }
            if argument == "--version" { return .version }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let setting = Setting.all.first(where: { $0.flag == parts[0] }) else {
                throw .usage("there is no option \(parts[0]); see clusprepd --help")
            }
            let key = AbsoluteConfigKey([setting.name])
            if case .flag = setting.kind {
                guard parts.count == 1 || ["true", "false"].contains(parts[1]) else {
                    throw .usage("\(setting.flag) is true or false")
                }
                values[key] = ConfigValue(.bool(parts.count == 1 || parts[1] == "true"), isSecret: false)
                continue
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                throw .usage("\(setting.flag) needs a value")
            }
            if case .texts = setting.kind {
                lists[setting.name, default: []].append(value)
                values[key] = ConfigValue(.stringArray(lists[setting.name] ?? []), isSecret: false)
            } else if values.updateValue(ConfigValue(.string(value), isSecret: false), forKey: key) != nil {
                throw .usage("\(setting.flag) is given twice")
            }
        }
        return .run(values)
    }

    /// The text of `--help`.
    static var help: String {
        var lines = [
            "USAGE: clusprepd [OPTIONS]",
            "",
            "A failover-cluster node that answers the ClusPrep setup and validation protocol ([MS-CSVP]) over DCOM.",
            "",
            "Every option can also stand in a JSON file (its name in camel case: \"stateFolder\") or in the environment",
            "(CLUSPREPD_STATE_FOLDER). A flag beats the environment, the environment beats the file.",
            "",
            "OPTIONS:",
        ]
        for setting in Setting.all {
            lines.append("  " + setting.flag + placeholder(setting))
            lines.append("        " + setting.help)
        }
        lines += ["  --version", "        Print the version.", "  --help", "        Print this."]
        lines += ["", "Users are added with: clusprep user add NAME --admin --state-folder DIR"]
        return lines.joined(separator: "\n")
    }

    private static func placeholder(_ setting: Setting) -> String {
        switch setting.kind {
        case .text(let name): " \(name)"
        case .number: " N"
        case .seconds: " SECONDS"
        case .texts(let name): " \(name) (repeatable)"
        case .flag: ""
        }
    }
}
