import Synchronization

/// Looks codes up in one of the tables of names.
///
/// The tables are text, so that they cost nothing until somebody asks for a name; then they are parsed once.
final class CodeNames: Sendable {
    private let table: String
    private let names = Mutex<[UInt32: Substring]?>(nil)

    init(_ table: String) {
        self.table = table
    }

    func name(of code: UInt32) -> String? {
        names.withLock { names in
            let parsed = names ?? parse()
            names = parsed
            return parsed[code].map(String.init)
        }
    }

    private func parse() -> [UInt32: Substring] {
        var result: [UInt32: Substring] = [:]
        for line in table.split(separator: "\n") {
            guard let code = UInt32(line.prefix(8), radix: 16) else { continue }
            result[code] = line.dropFirst(9)
        }
        return result
    }

    static let hresult = CodeNames(hresultNames)
    static let win32 = CodeNames(win32Names)
    static let ntStatus = CodeNames(ntStatusNames)
}

/// Eight upper-case hexadecimal digits with their prefix, as the specifications print codes.
func hexadecimal(_ code: UInt32) -> String {
    let digits = String(code, radix: 16, uppercase: true)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}
