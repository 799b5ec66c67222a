import Testing

@testable import IDLCompiler

/// What the analysis makes of a text, where it does not show in the golden output.
struct ModelTests {
    private func model(_ text: String) throws -> FileModel {
        try Compiler.analyze(SourceFile(name: "a.idl", text: text)) { _ in nil }
    }

    private func interface(_ body: String) throws -> InterfaceType {
        try #require(
            try model("[uuid(00000000-0000-0000-0000-000000000001)] interface i { \(body) }").interfaces.first)
    }

    @Test func constantsFold() throws {
        let values = try model(
            """
            #define TWO 2
            #define SUM (TWO + 1)
            #define NAME long
            const long A = (1 << 4 | SUM) & ~1;
            const long B = -7 / 2 % 3;
            const long C = A == 18 && B != 0 ? 0x10 : 010;
            const long D = 'a';
            const unsigned hyper E = 0xFFFFFFFFFFFFFFFF;
            """
        ).constants
        #expect(values.map(\.name) == ["TWO", "SUM", "A", "B", "C", "D", "E"])
        #expect(values.map(\.value) == [2, 3, 18, 0, 8, 97, -1])
    }

    @Test func baseTypesHaveTheirWidths() throws {
        let types = [
            ("unsigned char", "UInt8"), ("char", "UInt8"), ("signed char", "Int8"), ("small", "Int8"),
            ("byte", "UInt8"),
            ("boolean", "UInt8"), ("unsigned short int", "UInt16"), ("short", "Int16"), ("wchar_t", "UInt16"),
            ("unsigned", "UInt32"), ("long int", "Int32"), ("unsigned long", "UInt32"), ("hyper", "Int64"),
            ("unsigned __int64", "UInt64"), ("long long", "Int64"), ("__int3264", "Int64"), ("float", "Float"),
            ("double", "Double"), ("error_status_t", "UInt32"), ("HRESULT", "HRESULT"), ("CLSID", "GUID"),
        ]
        for (idl, swift) in types {
            let structure = try #require(try model("typedef struct { const \(idl) a; } A;").structures.first)
            #expect(structure.fields[0].level.swiftType == swift)
        }
    }

    @Test func structuresAreCalledByTheirTypedef() throws {
        let names = try model(
            """
            typedef struct _A { long a; } *PA, A;
            typedef struct _B { long b; } *PB;
            struct C { long c; };
            typedef enum { Zero } D, *PD;
            typedef struct { PA a; PB b; struct C c; PD d; A e; struct _A *f; } E;
            """)
        #expect(names.structures.map(\.name) == ["A", "_B", "C", "E"])
        #expect(names.structures[3].fields.map(\.level.swiftType) == ["A?", "_B?", "C", "D?", "A", "A?"])
    }

    @Test func pointersTakeTheirKinds() throws {
        let levels = try interface(
            """
            typedef [unique] long *UNIQUE;
            typedef long *PLAIN;
            void f([in] long *a, [in, unique] long *b, [in] UNIQUE c, [in] PLAIN d, [in, ref] UNIQUE e, [in] long **f,
                   [in, unique] long g[3], [in] UNIQUE *h, [in, ptr] long *i);
            """
        ).methods[0].parameters.map(\.field.level)
        #expect(
            levels.map(\.swiftType) == [
                "Int32", "Int32?", "Int32?", "Int32", "Int32", "Int32?", "[Int32]?", "Int32?", "Int32?",
            ])
    }

    @Test func positionsCountPointers() throws {
        let methods = try interface(
            """
            typedef [string] wchar_t *NAME;
            void f([in] long n, [in, size_is(n)] NAME *a, [out, size_is(, n)] NAME **b, [in, size_is(n, )] byte **c,
                   [in, size_is(, n)] byte **d, [in, string, size_is(n)] wchar_t *e, [in, string] wchar_t f[],
                   [in, string, size_is(n)] NAME g[*]);
            """
        ).methods
        #expect(
            methods[0].parameters.map(\.field.level.swiftType) == [
                "Int32", "[WideString?]", "[WideString?]?", "[UInt8?]", "[UInt8]?", "WideString", "WideString",
                "[WideString?]",
            ])
    }

    @Test func localMethodsTakeAnOpnum() throws {
        let methods = try interface(
            """
            void a(); [local] void b([in] void *p);
            [local] void c(); [call_as(c)] void remoteC(); void d();
            """
        ).methods
        #expect(methods.map(\.name) == ["a", "b", "remoteC", "d"])
        #expect(methods.map(\.opnum) == [0, 1, 2, 3])
        #expect(methods.map(\.isOnWire) == [true, false, true, true])
    }

    @Test func recursionIsBoxed() throws {
        let model = try model(
            """
            typedef struct _A { long x; struct _B *b; } A;
            typedef struct _B { struct _A *a; [size_is(2)] struct _B *many; } B;
            typedef [switch_type(long)] union _U { [case(0)] ; [case(1)] struct { long k; [switch_is(k)] union _U *u; } s; } U;
            """)
        let boxed = model.structures.flatMap { structure in
            structure.fields.filter(\.isBoxed).map { "\(structure.name).\($0.name)" }
        }
        // One box breaks the ring; an array has its elements on the heap anyway; the union is indirect.
        #expect(boxed == ["A.b"])
        #expect(model.unions.map(\.isIndirect) == [true])
    }

    @Test func layoutsFollowNDR() throws {
        let structures = try model(
            """
            typedef struct { byte a; [size_is(a)] byte b[]; } A;
            typedef struct { A a; } B;
            typedef struct { short k; [switch_is(k)] union { [case(1)] hyper h; [default] byte b; } u; } C;
            typedef struct { byte a[3]; [string] char s[4]; } D;
            """
        ).structures
        #expect(structures.map { $0.alignment(.ndr20) } == [1, 1, 8, 4])
        // [MS-RPCE] 2.2.5: the counts of a string have eight octets, and a structure is padded unless it is seen to end well.
        #expect(structures.map { $0.alignment(.ndr64) } == [1, 1, 8, 8])
        #expect(structures.map(\.paddingInNDR64) == [nil, nil, 8, 8])
        #expect(structures.map(\.minimumSize) == [1, 1, 4, 11])
        #expect(structures.map(\.isConformant) == [true, true, false, false])
    }

    @Test func reservedWordsAreQuoted() throws {
        let text = try Compiler().compile(
            SourceFile(
                name: "a.idl",
                text: """
                    typedef enum { default, Type } E;
                    typedef struct { long in; long Type; long self; } S;
                    [uuid(00000000-0000-0000-0000-000000000001)] interface i { void Repeat([in] long func); }
                    """)
        ) { _ in nil }
        #expect(text.contains("public static let `default` = E(rawValue: 0)"))
        #expect(text.contains("public init(`in`: Int32 = 0, `Type`: Int32 = 0, `self`: Int32 = 0)"))
        #expect(text.contains("func `repeat`(_ request: i.Repeat.Request, context: CallContext)"))
    }
}
