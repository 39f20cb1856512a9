"""The C text that asks the compiler for what it alone knows of a header.

It includes the header itself. What it tells is compiled into the extension: whether each function
has the type that was read, sizes and offsets of structures, the values of constants.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.headers.constants import Constants
from noodle.bridges.native.native_types import C_NUMBERS, Field, NativeType, Structure

__all__ = ["facts_text", "refused_constants"]

_CHECKS = """
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#define NOODLE_SAME(type, other) __builtin_types_compatible_p(type, other)
#define NOODLE_NUMBER(type, as) \\
    (sizeof(type) == sizeof(as) && ((type)-1 < 0) == ((as)-1 < 0) && ((type)0.5 == (as)0.5))
"""

_TABLES = """
struct noodle_integer { unsigned long long value; int negative; };
struct noodle_text { const char *start; size_t size; };
"""

_BITS = """
/* Where the bits lie that are set: the offset of their first byte, and how many lie below them. */
static void noodle_bits(const unsigned char *memory, size_t size, long long *place)
{
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++)
            if (memory[i] >> bit & 1) {
                place[0] = (long long)i;
                place[1] = bit;
                return;
            }
}
"""


def facts_text(
    includes: str,
    declarations: Sequence[Declaration],
    structures: Iterable[Structure],
    constants: Constants,
    macros: Collection[str],
) -> str:
    """Return the C file.

    Args:
        includes: The lines that include the headers.
        declarations: The functions, whose types are compared with the header's.
        structures: The structures whose layout is asked for.
        constants: The constants whose values are asked for.
        macros: The names that are macros; a function of such a name is asked for without it.
    """
    measured = [s for s in structures if s.c and s.fields is not None]
    return "\n".join(
        [
            f"{includes}{_CHECKS}{_TABLES}",
            *_integers(constants.integers),
            *_reals(constants.reals),
            *_texts(constants.texts),
            *_addresses(constants),
            *(f"#undef {d.exported}" for d in declarations if d.exported in macros),
            "const unsigned char noodle_agrees[] = {",
            *(f"    {_agreement(d)}," for d in declarations),
            "    0};",
            "long long noodle_layout[] = {",
            *(f"    {number}," for s in measured for number in _layout(s)),
            "    0};",
            *_probe(measured),
            "",
        ]
    )


def refused_constants(report: str, constants: Constants) -> list[str]:
    """Return the constants that a compiler's report complains of.

    Args:
        report: The report.
        constants: What was compiled.
    """
    import re

    names = [*constants.integers, *constants.reals, *constants.texts, *constants.addresses]
    lines = {int(n) for n in re.findall(r"noodle_constants:(\d+):\d+: error", report)}
    return [names[line - 1] for line in lines if 0 < line <= len(names)]


def _integers(table: dict[str, str]) -> Iterator[str]:
    yield "const struct noodle_integer noodle_integers[] = {"
    for line, expression in enumerate(table.values(), 1):
        yield f'#line {line} "noodle_constants"'
        yield f"{{(unsigned long long)({expression}), ({expression}) < 0}},"
    yield "{0, 0}};"


def _reals(table: dict[str, str]) -> Iterator[str]:
    yield "const double noodle_reals[] = {"
    yield from (f"(double)({expression})," for expression in table.values())
    yield "0};"


def _texts(table: dict[str, str]) -> Iterator[str]:
    yield "const struct noodle_text noodle_texts[] = {"
    for expression in table.values():
        yield f"{{{expression}, sizeof({expression}) - 1}},"
    yield "{NULL, 0}};"


def _addresses(constants: Constants) -> Iterator[str]:
    """Yield what the compiler refuses where a constant is no pointer."""
    first = len(constants.integers) + len(constants.reals) + len(constants.texts) + 1
    for line, expression in enumerate(constants.addresses.values(), first):
        yield f'#line {line} "noodle_constants"'
        yield f'_Static_assert(__builtin_classify_type({expression}) == 5, "no pointer");'


def _agreement(declaration: Declaration) -> str:
    """Return a condition that holds when the header's function has the type that was read."""
    fixed = declaration.parameters[: declaration.fixed or None]
    unnamed = [p.type.spelled("") for p in fixed]
    further = bool(declaration.fixed) or declaration.variadic
    shown = ", ".join([*unnamed, *["..."] * further]) or "void"
    if declaration.result.callback and "(*" in declaration.result.c:
        written = declaration.result.spelled(f"({shown})").replace("* (", "*(")
    else:
        written = f"{declaration.result.c} ({shown})"
    types = {t.c: t for t in (declaration.result, *(p.type for p in fixed))}
    checks = [check for t in types.values() if (check := _number_check(t))]
    return " && ".join([f"NOODLE_SAME(__typeof__({declaration.exported}), {written})", *checks])


def _number_check(native: NativeType) -> str | None:
    number = C_NUMBERS.get(native.type.name)
    if number is None or native.c in _PLAIN:
        return None
    return f"NOODLE_NUMBER({native.c}, {number})"


_PLAIN = {
    *C_NUMBERS.values(),
    *("int", "unsigned int", "unsigned", "char", "unsigned char", "signed char", "long"),
    *("unsigned long", "short", "unsigned short", "size_t", "bool", "long long"),
}


def _layout(structure: Structure) -> Iterator[str]:
    yield f"sizeof({structure.c})"
    yield f"_Alignof({structure.c})"
    for field in structure.fields or ():
        if field.bits:
            yield "-1, 0, 0"
        else:
            place = f"(({structure.c} *)0)->{field.name}{'[0]' * len(field.dimensions)}"
            yield f"offsetof({structure.c}, {field.name}), 0, {_size(field, place)}"


def _size(field: Field, place: str) -> str:
    return f"sizeof({place})" if field.type.type.name != "void" else "0"


def _probe(structures: Sequence[Structure]) -> Iterator[str]:
    """Yield the function that finds where bit-fields lie: C has no expression for that."""
    found = []
    index = 0
    for structure in structures:
        index += 2
        for field in structure.fields or ():
            if field.bits:
                found.append((structure.c, field.name, index))
            index += 3
    if found:
        yield _BITS
    yield "void noodle_probe(void)"
    yield "{"
    for c, name, index in found:
        yield f"    {{ union {{ {c} s; unsigned char bytes[sizeof({c})]; }} u;"
        yield f"      memset(&u, 0, sizeof u); u.s.{name} = -1;"
        yield f"      noodle_bits(u.bytes, sizeof u.bytes, noodle_layout + {index}); }}"
    yield "}"
