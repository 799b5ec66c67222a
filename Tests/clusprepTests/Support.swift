import ArgumentParser
import Foundation
import Reservations

@testable import clusprep

/// A folder of a test's own, gone after the body.
func withFolder<T>(_ body: (URL) async throws -> T) async throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("clusprep-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// An image of 16 MiB with a master boot record of this signature and one NTFS-typed partition; nil for an empty one.
func makeImage(_ url: URL, signature: UInt32? = nil) throws {
    var record = [UInt8](repeating: 0, count: 512)
    if let signature {
        for index in 0..<4 { record[440 + index] = UInt8(truncatingIfNeeded: signature >> UInt32(8 * index)) }
        record[446 + 4] = 0x07
        record[446 + 9] = 8  // from block 2048 on …
        record[446 + 13] = 8  // … 2048 blocks
        record[510] = 0x55
        record[511] = 0xAA
    }
    try Data(record).write(to: url)
    let file = try FileHandle(forWritingTo: url)
    try file.truncate(atOffset: 16 << 20)
    try file.close()
}

/// What one command line does, without its output being printed.
func reservations(_ arguments: String...) throws -> ReservationReport {
    let command = try ReservationsCommand.parse(arguments)
    return command.report(with: try command.options.opener())
}

/// The message a wrong command line is answered with.
func refusal<Command: ParsableCommand>(of type: Command.Type, _ arguments: [String]) -> String? {
    do {
        _ = try type.parse(arguments)
        return nil
    } catch {
        return type.message(for: error)
    }
}
