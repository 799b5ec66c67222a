/// Texts that cannot be read, or that name what is not there.
let wrongSyntax: [WrongIDL] = [
    WrongIDL(
        "an unexpected character",
        """
        typedef long A; @
        """,
        """
        wrong.idl:1:17: error: unexpected character '@'
        typedef long A; @
                        ^
        """),
    WrongIDL(
        "an unterminated comment",
        """
        typedef long A; /* and so on


        """,
        """
        wrong.idl:1:17: error: unterminated comment
        typedef long A; /* and so on
                        ^~
        """),
    WrongIDL(
        "an unterminated string",
        """
        cpp_quote("abc)

        """,
        """
        wrong.idl:1:11: error: unterminated string
        cpp_quote("abc)
                  ^
        """),
    WrongIDL(
        "a bad number",
        """
        const long A = 0x1G;
        """,
        """
        wrong.idl:1:16: error: '0x1G' is not a number
        const long A = 0x1G;
                       ^~~~
        """),
    WrongIDL(
        "a UUID that lost a digit",
        """
        [uuid(1D6C29C-8FBE-4691-8724-F6D8DEAEAFC8)]
        interface i { }
        """,
        """
        wrong.idl:1:7: error: '1D6C29C-8FBE-4691-8724-F6D8DEAEAFC8' is not a UUID (8-4-4-4-12 hexadecimal digits)
        [uuid(1D6C29C-8FBE-4691-8724-F6D8DEAEAFC8)]
              ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
        """),
    WrongIDL(
        "a directive",
        """
        #include <x.h>
        """,
        """
        wrong.idl:1:1: error: '#include' is not supported
        #include <x.h>
        ^~~~~~~~
        """),
    WrongIDL(
        "a macro's arguments",
        """
        #define F(a, b) a
        typedef F(long) A;
        """,
        """
        wrong.idl:2:9: error: macro 'F' takes 2 arguments, not 1
        typedef F(long) A;
                ^
        """),
    WrongIDL(
        "a macro that is not closed",
        """
        #define F(a) a
        typedef F(long A;
        """,
        """
        wrong.idl:2:10: error: the arguments of macro 'F' are not closed
        typedef F(long A;
                 ^
        """),
    WrongIDL(
        "a missing semicolon",
        """
        typedef long A
        typedef long B;
        """,
        """
        wrong.idl:2:1: error: expected ';', not 'typedef'
        typedef long B;
        ^~~~~~~
        """),
    WrongIDL(
        "a missing brace",
        """
        typedef struct { long a;
        """,
        """
        wrong.idl:1:25: error: expected '}', not the end of the file
        typedef struct { long a;
                                ^
        """),
    WrongIDL(
        "a missing name",
        """
        typedef struct { long; } A;
        """,
        """
        wrong.idl:1:22: error: expected a name, not ';'
        typedef struct { long; } A;
                             ^
        """),
    WrongIDL(
        "a missing bracket",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f([in long a);
        }
        """,
        """
        wrong.idl:2:16: error: expected ',' or ']', not 'long'
            void f([in long a);
                       ^~~~
        """),
    WrongIDL(
        "a library",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] library l { }
        """,
        """
        wrong.idl:1:46: error: 'library' is not supported
        [uuid(00000000-0000-0000-0000-000000000001)] library l { }
                                                     ^~~~~~~
        """),
    WrongIDL(
        "a string constant",
        """
        const char *A = "a";
        """,
        """
        wrong.idl:1:17: error: only integer constants are supported
        const char *A = "a";
                        ^~~
        """),
    WrongIDL(
        "a constant too large",
        """
        const short A = 0x8000;
        """,
        """
        wrong.idl:1:17: error: 32768 does not fit into the constant's type
        const short A = 0x8000;
                        ^~~~~~
        """),
    WrongIDL(
        "a division by zero",
        """
        const long A = 1 / 0;
        """,
        """
        wrong.idl:1:20: error: a divisor must be a constant other than zero
        const long A = 1 / 0;
                           ^
        """),
    WrongIDL(
        "something not constant",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f([in] long a, [in] byte b[a]);
        }
        """,
        """
        wrong.idl:2:37: error: 'a' is not a constant
            void f([in] long a, [in] byte b[a]);
                                            ^
        """),
    WrongIDL(
        "an unknown type",
        """
        typedef struct { FOO a; } A;
        """,
        """
        wrong.idl:1:18: error: 'FOO' is not declared
        typedef struct { FOO a; } A;
                         ^~~
        """),
    WrongIDL(
        "an unknown tag",
        """
        typedef struct { struct foo *a; } A;
        """,
        """
        wrong.idl:1:18: error: 'struct foo' is not declared
        typedef struct { struct foo *a; } A;
                         ^~~~~~
        """),
    WrongIDL(
        "impossible words",
        """
        typedef unsigned double A;
        """,
        """
        wrong.idl:1:9: error: 'unsigned double' is not a type
        typedef unsigned double A;
                ^~~~~~~~
        """),
    WrongIDL(
        "an unknown import",
        """
        import "nowhere.idl";
        """,
        """
        wrong.idl:1:8: error: cannot read 'nowhere.idl'
        import "nowhere.idl";
               ^~~~~~~~~~~~~
        """),
    WrongIDL(
        "an unknown base",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i : j { }
        """,
        """
        wrong.idl:1:60: error: base interface 'j' is not declared
        [uuid(00000000-0000-0000-0000-000000000001)] interface i : j { }
                                                                   ^
        """),
    WrongIDL(
        "a base of the other kind",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i { void f(); }
        [object, uuid(00000000-0000-0000-0000-000000000002)] interface j : i { }
        """,
        """
        wrong.idl:2:64: error: interface 'j' has [object], its base 'i' does not match
        [object, uuid(00000000-0000-0000-0000-000000000002)] interface j : i { }
                                                                       ^
        """),
    WrongIDL(
        "an interface without a UUID",
        """
        [version(1.0)] interface i { }
        """,
        """
        wrong.idl:1:26: error: interface 'i' needs a uuid
        [version(1.0)] interface i { }
                                 ^
        """),
    WrongIDL(
        "a version",
        """
        [uuid(00000000-0000-0000-0000-000000000001), version(1.2.3)] interface i { }
        """,
        """
        wrong.idl:1:46: error: a version is two numbers of 16 bits, major.minor
        [uuid(00000000-0000-0000-0000-000000000001), version(1.2.3)] interface i { }
                                                     ^~~~~~~
        """),
    WrongIDL(
        "a pointer default",
        """
        [uuid(00000000-0000-0000-0000-000000000001), pointer_default(weak)] interface i { }
        """,
        """
        wrong.idl:1:46: error: 'pointer_default' is ref, unique or ptr
        [uuid(00000000-0000-0000-0000-000000000001), pointer_default(weak)] interface i { }
                                                     ^~~~~~~~~~~~~~~
        """),
]
