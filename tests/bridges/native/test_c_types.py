"""What a C text says of structures, function pointers and enumerations."""

from __future__ import annotations

import pytest

from noodle.bridges.native.c_parser import parse_c
from noodle.bridges.native.declarations import Declaration, Declarations
from noodle.bridges.native.native_types import Enumeration, NativeType, Structure


def declared(text: str) -> Declarations:
    return parse_c(text)


def first(text: str) -> NativeType:
    return declared(text).functions[0].parameters[0].type


@pytest.mark.parametrize(
    "text",
    [
        "void qsort(void *base, int (*compare)(const void *, const void *));",
        "typedef int (*compare)(const void *, const void *); void qsort(compare c);",
        "typedef int compare(const void *, const void *); void qsort(compare *c);",
        "typedef int compare(const void *, const void *); void qsort(compare c);",
        "void qsort(int compare(const void *, const void *));",
    ],
)
def test_function_pointers_are_known_with_their_types(text: str) -> None:
    callback = declared(text).functions[0].parameters[-1].type.callback
    assert callback
    assert callback.result.c == "int"
    assert [(p.c, p.writes) for p in callback.parameters] == [("const void *", False)] * 2


def test_the_names_of_a_callback_s_parameters_are_known() -> None:
    callback = first("void each(int (*visit)(void *user, int count));").callback
    assert callback
    assert callback.names == ("user", "count")


@pytest.mark.parametrize(
    "text",
    [
        "int f(int (*callback)(void *user, int))",
        "int f(int *(*const callback)(int *))",
        "int (*f(int signal))(int)",
        "void (*f(int signal, void (*handler)(int)))(int)",
        "int f(struct s *p, enum e *q, const char *const *names)",
        "int f(int (*rows)[4])",
    ],
)
def test_declarations_are_spelled_as_they_were_written(text: str) -> None:
    assert declared(f"struct s; {text};").functions[0].c_text == text


def test_structures_have_their_fields() -> None:
    text = "typedef struct point { double x, y; struct point *next; } point; void f(point *p);"
    point = declared(text).structures["struct point"]
    assert (point.kind, point.c) == ("struct", "struct point")
    assert [(f.name, str(f.type.type), f.type.structure) for f in point.fields or ()] == [
        ("x", "f64", ""),
        ("y", "f64", ""),
        ("next", "ptr<void>", "struct point"),
    ]
    assert first(text).structure == "struct point"


def test_structures_without_a_name_have_that_of_their_typedef() -> None:
    text = "typedef struct { int quot, rem; } div_t; div_t *f(const div_t *d);"
    assert declared(text).structures["struct div_t"].c == "div_t"
    assert first(text).structure == "struct div_t"
    assert not first(text).writes


def test_structures_within_structures_are_named_by_their_fields() -> None:
    text = "struct outer { struct { int a; } inner; union { int b; float c; } either[2]; };"
    structures = declared(text).structures
    assert sorted(structures) == ["struct outer", "struct outer.inner", "union outer.either"]
    inner, either = structures["struct outer"].fields or ()
    assert inner.type.by_value
    assert str(inner.type.type) == "struct.outer.inner"
    assert either.dimensions == (2,)
    assert structures["union outer.either"].kind == "union"


def test_fields_of_unnamed_members_are_the_structure_s_own() -> None:
    text = "struct s { int kind; union { int i; struct { char c; double d; }; }; };"
    fields = declared(text).structures["struct s"].fields or ()
    assert [f.name for f in fields] == ["kind", "i", "c", "d"]


def test_bit_fields_arrays_and_callbacks_are_fields() -> None:
    text = """
    typedef unsigned char row[2];
    struct s { unsigned a : 3, : 5, b : 1; row rows[3 * sizeof(int) - 8];
    int (*call)(int); char tail[]; };
    """
    fields = {f.name: f for f in declared(text).structures["struct s"].fields or ()}
    assert (fields["a"].bits, fields["b"].bits) == (3, 1)
    assert fields["rows"].dimensions == (4, 2)
    assert fields["rows"].type.c == "unsigned char"
    assert fields["call"].type.callback
    assert fields["tail"].dimensions == (0,)


def test_a_structure_of_which_only_the_name_is_declared_has_no_fields() -> None:
    structures = declared("typedef struct db db; int f(db **out);").structures
    assert structures["struct db"] == Structure("struct db", "struct db")


def test_a_pointer_to_a_pointer_knows_what_that_points_to() -> None:
    target = first("typedef struct db db; int f(db **out);").target
    assert target
    assert target.structure == "struct db"


def test_enumerations_have_their_members() -> None:
    text = (
        "typedef enum { RED, GREEN = 5 } color; enum shape { ROUND }; int f(color c, enum shape);"
    )
    declarations = declared(text)
    assert declarations.enumerations == {
        "enum color": Enumeration("enum color", ("RED", "GREEN")),
        "enum shape": Enumeration("enum shape", ("ROUND",)),
    }
    color, shape = declarations.functions[0].parameters
    assert (color.type.enumeration, shape.type.enumeration) == ("enum color", "enum shape")


def test_what_was_packed_is_unpacked() -> None:
    text = """
    enum e { A }; struct s { int a : 3; struct { int x[2]; } b; int (*c)(struct s *, enum e); };
    char **f(int (*call)(char **, struct s *), const struct s *s, enum e e, double d[2]);
    """
    declarations = declared(text)
    for function in declarations.functions:
        assert Declaration.unpack(function.pack()) == function
    for structure in declarations.structures.values():
        assert Structure.unpack(structure.pack()) == structure
    for enumeration in declarations.enumerations.values():
        assert Enumeration.unpack(enumeration.pack()) == enumeration
