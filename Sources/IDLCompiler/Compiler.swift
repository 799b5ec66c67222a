/// Compiles one IDL file, with all that it imports, to Swift.
///
/// The compiler itself touches no file: a closure hands it the text of what is imported.
public struct Compiler {
    /// Swift modules that the generated text imports, besides those that every stub needs.
    public var swiftImports: [String]

    /// A compiler whose output imports these modules.
    public init(swiftImports: [String] = ["DCERPC", "ErrorCodes", "NDR"]) {
        self.swiftImports = swiftImports
    }

    /// The Swift text for a file's own declarations; what it imports is referred to, not repeated.
    ///
    /// - Parameters:
    ///   - source: The file.
    ///   - load: The text of an imported file; nil if there is none of that name.
    /// - Throws: Everything that is wrong with the file or one that it imports.
    public func compile(_ source: SourceFile, load: (String) -> SourceFile?) throws(CompilationError) -> String {
        let model = try Self.analyze(source, load: load)
        return Emitter(swiftImports: swiftImports).emit(model, of: source)
    }

    static func analyze(_ source: SourceFile, load: (String) -> SourceFile?) throws(CompilationError) -> FileModel {
        let models = try analyze([source], load: load)
        return models.first { $0.name == source.name }?.model ?? FileModel()
    }

    /// The declarations of the files and of all that they import, imports first.
    static func analyze(
        _ sources: [SourceFile], load: (String) -> SourceFile?
    ) throws(CompilationError) -> [(name: String, model: FileModel)] {
        var loader = Loader()
        do throws(Diagnostic) {
            for source in sources where !loader.visited.contains(source.name) { try loader.visit(source, load: load) }
        } catch {
            throw CompilationError(diagnostics: [error])
        }
        let analyzer = Analyzer()
        for file in loader.files { analyzer.declare(file) }
        analyzer.finish()
        guard analyzer.diagnostics.isEmpty else { throw CompilationError(diagnostics: analyzer.diagnostics) }
        return loader.files.map { ($0.source.name, analyzer.models[$0.source.name] ?? FileModel()) }
    }
}

/// Reads a file and its imports, each once, imports first.
private struct Loader {
    var files: [FileSyntax] = []
    var visited: Set<String> = []

    mutating func visit(_ source: SourceFile, load: (String) -> SourceFile?) throws(Diagnostic) {
        visited.insert(source.name)
        let syntax = try Parser.parse(source)
        for imported in syntax.imports {
            guard let file = load(imported.name) else {
                throw Diagnostic(imported.location, "cannot read '\(imported.name)'")
            }
            // A file that imports itself in a circle has been begun already: its names are collected in the end.
            if !visited.contains(file.name) { try visit(file, load: load) }
        }
        files.append(syntax)
    }
}
