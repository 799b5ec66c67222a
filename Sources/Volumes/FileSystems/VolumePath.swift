/// The path of a file on a volume: names separated by backslashes, from the volume's root.
///
/// One leading backslash is allowed. There are no drive letters, no `.` and `..`, no alternate streams, and every name is
/// one that Win32 could create, so that Windows can open and delete what was written here. Letters' case does not count when
/// a file is looked for, and is kept when it is made.
public struct VolumePath: Hashable, Sendable, CustomStringConvertible {
    /// The longest path in UTF-16 units, as in Win32.
    public static let lengthLimit = 32767
    /// The longest name of a file or folder in UTF-16 units, as in NTFS.
    public static let nameLimit = 255

    /// UTF-16, without the leading backslash.
    let units: [UInt16]

    /// Checks a path.
    ///
    /// - Throws: ``VolumeError/invalidPath(_:reason:)``, ``VolumeError/pathTooLong``, ``VolumeError/alternateStream(_:)``.
    public init(_ path: String) throws(VolumeError) {
        try self.init(utf16: path.utf16)
    }

    /// Checks a path as it comes from the wire; unpaired surrogates are refused, not replaced by something else.
    ///
    /// - Throws: as ``init(_:)``.
    public init(utf16 path: some Sequence<UInt16>) throws(VolumeError) {
        // One more than allowed is enough to know.
        var units = Array(path.prefix(Self.lengthLimit + 1))
        guard units.count <= Self.lengthLimit else { throw .pathTooLong }
        if units.first == Self.backslash { units.removeFirst() }
        self.units = units
        for name in units.split(separator: Self.backslash, omittingEmptySubsequences: false) {
            try check(name)
        }
    }

    /// The path without its leading backslash.
    public var description: String {
        String(decoding: units, as: UTF16.self)
    }

    private static let backslash = UInt16(UInt8(ascii: "\\"))
    private static let forbidden = Set("<>\"/|?*".utf16)

    private func check(_ name: ArraySlice<UInt16>) throws(VolumeError) {
        guard let last = name.last else { throw invalid("a name is empty") }
        guard name.count <= Self.nameLimit else { throw .pathTooLong }
        if name.elementsEqual(".".utf16) || name.elementsEqual("..".utf16) {
            throw invalid("a path is not relative to a folder")
        }
        if name.contains(UInt16(UInt8(ascii: ":"))) {
            let isDrive = name.count == 2 && name.startIndex == units.startIndex
            throw isDrive ? invalid("it begins with a drive letter") : .alternateStream(description)
        }
        if name.contains(where: { $0 < 0x20 || Self.forbidden.contains($0) }) {
            throw invalid("a name holds a character that Windows reserves")
        }
        if last == UInt16(UInt8(ascii: ".")) || last == UInt16(UInt8(ascii: " ")) {
            throw invalid("a name ends in a dot or a space")
        }
        if hasUnpairedSurrogate(name) { throw invalid("a name is not Unicode") }
        if isDeviceName(name) { throw invalid("a name is a device's") }
    }

    private func invalid(_ reason: String) -> VolumeError {
        .invalidPath(description, reason: reason)
    }

    private func hasUnpairedSurrogate(_ name: ArraySlice<UInt16>) -> Bool {
        var decoder = UTF16()
        var iterator = name.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue: continue
            case .emptyInput: return false
            case .error: return true
            }
        }
    }

    /// Win32 opens a device for these names in any folder and with any extension.
    private func isDeviceName(_ name: ArraySlice<UInt16>) -> Bool {
        let stem = String(decoding: name.prefix { $0 != UInt16(UInt8(ascii: ".")) }, as: UTF16.self)
            .uppercased().trimmingSuffix(" ")
        if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(stem) { return true }
        guard stem.count == 4, stem.hasPrefix("COM") || stem.hasPrefix("LPT") else { return false }
        return stem.last.map { "123456789¹²³".contains($0) } ?? false
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> Substring {
        var result = self[...]
        while result.last == character { result.removeLast() }
        return result
    }
}
