import Foundation
import Testing

@testable import IDLCompiler

/// The Swift text for whole files, compared to the letter.
///
/// `constructs.swift` is compiled and run by the tests of NDR, `echoes.swift` by those of DCERPC. To make one again after an intended change:
/// `idlc Tests/IDLCompilerTests/Expected/NAME.idl --output …/NAME.swift`; then read the difference.
struct GoldenTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    private static let expected = tests.appending(path: "IDLCompilerTests/Expected")

    private static func read(_ url: URL) -> SourceFile? {
        (try? String(contentsOf: url, encoding: .utf8)).map { SourceFile(name: url.path, text: $0) }
    }

    private func compile(_ name: String, in folder: URL) throws -> String {
        let source = try #require(Self.read(folder.appending(path: name)))
        return try Compiler().compile(source) { Self.read(folder.appending(path: $0)) }
    }

    @Test func constructs() throws {
        let golden = Self.tests.appending(path: "NDRTests/Generated/constructs.swift")
        #expect(try compile("constructs.idl", in: Self.expected) == String(contentsOf: golden, encoding: .utf8))
    }

    @Test func echoes() throws {
        let golden = Self.tests.appending(path: "DCERPCTests/Generated/echoes.swift")
        #expect(try compile("echoes.idl", in: Self.expected) == String(contentsOf: golden, encoding: .utf8))
    }

    @Test func interfaces() throws {
        let golden = Self.expected.appending(path: "interfaces.swift")
        #expect(try compile("interfaces.idl", in: Self.expected) == String(contentsOf: golden, encoding: .utf8))
    }

    /// Every interface definition of the project compiles.
    @Test func projectFiles() throws {
        let folder = Self.tests.deletingLastPathComponent().appending(path: "IDL")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".idl") }
        #expect(names.count >= 7)
        for name in names {
            do {
                #expect(try !compile(name, in: folder).isEmpty)
            } catch {
                Issue.record("\(name): \(error)")
            }
        }
    }
}
