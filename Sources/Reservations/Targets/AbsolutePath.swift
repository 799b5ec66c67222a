import Glibc

/// Paths as texts.
enum AbsolutePath {
    /// The path from the root on, without `.`, `..` and empty parts; symbolic links stay what they are.
    static func normalized(_ path: String) -> String {
        let whole = path.hasPrefix("/") ? path : workingFolder() + "/" + path
        var parts: [Substring] = []
        for part in whole.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    private static func workingFolder() -> String {
        guard let folder = getcwd(nil, 0) else { return "" }
        defer { free(folder) }
        return String(cString: folder)
    }
}
