/// Counts, arrays, unions and structures that have no representation.
let wrongTypes: [WrongIDL] = [
    WrongIDL(
        "a count that is not there",
        """
        typedef struct {
            long n;
            [size_is(m)] byte *a;
        } A;
        """,
        """
        wrong.idl:3:14: error: 'm' is not a field of the structure or a constant
            [size_is(m)] byte *a;
                     ^
        """),
    WrongIDL(
        "a count that is a pointer",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f([in] long *n, [in, size_is(n)] byte *a);
        }
        """,
        """
        wrong.idl:2:39: error: 'n' is a pointer; '*n' is what it points at
            void f([in] long *n, [in, size_is(n)] byte *a);
                                              ^
        """),
    WrongIDL(
        "a count that is no pointer",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i {
            void f([in] long n, [in, size_is(*n)] byte *a);
        }
        """,
        """
        wrong.idl:2:38: error: 'n' is not a pointer
            void f([in] long n, [in, size_is(*n)] byte *a);
                                             ^
        """),
    WrongIDL(
        "a count that is no integer",
        """
        typedef struct {
            float n;
            [size_is(n)] byte *a;
        } A;
        """,
        """
        wrong.idl:3:14: error: 'n' is not an integer
            [size_is(n)] byte *a;
                     ^
        """),
    WrongIDL(
        "a count of nothing",
        """
        typedef struct {
            long n;
            [size_is(n)] byte a;
        } A;
        """,
        """
        wrong.idl:3:6: error: 'a' is neither a pointer nor an array
            [size_is(n)] byte a;
             ^~~~~~~
        """),
    WrongIDL(
        "too many positions",
        """
        typedef struct {
            long n;
            [size_is(,n)] byte *a;
        } A;
        """,
        """
        wrong.idl:3:6: error: more positions than 'a' has pointers and arrays
            [size_is(,n)] byte *a;
             ^~~~~~~
        """),
    WrongIDL(
        "size_is and max_is",
        """
        typedef struct {
            long n;
            [size_is(n), max_is(n)] byte *a;
        } A;
        """,
        """
        wrong.idl:3:18: error: only one of 'size_is' and 'max_is' can be given
            [size_is(n), max_is(n)] byte *a;
                         ^~~~~~
        """),
    WrongIDL(
        "length_is alone",
        """
        typedef struct {
            long n;
            [length_is(n)] byte *a;
        } A;
        """,
        """
        wrong.idl:3:6: error: a pointer to an array needs 'size_is' or 'max_is'
            [length_is(n)] byte *a;
             ^~~~~~~~~
        """),
    WrongIDL(
        "first_is alone",
        """
        typedef struct {
            long n;
            [size_is(8), first_is(n)] byte *a;
        } A;
        """,
        """
        wrong.idl:3:18: error: 'first_is' needs 'length_is' or 'last_is'
            [size_is(8), first_is(n)] byte *a;
                         ^~~~~~~~
        """),
    WrongIDL(
        "min_is",
        """
        typedef struct { [size_is(8), min_is(1)] byte *a; } A;
        """,
        """
        wrong.idl:1:38: error: 'min_is' can only be 0
        typedef struct { [size_is(8), min_is(1)] byte *a; } A;
                                             ^
        """),
    WrongIDL(
        "a variable divisor",
        """
        typedef struct {
            long n;
            [size_is(8 / n)] byte *a;
        } A;
        """,
        """
        wrong.idl:3:18: error: a divisor must be a constant other than zero
            [size_is(8 / n)] byte *a;
                         ^
        """),
    WrongIDL(
        "sizeof",
        """
        typedef struct {
            [size_is(sizeof(long))] byte *a;
        } A;
        """,
        """
        wrong.idl:2:14: error: 'sizeof' is not supported: the size in memory is no part of the wire
            [size_is(sizeof(long))] byte *a;
                     ^~~~~~
        """),
    WrongIDL(
        "an array without a bound",
        """
        typedef struct { byte a[]; } A;
        """,
        """
        wrong.idl:1:24: error: an array without a bound needs 'size_is' or 'max_is'
        typedef struct { byte a[]; } A;
                               ^
        """),
    WrongIDL(
        "an array of none",
        """
        typedef struct { byte a[0]; } A;
        """,
        """
        wrong.idl:1:25: error: an array has at least one element, and at most 2147483647
        typedef struct { byte a[0]; } A;
                                ^
        """),
    WrongIDL(
        "a conformant field before the end",
        """
        typedef struct {
            long n;
            [size_is(n)] byte a[];
            long b;
        } A;
        """,
        """
        wrong.idl:3:23: error: only the last field of a structure can be conformant
            [size_is(n)] byte a[];
                              ^
        """),
    WrongIDL(
        "an array of conformant structures",
        """
        typedef struct {
            long n;
            [size_is(n)] byte a[];
        } A;
        typedef struct { A a[3]; } B;
        """,
        """
        wrong.idl:5:20: error: the elements of an array cannot be conformant; only its first dimension can
        typedef struct { A a[3]; } B;
                           ^
        """),
    WrongIDL(
        "a string of numbers",
        """
        typedef struct { [string] long *a; } A;
        """,
        """
        wrong.idl:1:19: error: [string] needs a pointer to characters or an array of them
        typedef struct { [string] long *a; } A;
                          ^~~~~~
        """),
    WrongIDL(
        "a string with a length",
        """
        typedef struct {
            long n;
            [string, size_is(n), length_is(n)] char *a;
        } A;
        """,
        """
        wrong.idl:3:26: error: a string's length is where its terminator is
            [string, size_is(n), length_is(n)] char *a;
                                 ^~~~~~~~~
        """),
    WrongIDL(
        "an empty range",
        """
        typedef struct { [range(2, 1)] long a; } A;
        """,
        """
        wrong.idl:1:19: error: the range is empty
        typedef struct { [range(2, 1)] long a; } A;
                          ^~~~~
        """),
    WrongIDL(
        "a range that holds nothing",
        """
        typedef struct { [range(300, 400)] byte a; } A;
        """,
        """
        wrong.idl:1:41: error: no value of the type is in the range
        typedef struct { [range(300, 400)] byte a; } A;
                                                ^
        """),
    WrongIDL(
        "a range of a float",
        """
        typedef struct { [range(0, 1)] float a; } A;
        """,
        """
        wrong.idl:1:38: error: [range] needs an integer
        typedef struct { [range(0, 1)] float a; } A;
                                             ^
        """),
    WrongIDL(
        "a union without a discriminant",
        """
        typedef union { [case(1)] long a; } U;
        typedef struct { U u; } A;
        """,
        """
        wrong.idl:2:20: error: union 'U' needs 'switch_is'
        typedef struct { U u; } A;
                           ^
        """),
    WrongIDL(
        "an arm without a label",
        """
        typedef struct {
            long n;
            [switch_is(n)] union { long a; } u;
        } A;
        """,
        """
        wrong.idl:3:28: error: a union's arm needs [case(…)] or [default]
            [switch_is(n)] union { long a; } u;
                                   ^~~~
        """),
    WrongIDL(
        "a case taken twice",
        """
        typedef union {
            [case(1, 2)] long a;
            [case(2)] short b;
        } U;
        """,
        """
        wrong.idl:3:11: error: case 2 is already taken
            [case(2)] short b;
                  ^
        """),
    WrongIDL(
        "two defaults",
        """
        typedef union {
            [default] long a;
            [default] short b;
        } U;
        """,
        """
        wrong.idl:3:5: error: union 'U' has a default arm already
            [default] short b;
            ^
        """),
    WrongIDL(
        "a discriminant that is no integer",
        """
        typedef [switch_type(float)] union { [case(1)] long a; } U;
        """,
        """
        wrong.idl:1:22: error: a discriminant is an integer or an enumeration
        typedef [switch_type(float)] union { [case(1)] long a; } U;
                             ^~~~~
        """),
    WrongIDL(
        "an enumerator too large",
        """
        typedef enum { A, B = 0x8000 } E;
        """,
        """
        wrong.idl:1:23: error: 32768 does not fit into 16 bits; [v1_enum] has 32
        typedef enum { A, B = 0x8000 } E;
                              ^~~~~~
        """),
    WrongIDL(
        "an empty structure",
        """
        typedef struct { } A;
        """,
        """
        wrong.idl:1:20: error: structure 'A' has no fields
        typedef struct { } A;
                           ^
        """),
    WrongIDL(
        "a structure that holds itself",
        """
        typedef struct _A { struct _A a; } A;
        """,
        """
        wrong.idl:1:31: error: structure 'A' holds itself
        typedef struct _A { struct _A a; } A;
                                      ^
        """),
    WrongIDL(
        "a reference that leads back",
        """
        typedef struct _A { [ref] struct _A *a; } A;
        """,
        """
        wrong.idl:1:38: error: reference pointer 'a' leads back to its structure: no value could end
        typedef struct _A { [ref] struct _A *a; } A;
                                             ^
        """),
    WrongIDL(
        "an interface by value",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i { void f(); }
        typedef struct { i a; } A;
        """,
        """
        wrong.idl:2:20: error: interface 'i' travels as a pointer only
        typedef struct { i a; } A;
                           ^
        """),
    WrongIDL(
        "an interface pointer without its type",
        """
        [uuid(00000000-0000-0000-0000-000000000001)] interface i { void f(); }
        typedef struct { interface i *a; } A;
        """,
        """
        wrong.idl:2:31: error: an interface pointer needs MInterfacePointer ([MS-DCOM] 2.2.14): import dcom.idl
        typedef struct { interface i *a; } A;
                                      ^
        """),
    WrongIDL(
        "a tab before the error",
        """
        typedef struct {
        \tlong a;
        \tFOO b;
        } A;
        """,
        """
        wrong.idl:3:2: error: 'FOO' is not declared
        \tFOO b;
        \t^~~
        """),
]
