import Glibc
import Testing

@testable import Reservations

/// A folder with one image in it, removed with the value.
final class TemporaryImage: Sendable {
    let folder: String
    let path: String

    /// An image in a new folder below this one.
    init(blocks: Int = 64, blockSize: Int = 512, in parent: String = "/tmp") throws {
        var template = Array("\(parent)/clusprep-reservations-XXXXXX".utf8CString)
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        path = folder + "/disk.img"
        let file = try OpenFile(path, flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o644)
        try #require(ftruncate(file.descriptor, off_t(blocks * blockSize)) == 0)
    }

    deinit {
        for name in (try? Self.names(in: folder)) ?? [] { unlink(folder + "/" + name) }
        rmdir(folder)
    }

    var statePath: String { path + ".reservations" }

    static func names(in folder: String) throws -> [String] {
        let stream = try #require(opendir(folder))
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// A unit of this host's boot, or of another one.
    func unit(_ node: Int = 1, port: UInt16 = 1, boot: String? = nil) throws -> EmulatedLogicalUnit {
        let initiator = InitiatorIdentity.node("node\(node)")
        guard let boot else { return try EmulatedLogicalUnit(image: path, initiator: initiator, targetPort: port) }
        return try EmulatedLogicalUnit(
            image: path, initiator: initiator, targetPort: port, blockSize: nil, bootIdentifier: boot)
    }

    /// A unit that has told that it was switched on.
    func settledUnit(_ node: Int = 1, port: UInt16 = 1, boot: String? = nil) throws -> EmulatedLogicalUnit {
        let unit = try unit(node, port: port, boot: boot)
        #expect(unit.send(.testUnitReady).sense?.code == .powerOnOrReset)
        return unit
    }

    func disk(_ node: Int = 1, port: UInt16 = 1) throws -> Disk {
        try Disk(transport: unit(node, port: port))
    }
}

extension EmulatedLogicalUnit {
    func send(_ command: SCSICommand, _ dataOut: [UInt8] = [], dataIn: Int = 65536) -> SCSIResult {
        execute(cdb: command.cdb, dataOut: dataOut, dataInLength: dataIn)
    }

    /// PERSISTENT RESERVE OUT with a basic parameter list.
    func reserveOut(
        _ action: SCSICommand.ReserveOutAction, key: UInt64 = 0, to: UInt64 = 0, type: ReservationType? = nil,
        scope: UInt8 = 0, flags: UInt8 = 0
    ) -> SCSIResult {
        var list: [UInt8] = []
        list.append(bigEndian: key)
        list.append(bigEndian: to)
        list += [0, 0, 0, 0, flags, 0, 0, 0]
        return send(
            .persistentReserveOut(action, scope: scope, type: type?.rawValue ?? 0, parameterListLength: 24), list)
    }

    /// Expects GOOD of PERSISTENT RESERVE OUT.
    func mustReserveOut(
        _ action: SCSICommand.ReserveOutAction, key: UInt64 = 0, to: UInt64 = 0, type: ReservationType? = nil,
        flags: UInt8 = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let result = reserveOut(action, key: key, to: to, type: type, flags: flags)
        #expect(result.status == .good, "\(result)", sourceLocation: sourceLocation)
    }
}

/// Octets written as hexadecimal, spaces and line ends between them at will.
func octets(_ text: String) -> [UInt8] {
    let digits = text.filter(\.isHexDigit).map { UInt8($0.hexDigitValue ?? 0) }
    precondition(digits.count.isMultiple(of: 2))
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func key(_ value: UInt64) -> ReservationKey {
    ReservationKey(rawValue: value)
}
