import Testing

@testable import IDLCompiler

/// A wrong text, and all that the compiler says about it.
struct WrongIDL: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    let diagnostics: String

    init(_ name: String, _ text: String, _ diagnostics: String) {
        self.name = name
        self.text = text
        self.diagnostics = diagnostics
    }

    var testDescription: String { name }
}

/// Each kind of mistake gets one diagnostic: the place, the message, the line and the caret, to the letter.
struct DiagnosticTests {
    @Test(arguments: wrongSyntax + wrongDeclarations + wrongTypes)
    func mistakesGetTheirCaret(_ wrong: WrongIDL) {
        let error = #expect(throws: CompilationError.self) {
            try Compiler().compile(SourceFile(name: "wrong.idl", text: wrong.text)) { _ in nil }
        }
        #expect(error?.description == wrong.diagnostics)
    }

    @Test func allMistakesOfDeclarationsAreToldAtOnce() {
        let text = """
            typedef struct { FOO a; } A;
            typedef struct { long n; [size_is(m)] byte *b; } B;
            typedef enum { C = 0x8000 } C;
            """
        let error = #expect(throws: CompilationError.self) {
            try Compiler().compile(SourceFile(name: "wrong.idl", text: text)) { _ in nil }
        }
        #expect(error?.diagnostics.map(\.location.line) == [3, 1, 2])
    }

    @Test func mistakesInImportsNameTheirFile() {
        let error = #expect(throws: CompilationError.self) {
            try Compiler().compile(SourceFile(name: "a.idl", text: "import \"b.idl\";")) { name in
                SourceFile(name: name, text: "\r\ntypedef FOO B;\r\n")
            }
        }
        #expect(
            error?.description == """
                b.idl:2:9: error: 'FOO' is not declared
                typedef FOO B;
                        ^~~
                """)
    }
}
