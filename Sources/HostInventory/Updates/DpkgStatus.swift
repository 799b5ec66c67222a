/// What dpkg's database says of one package.
struct DpkgPackage: Equatable {
    var name = ""
    var architecture = ""
    var version = ""
    var state = ""
    /// The source package's name and version, which are the package's own where the field is missing.
    var source = ""
    var sourceVersion = ""
    var homepage = ""
    var synopsis = ""

    /// Whether the package is there whole, as opposed to one that is being unpacked or of which only settings are left.
    ///
    /// The last two are states of a package that is configured and waits for others' triggers (dpkg(1), "Package states").
    var isInstalled: Bool {
        ["installed", "triggers-awaited", "triggers-pending"].contains(state)
    }

    /// The update's identifier for a version of this package.
    func id(at version: String) -> String {
        "\(name):\(architecture)=\(version)"
    }
}

/// dpkg's database in the form of deb822(5): paragraphs of fields.
enum DpkgStatus {
    /// The packages of a file, installed or not.
    ///
    /// - Parameter source: the file's path, for errors.
    /// - Throws: ``HostUpdatesError/malformed(source:reason:)`` where a paragraph has no package, state or version.
    static func packages(in octets: [UInt8], source: String) throws(HostUpdatesError) -> [DpkgPackage] {
        var packages: [DpkgPackage] = []
        var package = DpkgPackage()
        var isEmpty = true
        for line in octets.lines {
            if line.isEmpty {
                if !isEmpty { packages.append(try complete(package, number: packages.count + 1, source: source)) }
                package = DpkgPackage()
                isEmpty = true
                continue
            }
            isEmpty = false
            // Continuation lines begin with white space, and of no field here more than the first line is of use.
            guard line.first != 0x20, line.first != 0x09, let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
                continue
            }
            package.set(String(decoding: line[..<colon], as: UTF8.self), line[(colon + 1)...].trimmed)
        }
        if !isEmpty { packages.append(try complete(package, number: packages.count + 1, source: source)) }
        return packages
    }

    private static func complete(
        _ package: DpkgPackage, number: Int, source: String
    ) throws(HostUpdatesError) -> DpkgPackage {
        guard !package.name.isEmpty, !package.state.isEmpty, !package.isInstalled || !package.version.isEmpty else {
            let name = package.name.isEmpty ? "paragraph \(number)" : package.name
            throw .malformed(source: source, reason: "\(name) lacks its name, its state or its version")
        }
        return package
    }
}

extension DpkgPackage {
    fileprivate mutating func set(_ field: String, _ value: ArraySlice<UInt8>) {
        switch field.lowercased() {
        case "package": name = String(ofUnknownEncoding: value)
        case "architecture": architecture = String(ofUnknownEncoding: value)
        case "version": version = String(ofUnknownEncoding: value)
        case "homepage": homepage = String(ofUnknownEncoding: value)
        case "description": synopsis = String(ofUnknownEncoding: value)
        case "status":
            // "install ok installed": what is wanted, whether it is in order, and what there is.
            state = value.split(separator: 0x20).dropFirst(2).first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        case "source":
            // "gcc-defaults (1.203)", or only the name.
            let words = value.split(separator: 0x20)
            source = words.first.map { String(ofUnknownEncoding: $0) } ?? ""
            sourceVersion = words.dropFirst().first.map { String(ofUnknownEncoding: $0.dropFirst().dropLast()) } ?? ""
        default: break
        }
    }
}

extension Collection where Element == UInt8 {
    /// The lines, without their ends.
    var lines: [SubSequence] {
        split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
            line.suffix(1).first == 0x0D ? line.prefix(line.count - 1) : line
        }
    }
}

extension ArraySlice where Element == UInt8 {
    /// Without white space at its ends.
    var trimmed: ArraySlice<UInt8> {
        let start = drop { $0 == 0x20 || $0 == 0x09 }
        let end = start.lastIndex { $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? start.startIndex
        return start[..<end]
    }
}
