/// Settings in the form that systemd and NetworkManager share (systemd.syntax(7), nm-settings-keyfile(5)): sections in brackets, a
/// key and a value a line.
struct SettingsText {
    private var values: [String: [String: String]] = [:]

    /// Reads a text. What is in front of the first section has the section "". Lines without an equals sign say nothing; of a key
    /// that is there twice the last value counts.
    init(_ text: String) {
        var section = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmed
            guard let first = line.first, first != "#", first != ";" else { continue }
            if first == "[", line.last == "]" {
                section = String(line.dropFirst().dropLast())
            } else if let equals = line.firstIndex(of: "=") {
                let key = String(line[..<equals].trimmed)
                values[section, default: [:]][key] = String(line[line.index(after: equals)...].trimmed)
            }
        }
    }

    /// The value of a key; nil where there is none.
    subscript(section: String, key: String) -> String? {
        values[section]?[key]
    }
}

extension Substring {
    /// Without white space at the ends.
    fileprivate var trimmed: Substring {
        var text = drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
