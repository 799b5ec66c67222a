import Foundation
import PackagePlugin

/// Runs idlc over the IDL files that a target's `idl.json` names.
///
/// `Sources/<Target>/idl.json` is `{"idl": ["epmapper.idl"], "imports": ["DCOM"]}`: files that lie beside it or in the package's
/// folder `IDL`, and the Swift modules whose generated types they use. What the files import is looked for in the same places,
/// and in ClusPrep's own folder where the package is somebody else's. With `{"texts": ["epmapper.idl"]}` the files are not
/// compiled, but their texts are put into the program, with all that they import: an enumeration `IDLTexts`.
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
        let folders = [target.directoryURL] + Self.folders(of: context.package)
        let compiler = try context.tool(named: "idlc").url
        func find(_ name: String) -> URL? {
            let source = Self.find(name, in: folders)
            if source == nil {
                Diagnostics.error("\(configurationURL.path): there is no \(name) in \(folders.map(\.path))")
            }
            return source
        }
        var commands: [Command] = []
        if let texts = configuration.texts {
            var sources: [URL] = []
            for source in texts.compactMap(find).flatMap({ Self.closure(of: $0, in: folders) })
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
            + (configuration.idl ?? []).compactMap(find).map { source in
                let stem = source.deletingPathExtension().lastPathComponent
                let output = context.pluginWorkDirectoryURL.appending(path: "\(stem).swift")
                return .buildCommand(
                    displayName: "Compiling \(stem).idl for \(target.name)",
                    executable: compiler,
                    arguments: [source.path, "--output", output.path, "--target", target.name]
                        + folders.flatMap { ["--include", $0.path] }
                        + (configuration.imports ?? []).flatMap { ["--module", $0] },
                    // Whatever a file imports shapes its output too.
                    inputFiles: [configurationURL, compiler] + Self.closure(of: source, in: folders),
                    outputFiles: [output])
            }
    }

    /// The folder of the package, and ClusPrep's where that is another.
    private static func folders(of package: Package) -> [URL] {
        var packages = [package]
        if package.displayName != "ClusPrep" {
            packages += package.dependencies.map(\.package).filter { $0.displayName == "ClusPrep" }
        }
        return packages.map { $0.directoryURL.appending(path: "IDL") }
    }

    private static func find(_ name: String, in folders: [URL]) -> URL? {
        folders.lazy.map { $0.appending(path: name) }.first { FileManager.default.fileExists(atPath: $0.path) }
    }

    /// The file and all that it imports.
    private static func closure(of source: URL, in folders: [URL]) -> [URL] {
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
                // What nobody has is the compiler's to complain of.
                pending += names.filter { $0.offset % 2 == 1 }.compactMap { find(String($0.element), in: folders) }
            }
        }
        return files
    }
}
