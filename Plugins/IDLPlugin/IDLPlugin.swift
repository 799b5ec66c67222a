import Foundation
import PackagePlugin

/// Runs idlc over the IDL files that a target's `idl.json` names.
///
/// `Sources/<Target>/idl.json` is `{"idl": ["epmapper.idl"], "imports": ["DCOM"]}`: files of the package's folder `IDL`,
/// and the Swift modules whose generated types they use. With `{"texts": ["epmapper.idl"]}` the files are not compiled, but
/// their texts are put into the program, with all that they import: an enumeration `IDLTexts`.
@main
struct IDLPlugin: BuildToolPlugin {
    private struct Configuration: Decodable {
        var idl: [String]?
        var texts: [String]?
        var imports: [String]?
    }

    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let configurationURL = target.directoryURL.appending(path: "idl.json")
        let configuration: Configuration
        do {
            configuration = try JSONDecoder().decode(Configuration.self, from: Data(contentsOf: configurationURL))
        } catch {
            Diagnostics.error("\(configurationURL.path): \(error)")
            return []
        }
        let folder = context.package.directoryURL.appending(path: "IDL")
        let compiler = try context.tool(named: "idlc").url
        var commands: [Command] = []
        if let texts = configuration.texts {
            var sources: [URL] = []
            for source in texts.flatMap({ Self.closure(of: folder.appending(path: $0), in: folder) })
            where !sources.contains(source) { sources.append(source) }
            let output = context.pluginWorkDirectoryURL.appending(path: "IDLTexts.swift")
            commands.append(
                .buildCommand(
                    displayName: "Embedding IDL files for \(target.name)",
                    executable: compiler,
                    arguments: sources.map(\.path) + ["--texts", "--output", output.path],
                    inputFiles: [configurationURL, compiler] + sources,
                    outputFiles: [output]))
        }
        return commands
            + (configuration.idl ?? []).map { name in
                let source = folder.appending(path: name)
                let stem = source.deletingPathExtension().lastPathComponent
                let output = context.pluginWorkDirectoryURL.appending(path: "\(stem).swift")
                return .buildCommand(
                    displayName: "Compiling \(name) for \(target.name)",
                    executable: compiler,
                    arguments: [source.path, "--output", output.path, "--target", target.name]
                        + (configuration.imports ?? []).flatMap { ["--module", $0] },
                    // Whatever a file imports shapes its output too.
                    inputFiles: [configurationURL, compiler] + Self.closure(of: source, in: folder),
                    outputFiles: [output])
            }
    }

    /// The file and all that it imports.
    private static func closure(of source: URL, in folder: URL) -> [URL] {
        var files: [URL] = []
        var pending = [source]
        while let file = pending.popLast() {
            guard !files.contains(file) else { continue }
            files.append(file)
            guard let data = try? Data(contentsOf: file) else { continue }
            for line in String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline) {
                let words = line.drop { $0 == " " || $0 == "\t" }
                guard words.hasPrefix("import") else { continue }
                let names = words.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
                pending += names.filter { $0.offset % 2 == 1 }.map { folder.appending(path: String($0.element)) }
            }
        }
        return files
    }
}
