/// Text on its way into HTML. What nodes and disks say of themselves is in it, so everything is escaped, and control characters
/// do not get through.
enum HTMLText {
    /// The text as the content of an element or of a quoted attribute.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            default:
                let isPrintable = scalar.properties.generalCategory != .control
                result.unicodeScalars.append(isPrintable ? scalar : "\u{FFFD}")
            }
        }
        return result
    }

    /// An element around escaped text.
    static func element(_ name: String, _ text: String, class className: String? = nil) -> String {
        "<\(name)\(className.map { " class=\"\($0)\"" } ?? "")>\(escaped(text))</\(name)>"
    }

    /// A table with a caption; the cells are HTML already.
    ///
    /// The roles are those that the elements have anyway. Where a narrow screen shows the cells below each other, they would lose
    /// them with the layout.
    static func table(
        _ caption: String, columns: [String], rows: [[String]], class className: String? = nil, id: String? = nil
    ) -> String {
        let attributes = [className.map { " class=\"\($0)\"" }, id.map { " id=\"\($0)\"" }].compactMap(\.self).joined()
        let head = columns.map { "<th scope=\"col\" role=\"columnheader\">\(escaped($0))</th>" }.joined()
        let body = rows.map { row in
            // The heads are repeated in each cell, for where there is no room for columns side by side.
            let cells = zip(columns, row).map { "<td role=\"cell\" data-head=\"\(escaped($0))\">\($1)</td>" }.joined()
            return "<tr role=\"row\">\(cells)</tr>"
        }.joined(separator: "\n")
        let none = "<tr role=\"row\"><td role=\"cell\" colspan=\"\(columns.count)\" class=\"soft\">None.</td></tr>"
        return """
            <table role="table"\(attributes)><caption>\(escaped(caption))</caption>
            <thead role="rowgroup"><tr role="row">\(head)</tr></thead>
            <tbody role="rowgroup">
            \(rows.isEmpty ? none : body)
            </tbody></table>

            """
    }
}
