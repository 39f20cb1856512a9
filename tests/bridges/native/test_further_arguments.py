"""Functions of prototypes that take further arguments, whose types the load declares."""

from __future__ import annotations

import pytest

from noodle.bridges.native.c_parser import parse_c
from noodle.bridges.native.declarations import Declaration
from noodle.errors import ArgumentError, PrototypeError
from noodle.prototypes import Prototype
from tests.bridges.native.conftest import Load

SNPRINTF = "int snprintf(char *s, size_t n, const char *format, ...);"

WAYS = [
    pytest.param(placement, mode, id=f"{placement}-{mode}")
    for placement in ("inprocess", "isolated")
    for mode in ("api", "abi")
]


@pytest.mark.parametrize(("placement", "mode"), WAYS)
def test_prototypes_take_further_arguments_of_declared_types(
    load: Load, placement: str, mode: str
) -> None:
    variadic = {"snprintf": ["int", "double"], "snprintf as words": "const char *word"}
    options = {"variadic": variadic, "mode": mode}
    libc = load("libc.so.6", SNPRINTF, options=options, placement=placement)
    text = bytearray(30)
    assert libc.member("snprintf").raw(text, 30, "%d %.2f", 7, 2.5) == 6
    assert text.startswith(b"7 2.50\0")
    assert libc.member("words").raw(text, 30, "<%s>", word="Zoë") == 6
    assert text.startswith("<Zoë>\0".encode())
    with pytest.raises(ArgumentError, match="argument 4"):
        libc.member("snprintf").raw(text, 30, "%d %.2f", "7", 2.5)


def test_other_types_of_further_arguments_are_another_extension(load: Load) -> None:
    text = bytearray(30)
    of_ints = load("libc.so.6", SNPRINTF, options={"variadic": {"snprintf": "int"}})
    assert of_ints.member("snprintf").raw(text, 30, "%d", 12) == 2
    of_doubles = load("libc.so.6", SNPRINTF, options={"variadic": {"snprintf": "double"}})
    assert of_doubles.member("snprintf").raw(text, 30, "%.1f", 1.5) == 3


def read(variadic: list[tuple[str, str]]) -> tuple[Declaration, ...]:
    text = f"typedef float real; struct pair {{ int x; }}; {SNPRINTF} int plain(int x);"
    return parse_c(text, variadic).functions


def test_their_types_are_those_of_the_prototypes_widened_as_in_c() -> None:
    plain, total = read([("snprintf as total", "real, signed char,\n const struct pair *")])
    assert plain.name == "plain"
    assert (total.name, total.exported, total.fixed) == ("total", "snprintf", 3)
    assert [str(p.type.type) for p in total.parameters[3:]] == ["f64", "i32", "ptr<void>"]


@pytest.mark.parametrize(
    ("key", "types", "message"),
    [
        ("snprintff", "int", "snprintf"),
        ("plain", "int", "takes no further arguments"),
        ("snprintf", "int,", "cannot be read"),
        ("snprintf", "nothing_known", "cannot be read"),
        ("snprintf", "struct pair", "structure by value"),
        ("snprintf as a b", "int", "NAME as ALIAS"),
        ("snprintf as plain", "int", "declared in two ways"),
    ],
)
def test_wrong_declarations_of_further_arguments(key: str, types: str, message: str) -> None:
    with pytest.raises(PrototypeError, match=message):
        read([(key, types), ("snprintf as other", "int")])


def test_what_is_wrong_with_the_prototypes_is_told_first() -> None:
    with pytest.raises(PrototypeError, match="end each prototype with ';'"):
        parse_c("int snprintf(char *s, ...)", [("snprintf", "int")])


@pytest.mark.parametrize(
    "prototypes", [SNPRINTF, f"{SNPRINTF} int printf(const char *format, ...);"]
)
def test_an_undeclared_function_says_how_to_declare_its_arguments(prototypes: str) -> None:
    with pytest.raises(PrototypeError) as caught:
        parse_c(prototypes)
    assert "variadic={'snprintf': 'int, const char *'}" in str(caught.value.remedy)


@pytest.mark.parametrize("prototypes", [None, (Prototype("rand"),)])
def test_types_without_any_such_function_are_refused(
    load: Load, prototypes: tuple[Prototype, ...] | None
) -> None:
    with pytest.raises(PrototypeError, match="takes no further arguments") as caught:
        load("libc.so.6", prototypes, options={"variadic": {"printf": "int"}})
    assert caught.value.remedy == "declare it: int printf(int, ...);"
