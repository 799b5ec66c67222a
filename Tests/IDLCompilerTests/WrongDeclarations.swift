/// Declarations, attributes and operations that contradict themselves.
let wrongDeclarations: [WrongIDL] = [
    WrongIDL(
        "a name declared twice",
        """
        typedef long A;
        typedef short A;
        """,
        """
        wrong.idl:2:15: error: 'A' is already declared at wrong.idl:1
        typedef short A;
                      ^
        """),
    WrongIDL(
        "a field declared twice",
        """
        typedef struct {
            long a;
            short a;
        } A;
        """,
        """
        wrong.idl:3:11: error: field 'a' is already declared
            short a;
                  ^
        """),
    WrongIDL(
        "an operation declared twice",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f();
            void f();
        }
        """,
        """
        wrong.idl:3:10: error: operation 'f' is already declared in this interface
            void f();
                 ^
        """),
    WrongIDL(
        "an unknown attribute",
        """
        typedef struct { [sizeis(3)] long *a; } A;
        """,
        """
        wrong.idl:1:19: error: unknown attribute 'sizeis'
        typedef struct { [sizeis(3)] long *a; } A;
                          ^~~~~~
        """),
    WrongIDL(
        "an unsupported attribute",
        """
        typedef [transmit_as(long)] short A;
        """,
        """
        wrong.idl:1:10: error: attribute 'transmit_as' is not supported
        typedef [transmit_as(long)] short A;
                 ^~~~~~~~~~~
        """),
    WrongIDL(
        "an attribute out of place",
        """
        typedef struct { [in] long a; } A;
        """,
        """
        wrong.idl:1:19: error: attribute 'in' does not belong to a field
        typedef struct { [in] long a; } A;
                          ^~
        """),
    WrongIDL(
        "two pointer attributes",
        """
        typedef struct { [unique, ref] long *a; } A;
        """,
        """
        wrong.idl:1:27: error: a pointer is only one of ref, unique and ptr
        typedef struct { [unique, ref] long *a; } A;
                                  ^~~
        """),
    WrongIDL(
        "a pointer attribute without a pointer",
        """
        typedef struct { [unique] long a; } A;
        """,
        """
        wrong.idl:1:19: error: 'a' is not a pointer
        typedef struct { [unique] long a; } A;
                          ^~~~~~
        """),
    WrongIDL(
        "a parameter without a direction",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f(long a);
        }
        """,
        """
        wrong.idl:2:17: error: parameter 'a' needs a direction: [in], [out] or both
            void f(long a);
                        ^
        """),
    WrongIDL(
        "an [out] parameter by value",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f([out] long a);
        }
        """,
        """
        wrong.idl:2:23: error: [out] parameter 'a' must be a pointer or an array
            void f([out] long a);
                              ^
        """),
    WrongIDL(
        "an [out] parameter that can be NULL",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f([out, unique] long *a);
        }
        """,
        """
        wrong.idl:2:32: error: [out] parameter 'a' must be a reference pointer: the callee could not set it
            void f([out, unique] long *a);
                                       ^
        """),
    WrongIDL(
        "an [in] parameter counted by an [out] one",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f([in, size_is(*n)] byte *a, [out] long *n);
        }
        """,
        """
        wrong.idl:2:36: error: [in] parameter 'a' depends on 'n', which is [out] only
            void f([in, size_is(*n)] byte *a, [out] long *n);
                                           ^
        """),
    WrongIDL(
        "a result that is a structure",
        """
        typedef struct { long a; } A;
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            A f();
        }
        """,
        """
        wrong.idl:3:5: error: an operation returns an integer, an HRESULT, a handle or nothing
            A f();
            ^
        """),
    WrongIDL(
        "void as a field",
        """
        typedef struct { void *a; } A;
        """,
        """
        wrong.idl:1:24: error: 'void *' has no representation on the wire
        typedef struct { void *a; } A;
                               ^
        """),
]
