import DCERPC
import ErrorCodes
import InterfaceValues
import NDR
import Security

/// Words for what captures hold. Whatever came from the wire and is text goes through ``printable(_:)``.
enum CaptureWords {
    /// The text with control characters written out, so that a capture does not get to command a terminal.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            if scalar.properties.generalCategory == .control {
                result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
    }

    /// `21:49:03.123456`, of the day in UTC.
    static func clock(_ time: CaptureTime) -> String {
        let day: Int64 = 86_400_000_000_000
        let rest = ((time.nanoseconds % day) + day) % day
        let parts = [rest / 3_600_000_000_000, rest / 60_000_000_000 % 60, rest / 1_000_000_000 % 60]
        return parts.map { padded($0, 2) }.joined(separator: ":") + "." + padded(rest / 1000 % 1_000_000, 6)
    }

    /// Seconds since 1970, with nine decimals.
    static func seconds(_ time: CaptureTime) -> String {
        let (seconds, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return (time.nanoseconds < 0 ? "-" : "") + "\(seconds.magnitude)." + padded(Int64(rest.magnitude), 9)
    }

    /// `0.412 ms`.
    static func milliseconds(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let microseconds = seconds.multipliedReportingOverflow(by: 1_000_000).partialValue
            .addingReportingOverflow(attoseconds / 1_000_000_000_000).partialValue
        let sign = microseconds < 0 ? "-" : ""
        return "\(sign)\(microseconds.magnitude / 1000).\(padded(Int64(microseconds.magnitude % 1000), 3)) ms"
    }

    private static func padded(_ value: Int64, _ count: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }

    /// A fault's status by its name, whichever table of [C706] or [MS-ERREF] has it.
    static func fault(_ fault: RPCFault) -> String {
        let text = fault.description
        guard text.hasPrefix("0x") else { return text }
        // Failures of DCOM are HRESULTs, and the run-time's own of Windows are Win32 codes.
        let name =
            fault.status < 1 << 16 ? Win32Error(rawValue: fault.status).name : HRESULT(rawValue: fault.status).name
        return name.map { "\($0) (\(text))" } ?? text
    }

    /// What a level protects, in words.
    static func level(_ octet: UInt8) -> String {
        switch AuthenticationLevel(rawValue: octet) {
        case .connect: "authenticated"
        case .call, .packet, .packetIntegrity: "signed"
        case .packetPrivacy: "sealed"
        case .some(.none), nil: "at level \(octet)"
        }
    }

    static func syntax(_ identifier: SyntaxIdentifier) -> String {
        if let known = TransferSyntax(identifier) { return known.description }
        if let features = BindTimeFeatures(identifier) { return "features \(features.rawValue)" }
        return identifier.description
    }

    static func result(_ result: PresentationResult) -> String {
        switch result {
        case .accepted(let identifier): "accepted with \(syntax(identifier))"
        case .userRejected(let reason): "refused by the server's user, reason \(reason)"
        case .rejected(.abstractSyntaxNotSupported): "refused: no such interface"
        case .rejected(.transferSyntaxesNotSupported): "refused: no such transfer syntax"
        case .rejected(.localLimitExceeded): "refused: too many"
        case .rejected(.notSpecified): "refused"
        case .features(let features): "features \(features.rawValue)"
        }
    }

    /// Rows of sixteen octets each.
    static func hexadecimal(_ octets: [UInt8], most: Int) -> [String] {
        var lines = stride(from: 0, to: min(octets.count, most), by: 16).map { start in
            let row = octets[start..<min(start + 16, octets.count)]
            let offset = String(start, radix: 16)
            let digits = row.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
            return String(repeating: "0", count: max(0, 4 - offset.count)) + offset + "  " + digits
        }
        if octets.count > most { lines.append("… and \(octets.count - most) octets more") }
        return lines
    }

    static func digits(_ octets: [UInt8]) -> String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
