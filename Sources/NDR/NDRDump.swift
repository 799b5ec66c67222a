/// Prints decoded values for people: dissection is the only place where reflection is fast enough.
public enum NDRDump {
    /// The value's fields, one a line, nested ones indented; arrays of octets as hexadecimal digits, cut off at 64.
    public static func text(of value: Any, indentation: Int = 0) -> String {
        var lines: [String] = []
        append(value, label: nil, indentation: indentation, to: &lines)
        return lines.joined(separator: "\n")
    }

    private static func append(_ value: Any, label: String?, indentation: Int, to lines: inout [String]) {
        let prefix = String(repeating: "  ", count: indentation) + (label.map { $0 + ": " } ?? "")
        if let leaf = leaf(value) {
            lines.append(prefix + leaf)
            return
        }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional:
            if let child = mirror.children.first {
                append(child.value, label: label, indentation: indentation, to: &lines)
            } else {
                lines.append(prefix + "NULL")
            }
        case .collection:
            lines.append(prefix + "\(mirror.children.count) elements")
            for (index, child) in mirror.children.enumerated() {
                append(child.value, label: "[\(index)]", indentation: indentation + 1, to: &lines)
            }
        case .enum:
            if let child = mirror.children.first {
                let arm = (label.map { $0 + "." } ?? "") + (child.label ?? "")
                // A box is no arm: the reader need not know of it.
                append(child.value, label: value is any Boxed ? label : arm, indentation: indentation, to: &lines)
            } else {
                lines.append(prefix + "\(value)")
            }
        default:
            if mirror.children.isEmpty {
                lines.append(prefix + "\(value)")
                return
            }
            lines.append(prefix + "\(mirror.subjectType)")
            for child in mirror.children {
                // A boxed pointer is stored under the name with an underscore in front.
                let name = child.label.map { $0.hasPrefix("_") ? String($0.dropFirst()) : $0 }
                append(child.value, label: name, indentation: indentation + 1, to: &lines)
            }
        }
    }

    private static func leaf(_ value: Any) -> String? {
        switch value {
        case let octets as [UInt8]:
            let shown = octets.prefix(64).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            return "\(octets.count) octets \(shown)\(octets.count > 64 ? "…" : "")"
        case let units as [UInt16] where !units.isEmpty && units.last == 0:
            return "\(units.wideString.debugDescription) in \(units.count)"
        case let string as WideString:
            return string.debugDescription
        case let string as OctetString:
            return string.debugDescription
        case let handle as ContextHandle:
            return "\(handle.attributes):\(handle.uuid)"
        case let number as any FixedWidthInteger:
            return "\(number) (0x\(String(number, radix: 16)))"
        case let text as any CustomStringConvertible & RawRepresentable:
            return text.description
        case let text as GUID:
            return text.description
        default:
            return nil
        }
    }
}

private protocol Boxed {}

extension NDRBox: Boxed {}
