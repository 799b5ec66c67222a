import ArgumentParser
import Foundation
import IDLCompiler

/// The command line of the IDL compiler.
@main
struct IDLC: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idlc",
        abstract: "Compiles MIDL interface definitions to Swift.",
        discussion: """
            Reads one IDL file and what it imports, and writes the Swift types, codecs, server protocols and clients of \
            the file's own declarations. Errors go to standard error as FILE:LINE:COLUMN: error: MESSAGE, followed by the \
            source line and a caret; the exit status is then 1.

            The build plugin runs it for every file that a target's idl.json names.
            """)

    @Argument(
        help: ArgumentHelp("The file to compile; with --texts any number of them.", valueName: "file.idl"),
        completion: .file(extensions: ["idl"]))
    var inputs: [String]

    @Flag(name: .long, help: "Write an enumeration with the files' texts, instead of compiling them.")
    var texts = false

    @Option(name: [.customShort("I"), .long], help: ArgumentHelp("A folder of imported files.", valueName: "folder"))
    var include: [String] = []

    @Option(
        name: [.customShort("m"), .customLong("module")],
        help: ArgumentHelp(
            "A Swift module that the output imports, besides DCERPC, ErrorCodes and NDR.", valueName: "name"))
    var modules: [String] = []

    @Option(
        name: .customLong("target"),
        help: ArgumentHelp("The Swift module that the output belongs to, which it does not import.", valueName: "name"))
    var target: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Where the Swift text goes.", valueName: "file.swift"))
    var output: String?

    @Flag(name: .long, help: "Print the Swift text instead of writing it.")
    var print = false

    func validate() throws {
        guard (output != nil) != print else { throw ValidationError("Give either --output FILE or --print.") }
        guard inputs.count == 1 || texts else { throw ValidationError("Give one file; only --texts takes several.") }
    }

    func run() throws {
        let sources = try inputs.map { input in
            guard let source = Self.read(input) else {
                Self.complain("idlc: error: cannot read '\(input)'")
                throw ExitCode.failure
            }
            return source
        }
        if texts { return try emit(TextEmitter.emit(sources)) }
        let folder = URL(fileURLWithPath: inputs[0]).deletingLastPathComponent().path
        let imports = (["DCERPC", "ErrorCodes", "NDR"] + modules).filter { $0 != target }
        do {
            let text = try Compiler(swiftImports: imports).compile(sources[0]) { name in
                ([folder] + include).lazy.compactMap { Self.read($0 + "/" + name) }.first
            }
            try emit(text)
        } catch let error as CompilationError {
            Self.complain(error.description)
            throw ExitCode.failure
        }
    }

    private func emit(_ text: String) throws {
        if let output {
            try Self.write(text, to: output)
        } else {
            FileHandle.standardOutput.write(Data(text.utf8))
        }
    }

    private static func read(_ path: String) -> SourceFile? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return SourceFile(name: path, text: String(decoding: data, as: UTF8.self))
    }

    /// An output that has not changed keeps its date, so that nothing is built again for its sake.
    private static func write(_ text: String, to path: String) throws {
        if FileManager.default.contents(atPath: path) == Data(text.utf8) { return }
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    private static func complain(_ message: String) {
        FileHandle.standardError.write(Data((message + "\n").utf8))
    }
}
